-- ARGV 3 node, 4 term, 5 participants, 6 producers, 7 data producers (JSON arrays)
local node, term = ARGV[3], tonumber(ARGV[4])
local before = revision
if redis.call('EXISTS', ENDED) == 1 then return { whole(before), snapshot() } end

-- Put out while this node was cut off.
local no_visitors = expulsion('visitors')
local function is_expelled(user)
  if expulsion('u:' .. user) or expulsion('m:' .. user) then return true end
  return no_visitors ~= nil and not (type(no_visitors.stays) == 'table' and no_visitors.stays[user])
end

-- The epoch under which this node holds a session.
local mine = {}

-- The participant is on another node under a newer epoch, but it is the same stay in the room: it has moved, and this
-- is what it has not left yet.
local function restore_half(current, own)
  local halves, known = halves_of(current), false
  for _, half in ipairs(halves) do
    if half.nodeId == node then
      half.epoch, half.term, known = own.epoch, term, true
    end
  end
  if not known then
    enter(node)
    halves[#halves + 1] = { nodeId = node, region = own.region, epoch = own.epoch, term = term }
    table.sort(halves, function(a, b) return a.epoch < b.epoch end)
  end
  current.halves = halves
  put_participant(current)
end

-- On this node under this epoch, or under an older one that was resumed here while nothing could be written.
local function is_same_attachment(current, own, same_stay)
  if not current or current.nodeId ~= node then return false end
  return own_epoch(current) == own.epoch or (same_stay and own_epoch(current) < own.epoch)
end

for _, own in ipairs(cjson.decode(ARGV[5])) do
  local current = get(PARTICIPANTS, own.sessionId)
  local same_stay = current and current.joinedAtMs == own.joinedAtMs
  local restored = true
  own.term = term
  if is_expelled(own.userId) then
    restored = false
  elseif is_same_attachment(current, own, same_stay) then
    local changed = current.connection ~= own.connection or current.epoch < own.epoch
    if current.epoch < own.epoch then
      current.epoch, current.knownAs = own.epoch, nil
    elseif current.knownAs then
      current.knownAs = own.epoch
    end
    current.connection, current.term = own.connection, term
    put_participant(current)
    if changed then emit({ type = 'participant-updated', participant = visible(current, 'participant') }) end
  elseif same_stay and current.nodeId ~= node and current.epoch > own.epoch then
    restore_half(current, own)
  elseif same_stay and current.nodeId ~= node and current.epoch < own.epoch then
    hand_over(current, own)
  elseif not current or current.epoch < own.epoch then
    take_place(current, own)
  else
    restored = false
  end
  if restored then mine[own.sessionId] = own.epoch end
end

for _, own in ipairs(cjson.decode(ARGV[6])) do
  if mine[own.sessionId] then
    local stored = get(PRODUCERS, own.producerId)
    own.term, own.epoch = term, mine[own.sessionId]
    redis.call('HSET', PRODUCERS, own.producerId, cjson.encode(own))
    if not stored then
      emit({ type = 'producer-opened', producer = visible(own, 'published') })
    elseif stored.paused ~= own.paused then
      emit({ type = 'producer-updated', producerId = own.producerId, paused = own.paused })
    end
  end
end

for _, own in ipairs(cjson.decode(ARGV[7])) do
  if mine[own.sessionId] then
    local known = redis.call('HEXISTS', DATA, own.dataProducerId) == 1
    own.term, own.epoch = term, mine[own.sessionId]
    redis.call('HSET', DATA, own.dataProducerId, cjson.encode(own))
    if not known then emit({ type = 'data-producer-opened', dataProducer = visible(own, 'published') }) end
  end
end
return { whole(before), snapshot() }
