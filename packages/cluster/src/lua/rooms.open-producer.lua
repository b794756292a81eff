-- ARGV 3 'producer' or 'data', 4 epoch, 5 id, 6 record
local published, epoch, id = cjson.decode(ARGV[6]), tonumber(ARGV[4]), ARGV[5]
local key = ARGV[3] == 'producer' and PRODUCERS or DATA

local owner = get(PARTICIPANTS, published.sessionId)
if not owner or owner.epoch > epoch or owner.nodeId ~= published.nodeId then return 0 end
-- Written again (a retry, or a later term of the node) it keeps its pause state and tells nobody.
local known = get(key, id)
if known then
  known.term = published.term
  redis.call('HSET', key, id, cjson.encode(known))
else
  redis.call('HSET', key, id, ARGV[6])
  if ARGV[3] == 'producer' then
    emit({ type = 'producer-opened', producer = visible(published) })
  else
    emit({ type = 'data-producer-opened', dataProducer = visible(published) })
  end
end
return 1
