import { startRedisCluster, startRedisSentinel } from '@meridian/harness';
import { describe, onTestFinished, test } from 'vitest';
import { startCall, startCluster } from './outages/call.ts';
import { callFindsItself, callGoesOn } from './outages/goes-on.ts';

async function callOn(redisUrl: string) {
  const cluster = await startCluster({ redisUrl });
  onTestFinished(() => cluster.remove());
  const call = await startCall(cluster);
  onTestFinished(() => call.end());
  return call;
}

describe('a call over two nodes', () => {
  test('goes on while a Sentinel makes a replica the master', async () => {
    const redis = await startRedisSentinel({ downAfterMs: 1_000 });
    onTestFinished(() => redis.stop());
    const call = await callOn(redis.url);
    // What the replica does not have yet is lost by a failover; the nodes put it back.
    await callFindsItself(call, async () => {
      await redis.master.kill();
    });
  });

  test('goes on while one master of a Redis Cluster is gone and its replica takes over', async () => {
    const redis = await startRedisCluster(3, { replicas: true });
    onTestFinished(() => redis.stop());
    const call = await callOn(redis.url);
    await callFindsItself(call, async () => {
      await redis.masters[0]?.kill();
    });
  });

  test('goes on while every master of a Redis Cluster stands still', async () => {
    const redis = await startRedisCluster(3);
    onTestFinished(() => redis.stop());
    const call = await callOn(redis.url);
    await callGoesOn(call, async () => {
      await Promise.all(redis.masters.map((master) => master.freeze()));
      return async () => {
        for (const master of redis.masters) master.thaw();
      };
    });
  });
});
