-- KEYS 1 any key of the registry, so that in a Redis Cluster everybody asks the same master.
return whole(now)
