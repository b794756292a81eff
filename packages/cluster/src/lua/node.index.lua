-- KEYS 1 rooms; ARGV 1 how long the index lives without heartbeats (ms), 2.. rooms. Returns the score of each.
local scores = {}
for i = 2, #ARGV do
  local last = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i]) or '0')
  scores[#scores + 1] = whole(math.max(last + 1, now))
  redis.call('ZADD', KEYS[1], scores[#scores], ARGV[i])
end
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return scores
