-- ARGV 3 'user', 'member' or 'visitors', 4 the user, 5 users who stay (JSON array), 6 reason, 7 how long they are kept
-- out (ms)
local kind, user, reason, long = ARGV[3], ARGV[4], ARGV[6], tonumber(ARGV[7])
local FIELD = { user = 'u:' .. user, member = 'm:' .. user, visitors = 'visitors' }
local stays = {}
for _, id in ipairs(cjson.decode(ARGV[5])) do stays[id] = true end

local function concerns(other)
  if kind == 'visitors' then return not stays[other] end
  return other == user
end

if long > 0 then
  local mark = { sinceMs = now, expiresAtMs = now + long, stays = stays }
  redis.call('HSET', EXPELLED, FIELD[kind], cjson.encode(mark))
  if redis.call('PTTL', EXPELLED) < long then redis.call('PEXPIRE', EXPELLED, whole(long)) end
end
each(PLACES, function(session, held)
  if held and concerns(held.userId) then redis.call('HDEL', PLACES, session) end
end)
local count = 0
each(PARTICIPANTS, function(_, stored)
  if stored and concerns(stored.userId) then
    remove(stored, reason)
    count = count + 1
  end
end)
if count > 0 then tidy() end
return count
