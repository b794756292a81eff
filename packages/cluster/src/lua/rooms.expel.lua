-- ARGV 3 user ('' for all visitors), 4 users who stay then (JSON array), 5 reason, 6 how long nobody of them comes back (ms)
local user, reason, long = ARGV[3], ARGV[5], tonumber(ARGV[6])
local stays = {}
for _, id in ipairs(cjson.decode(ARGV[4])) do stays[id] = true end

local function concerns(other)
  if user ~= '' then return other == user end
  return not stays[other]
end

if long > 0 then
  local mark = { sinceMs = now, expiresAtMs = now + long, stays = stays }
  redis.call('HSET', EXPELLED, user ~= '' and 'u:' .. user or 'visitors', cjson.encode(mark))
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
