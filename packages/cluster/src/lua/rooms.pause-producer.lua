-- ARGV 3 producer, 4 '1' when paused
local stored, paused = get(PRODUCERS, ARGV[3]), ARGV[4] == '1'
if not stored then return 0 end
if stored.paused ~= paused then
  stored.paused = paused
  redis.call('HSET', PRODUCERS, ARGV[3], cjson.encode(stored))
  emit({ type = 'producer-updated', producerId = ARGV[3], paused = paused })
end
return 1
