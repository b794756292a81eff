-- ARGV 2 lease (ms)
pulse(tonumber(ARGV[2]))
return { whole(now), to_sweep() }
