-- KEYS 1 counter; ARGV 1 amount, 2 window (ms), which begins with the first amount
local count = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(count) ~= 'number' or count < tonumber(ARGV[1]) or count > 2 ^ 53 then
  -- Damaged: the window begins anew.
  count = tonumber(ARGV[1])
  redis.call('SET', KEYS[1], ARGV[1])
end
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  left = tonumber(ARGV[2])
end
return { count, left }
