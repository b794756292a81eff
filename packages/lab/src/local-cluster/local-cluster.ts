import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, freePort, isPortFree, type RedisProcess, startRedis, workerBinary } from '@meridian/harness';
import { MeridianError } from '@meridian/protocol';
import { ServiceChild } from './child.ts';
import { LOCAL_REGIONS, type LocalRegion } from './regions.ts';

export interface LocalClusterOptions {
  /** Keys, database, logs and the state file live here. */
  readonly dataDir: string;
  readonly regions?: readonly LocalRegion[];
  /** First of the ports; 0 chooses free ones. See `portPlan`. */
  readonly basePort?: number;
  /** Address that browsers reach the media at; default 127.0.0.1. */
  readonly announce?: string;
  /** mediasoup workers per node; default 1. */
  readonly workersPerNode?: number;
  /** Folder of the built web app; undefined serves the API only. */
  readonly webDir?: string | undefined;
  /** Further settings of the services, `MERIDIAN_*`; they win. */
  readonly sessionApiEnv?: Readonly<Record<string, string>>;
  readonly nodeEnv?: Readonly<Record<string, string>>;
  /** The same for one node, told before each of its starts; they win over `nodeEnv`. */
  readonly nodeEnvOf?: (node: { nodeId: string; httpPort: number }) => Promise<Readonly<Record<string, string>>>;
  /** A Redis of the caller's (it may be a Sentinel or a Redis Cluster); none is started then. */
  readonly redisUrl?: string;
  /** Starts a node again that has ended by itself, as systemd or Kubernetes would. */
  readonly supervise?: boolean;
  /** Told what is being done and what happened to whom. */
  readonly onEvent?: (line: string) => void;
}

export interface LocalNode {
  readonly region: LocalRegion;
  readonly url: string;
  readonly httpPort: number;
  /** Port of its (first) WebRtcServer. */
  readonly rtcPort: number;
  readonly child: ServiceChild;
}

const entry = (name: string) => fileURLToPath(new URL(`../../../${name}/src/main.ts`, import.meta.url));

/** Ports: base = HTTP, +1 = Redis, +10+i = node i's HTTP, +100+10i = its media (one per worker), pipes from +1000+200i. */
const portPlan = (base: number) => ({
  http: base,
  redis: base + 1,
  node: (index: number) => base + 10 + index,
  rtc: (index: number) => base + 100 + 10 * index,
  pipes: (index: number) => ({ min: base + 1_000 + 200 * index, max: base + 1_199 + 200 * index }),
});

/** Before a node that ended is started again, milliseconds: not in a tight loop. */
const RESTART_AFTER_MS = 500;

/** A whole cluster on this machine: private Redis, session service, one node per region. */
export class LocalCluster {
  readonly url: string;
  readonly redisUrl: string;
  readonly redisPrefix: string;
  readonly dataDir: string;
  readonly #redis: RedisProcess | undefined;
  readonly #nodes = new Map<string, LocalNode>();
  readonly #startNode: (region: LocalRegion, index: number) => Promise<LocalNode>;
  readonly #startSessionApi: () => ServiceChild;
  readonly #regions: readonly LocalRegion[];
  readonly #restarts = new Set<NodeJS.Timeout>();
  readonly #killAll: () => void;
  #sessionApi: ServiceChild;

  private constructor(parts: {
    url: string;
    redis: RedisProcess | undefined;
    redisUrl: string;
    redisPrefix: string;
    dataDir: string;
    sessionApi: ServiceChild;
    startSessionApi: () => ServiceChild;
    regions: readonly LocalRegion[];
    startNode: (region: LocalRegion, index: number) => Promise<LocalNode>;
    killAll: () => void;
  }) {
    this.url = parts.url;
    this.#redis = parts.redis;
    this.redisUrl = parts.redisUrl;
    this.redisPrefix = parts.redisPrefix;
    this.dataDir = parts.dataDir;
    this.#sessionApi = parts.sessionApi;
    this.#startSessionApi = parts.startSessionApi;
    this.#regions = parts.regions;
    this.#startNode = parts.startNode;
    this.#killAll = parts.killAll;
  }

  /** @throws Error when the cluster runs on a Redis of the caller's */
  get redis(): RedisProcess {
    if (this.#redis === undefined) throw new Error('this cluster has no Redis of its own');
    return this.#redis;
  }

  get nodes(): ReadonlyMap<string, LocalNode> {
    return this.#nodes;
  }

  get sessionApi(): ServiceChild {
    return this.#sessionApi;
  }

  /** @throws Error when there is no node of that id. */
  node(nodeId: string): LocalNode {
    const node = this.#nodes.get(nodeId);
    if (node === undefined) throw new Error(`no node ${nodeId} in this cluster`);
    return node;
  }

  /**
   * @throws MeridianError `config-invalid` when a port is busy; Error with the last log lines when a
   * service does not become ready.
   */
  static async start(options: LocalClusterOptions): Promise<LocalCluster> {
    const say = options.onEvent ?? (() => {});
    const regions = options.regions ?? LOCAL_REGIONS;
    const announce = options.announce ?? '127.0.0.1';
    const plan = options.basePort ? portPlan(options.basePort) : undefined;
    if (plan) await refuseBusyPorts(plan, regions.length);
    const port = { http: plan?.http ?? (await freePort()) };
    await mkdir(join(options.dataDir, 'logs'), { recursive: true });
    const redisPrefix = 'mer:';
    const started: { stop(): Promise<unknown>; kill(): unknown }[] = [];
    let supervisor: ((child: ServiceChild) => void) | undefined;
    const onUnexpectedExit = (child: ServiceChild, how: string) => {
      say(`${child.name} ended by itself (${how}); its log: ${join(options.dataDir, 'logs', `${child.name}.log`)}`);
      supervisor?.(child);
    };
    const logFile = (name: string) => join(options.dataDir, 'logs', `${name}.log`);
    // Ctrl-C in a terminal reaches none of the cluster's processes, so they are stopped in order - or here, when there is no time left
    // for that, as at a second Ctrl-C.
    const killAll = () => {
      for (const part of started) part.kill();
    };
    process.once('exit', killAll);
    try {
      const redis =
        options.redisUrl === undefined
          ? await startRedis({ apart: true, ...(plan === undefined ? {} : { port: plan.redis }) })
          : undefined;
      if (redis !== undefined) {
        started.push({ stop: () => redis.stop(), kill: () => redis.process.kill('SIGKILL') });
        say(`Redis on 127.0.0.1:${redis.port}`);
      }
      const redisUrl = options.redisUrl ?? redis?.url ?? '';
      const url = `http://localhost:${port.http}`;
      const startSessionApi = () => {
        const child = new ServiceChild(
          {
            name: 'session-api',
            entry: entry('session-api'),
            logFile: logFile('session-api'),
            env: {
              MERIDIAN_HTTP_HOST: '127.0.0.1',
              MERIDIAN_HTTP_PORT: String(port.http),
              MERIDIAN_PUBLIC_URL: url,
              MERIDIAN_REDIS_URL: redisUrl,
              MERIDIAN_REDIS_PREFIX: redisPrefix,
              MERIDIAN_STORE: `sqlite:${join(options.dataDir, 'meridian.sqlite')}`,
              MERIDIAN_KEYS_DIR: join(options.dataDir, 'keys'),
              MERIDIAN_WEB_DIR: options.webDir ?? '',
              MERIDIAN_ALLOW_FORCED_REGION: 'true',
              ...options.sessionApiEnv,
            },
          },
          onUnexpectedExit,
        );
        started.push({ stop: () => child.stop(), kill: () => child.signal('SIGKILL') });
        return child;
      };
      const sessionApi = startSessionApi();
      const binary = workerBinary();
      const startNode = async (region: LocalRegion, index: number): Promise<LocalNode> => {
        const httpPort = plan?.node(index) ?? (await freePort());
        // Several workers take consecutive ports: only a plan can promise those.
        const rtcPort = plan?.rtc(index) ?? ((options.workersPerNode ?? 1) === 1 ? await freePort() : 0);
        const pipes = plan?.pipes(index) ?? freePipeRange();
        const child = new ServiceChild(
          {
            name: region.nodeId,
            entry: entry('sfu-node'),
            logFile: logFile(region.nodeId),
            env: {
              MERIDIAN_NODE_ID: region.nodeId,
              MERIDIAN_REGION: region.region,
              MERIDIAN_REGION_NAME: region.regionName,
              MERIDIAN_LATITUDE: String(region.coordinates.latitude),
              MERIDIAN_LONGITUDE: String(region.coordinates.longitude),
              MERIDIAN_HTTP_HOST: '127.0.0.1',
              MERIDIAN_HTTP_PORT: String(httpPort),
              MERIDIAN_PUBLIC_WS_URL: `ws://localhost:${httpPort}/ws`,
              MERIDIAN_PUBLIC_PROBE_URL: `http://localhost:${httpPort}/probe`,
              MERIDIAN_REDIS_URL: redisUrl,
              MERIDIAN_REDIS_PREFIX: redisPrefix,
              MERIDIAN_JWKS_URL: `http://127.0.0.1:${port.http}/.well-known/jwks.json`,
              MERIDIAN_ISSUER: options.sessionApiEnv?.MERIDIAN_PUBLIC_URL ?? url,
              MERIDIAN_ALLOWED_ORIGINS: '*',
              // Everybody comes from this machine here.
              MERIDIAN_CONNECTIONS_PER_ADDRESS: '0',
              MERIDIAN_ATTEMPTS_PER_MINUTE: '0',
              MERIDIAN_UNATTACHED_PER_ADDRESS: '1000',
              MERIDIAN_WORKERS: String(options.workersPerNode ?? 1),
              MERIDIAN_RTC_LISTEN_IP: announce === '127.0.0.1' ? '127.0.0.1' : '0.0.0.0',
              MERIDIAN_RTC_ANNOUNCED_ADDRESS: announce,
              MERIDIAN_RTC_PORT: String(rtcPort),
              MERIDIAN_PIPE_LISTEN_IP: '127.0.0.1',
              MERIDIAN_PIPE_PORT_MIN: String(pipes.min),
              MERIDIAN_PIPE_PORT_MAX: String(pipes.max),
              ...(binary === undefined ? {} : { MEDIASOUP_WORKER_BIN: binary }),
              ...options.nodeEnv,
              ...(await options.nodeEnvOf?.({ nodeId: region.nodeId, httpPort })),
            },
          },
          onUnexpectedExit,
        );
        started.push({ stop: () => child.stop(), kill: () => child.signal('SIGKILL') });
        const node = { region, url: `http://127.0.0.1:${httpPort}`, httpPort, rtcPort, child };
        await ready(node.url, child);
        say(`node ${region.nodeId} (${region.region}, ${region.regionName}) on port ${httpPort}`);
        return node;
      };
      const [nodes] = await Promise.all([
        Promise.all(regions.map(startNode)),
        ready(`http://127.0.0.1:${port.http}`, sessionApi).then(() => say(`session service on ${url}`)),
      ]);
      const cluster = new LocalCluster({
        url,
        redis,
        redisUrl,
        redisPrefix,
        dataDir: options.dataDir,
        sessionApi,
        startSessionApi,
        regions,
        startNode,
        killAll,
      });
      for (const node of nodes) cluster.#nodes.set(node.region.nodeId, node);
      await cluster.#writeState();
      if (options.supervise === true) {
        supervisor = (child) => {
          if (!cluster.#nodes.has(child.name)) return;
          const again = setTimeout(() => {
            cluster.restartNode(child.name).then(
              () => say(`${child.name} runs again`),
              (error: unknown) => say(`${child.name} could not be started again: ${String(error)}`),
            );
          }, RESTART_AFTER_MS);
          cluster.#restarts.add(again);
        };
      }
      return cluster;
    } catch (error) {
      await Promise.all(started.reverse().map((part) => part.stop()));
      process.off('exit', killAll);
      throw error;
    }
  }

  /** Starts a node again after it was killed or stopped. */
  async restartNode(nodeId: string): Promise<LocalNode> {
    const index = this.#regions.findIndex((region) => region.nodeId === nodeId);
    const region = this.#regions[index];
    if (region === undefined) throw new Error(`no node ${nodeId} in this cluster`);
    await this.#nodes.get(nodeId)?.child.stop();
    const node = await this.#startNode(region, index);
    this.#nodes.set(nodeId, node);
    await this.#writeState();
    return node;
  }

  /** Starts the session service again, on the same port, after it was killed or stopped. */
  async restartSessionApi(): Promise<ServiceChild> {
    await this.#sessionApi.stop();
    this.#sessionApi = this.#startSessionApi();
    await ready(this.url, this.#sessionApi);
    return this.#sessionApi;
  }

  /** Nodes first (they say goodbye in Redis), then the service, then Redis. Idempotent. */
  async stop(): Promise<void> {
    for (const again of this.#restarts) clearTimeout(again);
    await Promise.all([...this.#nodes.values()].map((node) => node.child.stop()));
    await this.#sessionApi.stop();
    await this.#redis?.stop();
    process.off('exit', this.#killAll);
    await rm(join(this.dataDir, 'cluster.json'), { force: true });
  }

  /** Where the cluster is, for `meridian`. */
  async #writeState(): Promise<void> {
    const { url, redisUrl, redisPrefix } = this;
    const nodes = Object.fromEntries([...this.#nodes].map(([nodeId, { child }]) => [nodeId, child.pid]));
    const state = JSON.stringify({ url, redisUrl, redisPrefix, pid: process.pid, nodes }, null, 2);
    await writeFile(join(this.dataDir, 'cluster.json'), `${state}\n`);
  }
}

async function ready(url: string, child: ServiceChild): Promise<void> {
  await Promise.race([
    child.exited().then(() => {
      throw new Error(`${child.name} ended before it was ready:\n${child.lastLines}`);
    }),
    eventually(
      `${child.name} is ready`,
      async () => (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2_000) })).ok,
      { withinMs: 30_000, everyMs: 50 },
    ).catch((cause: unknown) => {
      throw new Error(`${child.name} did not become ready:\n${child.lastLines}`, { cause });
    }),
  ]);
}

async function refuseBusyPorts(plan: ReturnType<typeof portPlan>, nodes: number): Promise<void> {
  const wanted = [
    { port: plan.http, what: 'the session service' },
    { port: plan.redis, what: 'Redis' },
    ...Array.from({ length: nodes }, (_, index) => [
      { port: plan.node(index), what: `node ${index + 1}` },
      { port: plan.rtc(index), what: `media of node ${index + 1}` },
    ]).flat(),
  ];
  const busy = (await Promise.all(wanted.map(async (one) => ({ ...one, free: await isPortFree(one.port) })))).filter(
    (one) => !one.free,
  );
  if (busy.length > 0) {
    throw new MeridianError('config-invalid', {
      message: `Busy: ${busy.map((one) => `port ${one.port} (${one.what})`).join(', ')}. Stop what listens there, or choose other ports with --port N.`,
    });
  }
}

let nextPipeRange = 0;
/** Below the kernel's ephemeral range, so that short-lived client sockets do not take them. */
function freePipeRange(): { min: number; max: number } {
  const range = (process.pid * 7 + nextPipeRange++) % 59;
  // Without the range from 28,000 on, of which a stage of faults takes certain ports while other clusters may run.
  const min = 20_000 + (range < 40 ? range : range + 1) * 200;
  return { min, max: min + 199 };
}
