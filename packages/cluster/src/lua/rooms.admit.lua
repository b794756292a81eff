-- ARGV 3 lease, 4 capacity, 5 duplicates policy, 6 how long the place is kept (ms), 7 '1' for a visitor
local lease, capacity, duplicates, keep = cjson.decode(ARGV[3]), tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])

if redis.call('EXISTS', ENDED) == 1 then return { 'room-ended' } end
local expelled = expulsion('u:' .. lease.userId)
if expelled then return { 'expelled', whole(expelled.expiresAtMs - now) } end
if ARGV[7] == '1' and (expulsion('visitors') or expulsion('m:' .. lease.userId)) then return { 'members-only' } end
prune_places()
drop_unreadable()

local current, reserved = get(PARTICIPANTS, lease.sessionId), place(lease.sessionId)
if (current and current.epoch > lease.epoch) or (reserved and reserved.epoch > lease.epoch) then
  return { 'session-replaced' }
end

-- Seats that others take. A session that joined and has a place too (a newer epoch on its way) takes one, and
-- so does a place that will replace a participant of the same user.
local users, seats, same_user = {}, 0, {}
each(PARTICIPANTS, function(session, other)
  if other and session ~= lease.sessionId then
    if other.userId == lease.userId then same_user[#same_user + 1] = session end
    if not (duplicates == 'replace' and other.userId == lease.userId) then seats = seats + 1 end
    users[other.userId] = true
  end
end)
each(PLACES, function(session, other)
  if other and session ~= lease.sessionId and redis.call('HEXISTS', PARTICIPANTS, session) == 0 then
    if other.userId == lease.userId and duplicates ~= 'allow' then
      same_user[#same_user + 1] = session
      -- Two sessions of one user on their way in: the later one wins.
      if duplicates == 'replace' then redis.call('HDEL', PLACES, session) end
    end
    local replaces = other.duplicates == 'replace' and users[other.userId]
    local gone = duplicates == 'replace' and other.userId == lease.userId
    if not replaces and not gone then seats = seats + 1 end
  end
end)

if duplicates == 'reject' and #same_user > 0 then return { 'duplicate' } end
if not current and not reserved and seats >= capacity then return { 'room-full' } end

lease.duplicates = duplicates
lease.expiresAtMs = now + keep
redis.call('HSET', PLACES, lease.sessionId, cjson.encode(lease))
-- The key lives as long as its youngest place.
if redis.call('PTTL', PLACES) < keep then redis.call('PEXPIRE', PLACES, keep) end
return { 'admitted', whole(keep) }
