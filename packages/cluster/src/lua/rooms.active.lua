return { redis.call('HLEN', PARTICIPANTS), redis.call('HKEYS', NODES) }
