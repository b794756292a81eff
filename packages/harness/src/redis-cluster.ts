import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';
import { type RedisProcess, startRedis } from './redis.ts';

const run = promisify(execFile);

export interface RedisClusterProcess {
  readonly masters: readonly RedisProcess[];
  /** `redis+cluster://host:port,host:port,...` */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a real Redis Cluster of `count` masters on loopback. */
export async function startRedisCluster(count = 3): Promise<RedisClusterProcess> {
  const masters = await Promise.all(
    Array.from({ length: count }, () =>
      startRedis({ args: ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'] }),
    ),
  );
  const stop = async () => {
    await Promise.all(masters.map((master) => master.stop()));
  };
  try {
    await run('redis-cli', [
      '--cluster',
      'create',
      ...masters.map((master) => `127.0.0.1:${master.port}`),
      '--cluster-yes',
    ]);
    for (const master of masters) {
      await eventually('every master sees the whole cluster', async () => {
        const { stdout } = await run('redis-cli', ['-p', String(master.port), 'cluster', 'info']);
        return stdout.includes('cluster_state:ok') && stdout.includes(`cluster_size:${count}`);
      });
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { masters, url: `redis+cluster://${masters.map((master) => `127.0.0.1:${master.port}`).join(',')}`, stop };
}
