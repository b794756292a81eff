import { type RedisClusterProcess, type RedisProcess, startRedis, startRedisCluster } from '@meridian/harness';
import { Redis, Cluster as RedisCluster } from 'ioredis';

export type BackendKind = 'single' | 'cluster';

/** A real Redis for a test file, with a client of its own for looking at what lies in it. */
export interface Backend {
  readonly kind: BackendKind;
  readonly url: string;
  readonly raw: Redis | RedisCluster;
  readonly processes: readonly RedisProcess[];
  /** Names of all keys that begin with the prefix. */
  keys(prefix: string): Promise<string[]>;
  stop(): Promise<void>;
}

export async function startBackend(kind: BackendKind): Promise<Backend> {
  const started: RedisProcess | RedisClusterProcess =
    kind === 'single' ? await startRedis() : await startRedisCluster();
  const processes = 'masters' in started ? started.masters : [started];
  const raw =
    'masters' in started
      ? new RedisCluster(started.masters.map(({ port }) => ({ host: '127.0.0.1', port })))
      : new Redis(started.port, '127.0.0.1');
  raw.on('error', () => {
    // Tests that stop Redis see to it themselves.
  });
  return {
    kind,
    url: started.url,
    raw,
    processes,
    async keys(prefix) {
      const masters = raw instanceof RedisCluster ? raw.nodes('master') : [raw];
      const found = await Promise.all(masters.map((master) => master.keys(`${prefix}:*`)));
      return found.flat().sort();
    },
    async stop() {
      raw.disconnect();
      await started.stop();
    },
  };
}
