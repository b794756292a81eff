-- KEYS 1 term, 2 sessions, 3 rooms; ARGV 1 term that was swept. A node that came back keeps what it has.
if (tonumber(redis.call('GET', KEYS[1]) or '-1') or -1) > tonumber(ARGV[1]) then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
return 1
