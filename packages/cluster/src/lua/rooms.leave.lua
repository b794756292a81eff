-- ARGV 3 session, 4 epoch, 5 reason
local session, epoch, reason = ARGV[3], tonumber(ARGV[4]), ARGV[5]

local reserved = get(PLACES, session)
if reserved and reserved.epoch <= epoch then redis.call('HDEL', PLACES, session) end

local current = get(PARTICIPANTS, session)
if not current or current.epoch > epoch then return { 0 } end
remove(current, reason)
local gone = redis.call('HEXISTS', NODES, current.nodeId) == 0 and 1 or 0
local last = revision
tidy()
return { 1, current.nodeId, gone, whole(last) }
