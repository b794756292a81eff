-- KEYS 1 sessions; ARGV 1 lease time (ms), then pairs of session and lease
for i = 2, #ARGV, 2 do
  local held, own = record(redis.call('HGET', KEYS[1], ARGV[i]), { 'epoch' }), cjson.decode(ARGV[i + 1])
  if not held or held.epoch <= own.epoch then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 1
