export { eventually } from './eventually.ts';
export { type MongoServer, type MongoSource, mongoDatabaseUrl, mongoSource, startMongo } from './mongodb.ts';
export { type NginxOptions, type NginxProcess, startNginx, writeNginxConfig } from './nginx.ts';
export { freePort, isPortFree } from './ports.ts';
export { type RedisProcess, startRedis } from './redis.ts';
export { type RedisClusterProcess, startRedisCluster } from './redis-cluster.ts';
export { workerBinary } from './worker-binary.ts';
