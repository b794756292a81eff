-- KEYS 1 times of attempts; ARGV 1 limit, 2 window (ms), 3 what this attempt is called. Refused attempts do not count, or
-- somebody else's guessing would lock the owner out for good.
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', whole(now - window))
if redis.call('ZCARD', KEYS[1]) >= limit then
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return { 0, math.max(1, tonumber(oldest[2]) + window - now) }
end
redis.call('ZADD', KEYS[1], whole(now), ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { 1, 0 }
