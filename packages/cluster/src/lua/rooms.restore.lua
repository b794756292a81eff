-- ARGV 3 node, 4 term, 5 participants, 6 producers, 7 data producers (JSON arrays)
local node, term = ARGV[3], tonumber(ARGV[4])
local before = revision
if redis.call('EXISTS', ENDED) == 1 then return { whole(before), snapshot() } end

local mine = {}
for _, own in ipairs(cjson.decode(ARGV[5])) do
  local current = get(PARTICIPANTS, own.sessionId)
  own.term = term
  if current and current.epoch == own.epoch and current.nodeId == node then
    local changed = current.connection ~= own.connection
    own.joinedAtMs = current.joinedAtMs
    put_participant(own)
    if changed then emit({ type = 'participant-updated', participant = visible(own) }) end
    mine[own.sessionId] = true
  elseif not current or current.epoch < own.epoch then
    take_place(current, own)
    mine[own.sessionId] = true
  end
end

for _, own in ipairs(cjson.decode(ARGV[6])) do
  if mine[own.sessionId] then
    local stored = get(PRODUCERS, own.producerId)
    own.term = term
    redis.call('HSET', PRODUCERS, own.producerId, cjson.encode(own))
    if not stored then
      emit({ type = 'producer-opened', producer = visible(own) })
    elseif stored.paused ~= own.paused then
      emit({ type = 'producer-updated', producerId = own.producerId, paused = own.paused })
    end
  end
end

for _, own in ipairs(cjson.decode(ARGV[7])) do
  if mine[own.sessionId] then
    local known = redis.call('HEXISTS', DATA, own.dataProducerId) == 1
    own.term = term
    redis.call('HSET', DATA, own.dataProducerId, cjson.encode(own))
    if not known then emit({ type = 'data-producer-opened', dataProducer = visible(own) }) end
  end
end
return { whole(before), snapshot() }
