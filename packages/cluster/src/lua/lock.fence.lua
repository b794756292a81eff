-- KEYS 1 lock, 2 fence; ARGV 1 the holder's value, 2 how long the counter is kept (ms). Only the holder counts on.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return '' end
local fence = whole(math.max((tonumber(redis.call('GET', KEYS[2]) or '0') or 0) + 1, now))
redis.call('SET', KEYS[2], fence, 'PX', ARGV[2])
return fence
