-- KEYS 1 sessions, 2 rooms; ARGV 1 lease without epoch, 2 lease time (ms),
-- 3 how long the index of rooms lives without heartbeats (ms), 4 room ('' for none)
local lease = cjson.decode(ARGV[1])
local former = record(redis.call('HGET', KEYS[1], lease.sessionId), { 'epoch' })
-- Times rise across nodes too; one more than before where two connections share a millisecond.
lease.epoch = former and math.max(former.epoch + 1, now) or now
lease.attachedAtMs = now
local text = cjson.encode(lease)
redis.call('HSET', KEYS[1], lease.sessionId, text)
-- The heartbeat keeps the leases alive; this only bounds them where there is none.
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
local score = ''
if ARGV[4] ~= '' then
  score = whole(math.max(tonumber(redis.call('ZSCORE', KEYS[2], ARGV[4]) or '0') + 1, now))
  redis.call('ZADD', KEYS[2], score, ARGV[4])
  if redis.call('PTTL', KEYS[2]) < 0 then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
end
return { text, score }
