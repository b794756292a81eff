-- KEYS 1 revocations; ARGV 1 how long they are of use (ms), 2.. members `<user>:<version>`
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', whole(now - tonumber(ARGV[1])))
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], whole(now), ARGV[i]) end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 1
