-- ARGV 3 session, 4 epoch, 5 reason, 6 node ('' for any)
local session, epoch, reason, from = ARGV[3], tonumber(ARGV[4]), ARGV[5], ARGV[6]
-- The attachment is over though nobody wanted to leave.
local UNWANTED = {
  ['connection-lost'] = true,
  ['transport-failed'] = true,
  ['moved'] = true,
  ['node-shutdown'] = true,
  ['node-lost'] = true,
  ['protocol-error'] = true,
  ['slow-reader'] = true,
}

local reserved = get(PLACES, session)
if reserved and reserved.epoch <= epoch and (from == '' or reserved.nodeId == from) then
  redis.call('HDEL', PLACES, session)
end

local function answer(node)
  local last = revision
  tidy()
  return { 1, node, redis.call('HEXISTS', NODES, node) == 0 and 1 or 0, whole(last) }
end

local current = get(PARTICIPANTS, session)
if not current then return { 0 } end

if holds(current, epoch, from) then
  local node = current.nodeId
  if UNWANTED[reason] and current.halves then hand_back(current, epoch) else remove(current, reason) end
  return answer(node)
end

local after = {}
local function is_leaving(half)
  if from == '' then return half.epoch == epoch end
  return half.nodeId == from and half.epoch <= epoch
end
if not drop_halves(current, is_leaving, after) then return { 0 } end
put_participant(current)
for _, node in ipairs(after) do exit(node) end
return answer(after[1])
