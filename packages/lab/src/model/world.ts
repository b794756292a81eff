import { randomUUID } from 'node:crypto';
import { type Cluster, type DeadNodeSweeper, openCluster } from '@meridian/cluster';
import { eventually, type RedisProcess, startRedis } from '@meridian/harness';
import { NodeId } from '@meridian/protocol';
import { ManualClock, TokenForge } from '@meridian/sfu-node/kit';
import { RawRedis } from '../redis/raw-redis.ts';
import { RedisHop, type Traffic } from '../redis/redis-hop.ts';
import { COMMAND_TIMEOUT_MS, FOR_EVER_MS, KEY_PREFIX, ModelNode } from './node.ts';

export const NODE_IDS: readonly NodeId[] = ['ams-1', 'fra-1', 'sin-1'].map((id) => NodeId.parse(id));

/** The node that a step names by its number. @throws Error when there is none */
export function nodeIdOf(index: number): NodeId {
  const nodeId = NODE_IDS[index];
  if (nodeId === undefined) throw new Error(`no node ${index}`);
  return nodeId;
}

const TURNS_OF_SILENCE = 3;
const NOTHING = new Uint8Array();
/** Subscriptions come back by themselves, soon; on a machine that stands still later, milliseconds. */
const LISTENING_WITHIN_MS = 120_000;

/** Real Redis, three nodes of this process, and what stands in for the session service. */
export class World {
  readonly redis: RedisProcess;
  readonly raw: RawRedis;
  readonly service: Cluster;
  /** What the session service does where no node is left to do it. */
  readonly sweeper: DeadNodeSweeper;
  readonly forge: TokenForge;
  readonly clock: ManualClock;
  readonly nodes = new Map<NodeId, ModelNode>();
  readonly traffic: Traffic;
  readonly #serviceHop: RedisHop;
  #ids = 0;
  #ssrcs = 0;

  private constructor(parts: {
    redis: RedisProcess;
    raw: RawRedis;
    service: Cluster;
    serviceHop: RedisHop;
    forge: TokenForge;
    clock: ManualClock;
    traffic: Traffic;
  }) {
    this.redis = parts.redis;
    this.raw = parts.raw;
    this.service = parts.service;
    this.sweeper = parts.service.sweeper({ everyMs: 0, leaseMs: FOR_EVER_MS });
    this.#serviceHop = parts.serviceHop;
    this.forge = parts.forge;
    this.clock = parts.clock;
    this.traffic = parts.traffic;
  }

  static async start(): Promise<World> {
    const redis = await startRedis();
    const traffic: Traffic = { count: 0, held: 0 };
    const raw = await RawRedis.open(redis.port);
    const serviceHop = await RedisHop.open({ port: redis.port, traffic });
    const service = await openCluster({
      url: serviceHop.url,
      keyPrefix: KEY_PREFIX,
      placeMs: FOR_EVER_MS,
      commandTimeoutMs: COMMAND_TIMEOUT_MS,
    });
    const clock = new ManualClock({ startMs: Date.now() });
    const forge = await TokenForge.make({ clock, newId: randomUUID });
    const world = new World({ redis, raw, service, serviceHop, forge, clock, traffic });
    for (const nodeId of NODE_IDS) await world.startNode(nodeId);
    return world;
  }

  /** A name that was not used before in this world. */
  newId(kind: string): string {
    this.#ids += 1;
    return `${kind}-${this.#ids}`;
  }

  /** An SSRC that was not used before in this world. */
  newSsrc(): number {
    this.#ssrcs += 1;
    return this.#ssrcs;
  }

  node(nodeId: NodeId): ModelNode {
    const node = this.nodes.get(nodeId);
    if (node === undefined) throw new Error(`no node ${nodeId}`);
    return node;
  }

  get living(): ModelNode[] {
    return [...this.nodes.values()].filter((node) => !node.dead);
  }

  /** A new process under this id. */
  async startNode(nodeId: NodeId): Promise<ModelNode> {
    const node = await ModelNode.start({
      nodeId,
      port: this.redis.port,
      traffic: this.traffic,
      forge: this.forge,
      startMs: this.clock.wallNow(),
    });
    this.nodes.set(nodeId, node);
    return node;
  }

  /** Redis lets the entry of a node expire, as it does when the lease was not renewed. */
  async expireLease(nodeId: NodeId): Promise<void> {
    await Promise.all([
      this.raw.send('PEXPIRE', `${KEY_PREFIX}:{nodes}:node:${nodeId}`, 0),
      this.raw.send('PEXPIRE', `${KEY_PREFIX}:{n:${nodeId}}:sessions`, 0),
      this.raw.send('ZADD', `${KEY_PREFIX}:{nodes}:index`, 'XX', 1, nodeId),
    ]);
  }

  /** Everybody's time goes on by so much. */
  advance(ms: number): void {
    this.clock.advance(ms);
    for (const node of this.nodes.values()) if (!node.dead) node.clock.advance(ms);
  }

  /**
   * Resolves when nobody holds the lock of a sweep. That of a process which was killed in the midst of one runs out in real
   * time, and meanwhile nobody else sweeps: virtual time that went on would make two seconds minutes.
   */
  async swept(): Promise<void> {
    const locks = NODE_IDS.map((nodeId) => `${KEY_PREFIX}:{l:sweep-${nodeId}}:lock`);
    await eventually(
      'no lock of a sweep is held',
      async () => {
        if ((await this.raw.send('EXISTS', ...locks)) !== 0) throw new Error('somebody sweeps');
      },
      { everyMs: 20, withinMs: LISTENING_WITHIN_MS },
    );
  }

  /** Resolves when every living node hears what is published: a subscription that broke takes real time to come back. */
  async listening(): Promise<void> {
    await eventually(
      'every node has its subscription',
      async () => {
        const channels = this.living.map(({ nodeId }) => `${KEY_PREFIX}:channel:${nodeId}`);
        const counts = await this.raw.list('PUBSUB', 'NUMSUB', ...channels);
        return channels.every((_, index) => Number(counts[2 * index + 1]) > 0);
      },
      { everyMs: 2, withinMs: LISTENING_WITHIN_MS },
    );
  }

  /** Resolves when nothing is on its way any more: between clients and nodes, in Redis, on the bus, in checks of tokens. */
  async quiet(): Promise<void> {
    for (let silent = 0; silent < TURNS_OF_SILENCE; ) {
      const before = this.#stir();
      // Signatures are checked by other threads, one piece of work after the other.
      await Promise.all([this.raw.send('PING'), crypto.subtle.digest('SHA-256', NOTHING)]);
      for (let turn = 0; turn < 3; turn += 1) await new Promise<void>((resolve) => setImmediate(resolve));
      silent = this.#stir() === before && this.traffic.held === 0 ? silent + 1 : 0;
    }
  }

  async stop(): Promise<void> {
    for (const node of this.nodes.values()) node.kill();
    await this.service.close();
    this.#serviceHop.free();
    this.raw.close();
    await this.redis.stop();
  }

  #stir(): number {
    let count = this.traffic.count;
    for (const node of this.nodes.values()) count += node.frames;
    return count;
  }
}
