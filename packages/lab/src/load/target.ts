import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MeridianError } from '@meridian/protocol';
import { childrenOf } from '../experiment/measure/machine.ts';
import { LOCAL_REGIONS, LocalCluster } from '../local-cluster/index.ts';
import { type MetricsSource, NodePages } from './measure/node-metrics.ts';
import { PrometheusServer } from './measure/prometheus.ts';

/** The cluster that gets the load. */
export interface Target {
  readonly url: string;
  readonly regions: readonly string[];
  readonly metrics: MetricsSource;
  /** Its processes on this machine: pid -> name, workers as `<node> worker <n>`. Empty for one elsewhere. */
  processes(): Promise<ReadonlyMap<number, string>>;
  /** Idempotent. */
  close(): Promise<void>;
  /** Ends its processes without waiting. */
  kill(): void;
}

export interface LocalTargetOptions {
  /** How many of the local cluster's nodes; each has `workers` mediasoup workers. */
  readonly nodes: number;
  readonly workers: number;
}

/** A cluster of its own on this machine, whose limits for requests per address are out of the way. */
export async function startLocalTarget({ nodes, workers }: LocalTargetOptions): Promise<Target> {
  const dataDir = await mkdtemp(join(tmpdir(), 'meridian-load-'));
  const regions = LOCAL_REGIONS.slice(0, nodes);
  let cluster: LocalCluster;
  try {
    cluster = await LocalCluster.start({
      dataDir,
      regions,
      workersPerNode: workers,
      nodeEnv: { MERIDIAN_LOG_LEVEL: 'fatal', MERIDIAN_MAX_SESSIONS: '100000', MERIDIAN_MAX_CONSUMERS: '4096' },
      sessionApiEnv: {
        MERIDIAN_LOG_LEVEL: 'fatal',
        MERIDIAN_REQUESTS_PER_MINUTE: '1000000',
        MERIDIAN_GUESTS_PER_MINUTE: '1000000',
        MERIDIAN_ROOMS_PER_MINUTE: '1000000',
      },
    });
  } catch (error) {
    await rm(dataDir, { recursive: true, force: true });
    throw error;
  }
  const children = () => [cluster.sessionApi, ...[...cluster.nodes.values()].map(({ child }) => child)];
  let closing: Promise<void> | undefined;
  return {
    url: cluster.url,
    regions: regions.map(({ region }) => region),
    metrics: new NodePages([...cluster.nodes.values()].map(({ url }) => url)),
    async processes() {
      const named = new Map(children().map((child) => [child.pid, child.name]));
      named.set(cluster.redis.pid, 'redis');
      for (const { child } of cluster.nodes.values()) {
        const pids = await childrenOf(child.pid, /mediasoup-worker/);
        for (const [index, pid] of pids.toSorted((a, b) => a - b).entries()) {
          named.set(pid, `${child.name} worker ${index}`);
        }
      }
      return named;
    },
    close() {
      closing ??= cluster.stop().then(() => rm(dataDir, { recursive: true, force: true }));
      return closing;
    },
    kill() {
      for (const child of children()) child.signal('SIGKILL');
      process.kill(cluster.redis.pid, 'SIGKILL');
    },
  };
}

export interface RemoteTargetOptions {
  readonly url: string;
  /** Regions that are forced, which the service has to allow; none leaves the choice to it. */
  readonly regions: readonly string[];
  /** Base URLs of the nodes, whose /metrics are read; or a Prometheus that does. */
  readonly metrics: readonly string[];
  readonly prometheus: string | undefined;
  /** Bearer token of the nodes' /metrics. */
  readonly metricsToken: string | undefined;
}

/** A cluster that runs already. @throws MeridianError `config-invalid` when it or its metrics cannot be reached */
export async function openRemoteTarget(options: RemoteTargetOptions): Promise<Target> {
  const { url, regions, prometheus } = options;
  await reach(url, async () => {
    const reply = await fetch(`${url}/v1/nodes`, { signal: AbortSignal.timeout(10_000) });
    if (!reply.ok) throw new Error(`it answers ${reply.status}`);
  });
  const metrics =
    prometheus === undefined ? new NodePages(options.metrics, options.metricsToken) : new PrometheusServer(prometheus);
  await reach(prometheus ?? options.metrics.join(', '), () => metrics.check());
  return {
    url,
    regions,
    metrics,
    processes: async () => new Map(),
    close: async () => {},
    kill: () => {},
  };
}

async function reach(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MeridianError('config-invalid', { message: `${what} cannot be used: ${why}`, cause });
  }
}
