-- ARGV 3 'producer' or 'data', 4 id
local key = ARGV[3] == 'producer' and PRODUCERS or DATA
local stored = get(key, ARGV[4])
if redis.call('HDEL', key, ARGV[4]) == 0 then return 0 end
if stored and ARGV[3] == 'producer' then
  emit({ type = 'producer-closed', producerId = ARGV[4], sessionId = stored.sessionId })
elseif stored then
  emit({ type = 'data-producer-closed', dataProducerId = ARGV[4], sessionId = stored.sessionId })
end
return 1
