import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';
import { type RedisProcess, startRedis } from './redis.ts';

const run = promisify(execFile);

export interface RedisClusterProcess {
  /** Those that were masters at the start. */
  readonly masters: readonly RedisProcess[];
  /** One of each master, in no particular order, where asked for. */
  readonly replicas: readonly RedisProcess[];
  /** `redis+cluster://host:port,host:port,...` */
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a real Redis Cluster of `count` masters on loopback, each with a replica if asked for. */
export async function startRedisCluster(
  count = 3,
  { replicas: withReplicas = false } = {},
): Promise<RedisClusterProcess> {
  const servers = await Promise.all(
    Array.from({ length: withReplicas ? 2 * count : count }, () =>
      startRedis({ args: ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000'] }),
    ),
  );
  const [masters, replicas] = [servers.slice(0, count), servers.slice(count)];
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  try {
    await run('redis-cli', [
      '--cluster',
      'create',
      ...servers.map((server) => `127.0.0.1:${server.port}`),
      ...(withReplicas ? ['--cluster-replicas', '1'] : []),
      '--cluster-yes',
    ]);
    for (const server of servers) {
      await eventually('every server sees the whole cluster', async () => {
        const info = await server.call('CLUSTER', 'INFO');
        return info.includes('cluster_state:ok') && info.includes(`cluster_size:${count}`);
      });
    }
    for (const replica of replicas) {
      await eventually('every replica is in step with its master', async () =>
        (await replica.call('INFO', 'replication')).includes('master_link_status:up'),
      );
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    masters,
    replicas,
    url: `redis+cluster://${masters.map((master) => `127.0.0.1:${master.port}`).join(',')}`,
    stop,
  };
}
