-- KEYS 1 sessions; ARGV 1 session, 2 epoch
local held = record(redis.call('HGET', KEYS[1], ARGV[1]), { 'epoch' })
if held and held.epoch > tonumber(ARGV[2]) then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])
