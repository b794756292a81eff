-- KEYS 1 lock, 2 fence; ARGV 1 the holder's value, 2 how long the counter is kept (ms). Only the holder counts on.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return '' end
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
-- A fence that is no time is damaged: the clock is above every one that was given out.
if not last or not is_time(last) then last = 0 end
local fence = whole(math.max(last + 1, now))
redis.call('SET', KEYS[2], fence, 'PX', ARGV[2])
return fence
