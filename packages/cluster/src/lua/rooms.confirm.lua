-- KEYS 8 burnt token; ARGV 3 session, 4 epoch, 5 node, 6 how long the token lives (ms), 7 term of the node,
-- 8 '1' for a move from another node
local TOKEN = KEYS[8]
local session, epoch, node = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local token_ms, term = tonumber(ARGV[6]), tonumber(ARGV[7])

if not redis.call('SET', TOKEN, session, 'NX', 'PX', token_ms) then return { 'token-replayed' } end
if redis.call('EXISTS', ENDED) == 1 then return { 'room-ended' } end

local current, reserved = get(PARTICIPANTS, session), place(session)
if (current and current.epoch > epoch) or (reserved and reserved.epoch > epoch) then
  return { 'session-replaced' }
end
if not reserved or reserved.nodeId ~= node then return { 'place-expired' } end

local before = revision
local stored = {
  sessionId = session,
  userId = reserved.userId,
  name = reserved.name,
  nodeId = node,
  region = reserved.region,
  epoch = epoch,
  joinedAtMs = now,
  connection = 'connected',
  term = term,
}
redis.call('HDEL', PLACES, session)
if ARGV[8] == '1' and current and current.nodeId ~= node then
  hand_over(current, stored)
else
  take_place(current, stored)
end
if reserved.duplicates == 'replace' then
  each(PARTICIPANTS, function(other, held)
    if held and other ~= session and held.userId == reserved.userId then remove(held, 'replaced') end
  end)
end
local newcomer = redis.call('HGET', NODES, node) == '1' and 1 or 0
return { 'confirmed', whole(before), newcomer, snapshot() }
