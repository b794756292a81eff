-- KEYS 1 sign of life of the receiver's inbox; ARGV 1 channel, 2 message. For Redis Cluster, where PUBLISH counts the
-- listeners of one master only.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1
