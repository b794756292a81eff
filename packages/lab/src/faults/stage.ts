import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Cluster, openCluster } from '@meridian/cluster';
import {
  type MongoServer,
  type RedisClusterProcess,
  type RedisProcess,
  type RedisSentinelProcess,
  startMongo,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
} from '@meridian/harness';
import type { Browser } from 'playwright-core';
import { launchChromium } from '../browser/index.ts';
import { LOCAL_REGIONS, LocalCluster } from '../local-cluster/index.ts';
import { startEmulator, type WanEmulator } from '../wan/start-emulator.ts';
import { TcpGate } from './tcp-gate.ts';

/**
 * What a fault needs around it. `plain`: one Redis, SQLite. `gates`: the ways between browsers, nodes and Redis can be
 * broken one by one. `few-pipes`: one node has two ports for relays. `clock`: one node's clock is five minutes ahead.
 */
export const STAGES = ['plain', 'gates', 'sentinel', 'redis-cluster', 'mongodb', 'clock', 'few-pipes'] as const;
export type StageKind = (typeof STAGES)[number];

/** The node with what is special about its stage. */
export const ODD_NODE = 'sin-1';
/** How far its clock is ahead in the stage `clock`, milliseconds. */
export const CLOCK_AHEAD_MS = 300_000;

const PIPE_PORTS = { min: 28_000, max: 28_039 };
const webDir = fileURLToPath(new URL('../../../web/dist', import.meta.url));
const clockShift = new URL('./clock-shift.ts', import.meta.url).href;

interface Gates {
  /** Node -> Redis, by node id. */
  readonly redis: ReadonlyMap<string, TcpGate>;
  /** Browsers -> node, by node id. */
  readonly webSocket: ReadonlyMap<string, TcpGate>;
  readonly pipes: WanEmulator;
}

/** A running cluster of three nodes with what a kind of fault needs, and a browser. */
export class Stage {
  readonly kind: StageKind;
  readonly cluster: LocalCluster;
  /** The lab's own look into Redis. */
  readonly state: Cluster;
  readonly browser: Browser;
  readonly #parts: Parts;

  private constructor(kind: StageKind, cluster: LocalCluster, state: Cluster, browser: Browser, parts: Parts) {
    this.kind = kind;
    this.cluster = cluster;
    this.state = state;
    this.browser = browser;
    this.#parts = parts;
  }

  /** @throws Error when something that the kind needs is not installed or does not start; nothing is left open then */
  static async open(kind: StageKind, onEvent: (line: string) => void = () => {}): Promise<Stage> {
    if (!existsSync(join(webDir, 'index.html'))) {
      throw new Error('the web app is not built: run `pnpm --filter @meridian/web build` first');
    }
    const parts = new Parts();
    try {
      const dataDir = await mkdtemp(join(tmpdir(), 'meridian-faults-'));
      parts.opened(() => rm(dataDir, { recursive: true, force: true }));
      const redisUrl = await parts.startRedis(kind);
      const sessionApiEnv = await parts.startStore(kind);
      if (kind === 'gates') await parts.openPipes();
      const cluster = await LocalCluster.start({
        dataDir,
        webDir,
        redisUrl,
        sessionApiEnv,
        nodeEnvOf: (node) => parts.nodeEnv(kind, node),
        onEvent,
      });
      parts.opened(() => cluster.stop());
      const state = await openCluster({ url: redisUrl, keyPrefix: cluster.redisPrefix, maxAgeMs: 0 });
      parts.opened(() => state.close());
      const browser = await launchChromium({ fps: 30 });
      parts.opened(() => browser.close());
      return new Stage(kind, cluster, state, browser, parts);
    } catch (error) {
      await parts.close();
      throw error;
    }
  }

  /** The single Redis. @throws Error on a stage with several */
  get redis(): RedisProcess {
    return present(this.#parts.redis, 'Redis of its own');
  }

  get sentinel(): RedisSentinelProcess {
    return present(this.#parts.sentinel, 'Sentinel');
  }

  get redisCluster(): RedisClusterProcess {
    return present(this.#parts.redisCluster, 'Redis Cluster');
  }

  get mongo(): MongoServer {
    return present(this.#parts.mongo, 'MongoDB');
  }

  get gates(): Gates {
    const { redisGates: redis, webSocketGates: webSocket, pipes } = this.#parts;
    return { redis, webSocket, pipes: present(pipes, 'gates') };
  }

  /** Idempotent. */
  close(): Promise<void> {
    return this.#parts.close();
  }
}

/** What was started for a stage, to be closed in the opposite order. */
class Parts {
  redis: RedisProcess | undefined;
  sentinel: RedisSentinelProcess | undefined;
  redisCluster: RedisClusterProcess | undefined;
  mongo: MongoServer | undefined;
  pipes: WanEmulator | undefined;
  readonly redisGates = new Map<string, TcpGate>();
  readonly webSocketGates = new Map<string, TcpGate>();
  readonly #undo: (() => Promise<unknown>)[] = [];

  opened(undo: () => Promise<unknown>): void {
    this.#undo.push(undo);
  }

  /** @returns the URL for everybody who need not go through a gate */
  async startRedis(kind: StageKind): Promise<string> {
    switch (kind) {
      case 'sentinel':
        this.sentinel = await startRedisSentinel();
        this.opened(() => this.sentinel?.stop() ?? Promise.resolve());
        return this.sentinel.url;
      case 'redis-cluster':
        this.redisCluster = await startRedisCluster(3, { replicas: true });
        this.opened(() => this.redisCluster?.stop() ?? Promise.resolve());
        return this.redisCluster.url;
      case 'plain':
      case 'gates':
      case 'mongodb':
      case 'clock':
      case 'few-pipes':
        this.redis = await startRedis();
        this.opened(() => this.redis?.stop() ?? Promise.resolve());
        return this.redis.url;
    }
  }

  async startStore(kind: StageKind): Promise<Record<string, string>> {
    if (kind !== 'mongodb') return {};
    const dir = await mkdtemp(join(tmpdir(), 'meridian-faults-mongodb-'));
    this.opened(() => rm(dir, { recursive: true, force: true }));
    this.mongo = await startMongo({ dir });
    this.opened(() => this.mongo?.stop() ?? Promise.resolve());
    return { MERIDIAN_STORE: this.mongo.database('faults') };
  }

  /** A link for each ordered pair of nodes, named `from>to`. */
  async openPipes(): Promise<void> {
    const nodeIds = LOCAL_REGIONS.map(({ nodeId }) => nodeId);
    const pairs = nodeIds.flatMap((from) => nodeIds.filter((to) => to !== from).map((to) => ({ from, to })));
    const emulator = await startEmulator({
      seed: 1,
      links: Object.fromEntries(pairs.map(({ from, to }) => [`${from}>${to}`, {}])),
    });
    this.opened(() => emulator.close());
    await emulator.openMesh({
      members: nodeIds.map((nodeId) => ({ name: nodeId, realHost: realHost(nodeId), faceHost: faceHost(nodeId) })),
      ports: PIPE_PORTS,
      routes: pairs.map(({ from, to }) => ({ from, to, links: [`${from}>${to}`] })),
    });
    this.pipes = emulator;
  }

  async nodeEnv(kind: StageKind, node: { nodeId: string; httpPort: number }): Promise<Record<string, string>> {
    switch (kind) {
      case 'gates': {
        const redisGate = await this.#gate(this.redisGates, node.nodeId, present(this.redis, 'Redis').port);
        const wsGate = await this.#gate(this.webSocketGates, node.nodeId, node.httpPort);
        return {
          MERIDIAN_REDIS_URL: `redis://127.0.0.1:${redisGate.port}`,
          MERIDIAN_PUBLIC_WS_URL: `ws://localhost:${wsGate.port}/ws`,
          MERIDIAN_PIPE_LISTEN_IP: realHost(node.nodeId),
          MERIDIAN_PIPE_ANNOUNCED_ADDRESS: faceHost(node.nodeId),
          MERIDIAN_PIPE_PORT_MIN: String(PIPE_PORTS.min),
          MERIDIAN_PIPE_PORT_MAX: String(PIPE_PORTS.max),
        };
      }
      case 'few-pipes':
        // One room's links to both other nodes, out and back.
        return node.nodeId === ODD_NODE ? { MERIDIAN_PIPE_PORT_MIN: '28100', MERIDIAN_PIPE_PORT_MAX: '28103' } : {};
      case 'clock':
        return node.nodeId === ODD_NODE
          ? { NODE_OPTIONS: `--import=${clockShift}`, LAB_CLOCK_AHEAD_MS: String(CLOCK_AHEAD_MS) }
          : {};
      case 'plain':
      case 'sentinel':
      case 'redis-cluster':
      case 'mongodb':
        return {};
    }
  }

  async close(): Promise<void> {
    for (const undo of this.#undo.splice(0).reverse()) await undo();
  }

  async #gate(gates: Map<string, TcpGate>, nodeId: string, target: number): Promise<TcpGate> {
    await gates.get(nodeId)?.close();
    const gate = await TcpGate.open(target);
    if (!gates.has(nodeId)) this.opened(() => gates.get(nodeId)?.close() ?? Promise.resolve());
    gates.set(nodeId, gate);
    return gate;
  }
}

const indexOf = (nodeId: string): number => 1 + LOCAL_REGIONS.findIndex((region) => region.nodeId === nodeId);
const realHost = (nodeId: string): string => `127.0.81.${indexOf(nodeId)}`;
const faceHost = (nodeId: string): string => `127.0.82.${indexOf(nodeId)}`;

function present<T>(part: T | undefined, what: string): T {
  if (part === undefined) throw new Error(`this stage has no ${what}`);
  return part;
}
