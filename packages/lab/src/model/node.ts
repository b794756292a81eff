import { type Cluster, type NodeAnnouncement, type NodeInbox, openCluster } from '@meridian/cluster';
import { FakeMediaEngine } from '@meridian/media/fake';
import {
  type NodeId,
  type ResumePoint,
  readConfig,
  resumeProtocol,
  SIGNALLING_PROTOCOL,
  TOKEN_PROTOCOL_PREFIX,
} from '@meridian/protocol';
import {
  createLogger,
  createNode,
  ManualClock,
  type NodeConfig,
  NodeMetrics,
  recordOf,
  type SfuNodeCore,
  SigningKeys,
  type SocketClient,
  SocketPair,
  settings,
  type TokenForge,
} from '@meridian/sfu-node/kit';
import { RedisHop, type Traffic } from '../redis/redis-hop.ts';
/** No lease ends by itself, no heartbeat comes by itself: both happen when a step says so. */
export const FOR_EVER_MS = 3_600_000;
export const KEY_PREFIX = 'model:';

/** Redis is always there. Its answers are late only where this machine stands still, and that is no fault, milliseconds. */
export const COMMAND_TIMEOUT_MS = 60_000;

/** How long a participant whose connection was lost keeps its place, milliseconds of virtual time. */
export const RESUME_WINDOW_MS = 10_000;
/** Requests between nodes give up after so long, milliseconds of real time: some are lost on purpose. */
const BUS_TTL_MS = 150;

export interface ModelNodeOptions {
  readonly nodeId: NodeId;
  readonly port: number;
  readonly traffic: Traffic;
  readonly forge: TokenForge;
  readonly startMs: number;
}

interface Parts {
  readonly nodeId: NodeId;
  readonly core: SfuNodeCore;
  readonly media: FakeMediaEngine;
  readonly clock: ManualClock;
  readonly hop: RedisHop;
  readonly cluster: Cluster;
  readonly announcement: NodeAnnouncement;
}

/** One process of a node, as far as a process can be played within another. */
export class ModelNode {
  readonly nodeId: NodeId;
  readonly core: SfuNodeCore;
  readonly media: FakeMediaEngine;
  readonly clock: ManualClock;
  readonly hop: RedisHop;
  readonly announcement: NodeAnnouncement;
  /** Timers of a node that holds nobody. */
  readonly idleTimers: number;
  readonly #cluster: Cluster;
  readonly #sockets = new Set<SocketPair>();
  dead = false;
  /** Frames that went to and fro. */
  frames = 0;

  private constructor(parts: Parts) {
    this.nodeId = parts.nodeId;
    this.core = parts.core;
    this.media = parts.media;
    this.clock = parts.clock;
    this.hop = parts.hop;
    this.#cluster = parts.cluster;
    this.announcement = parts.announcement;
    this.idleTimers = parts.clock.pending;
  }

  static async start({ nodeId, port, traffic, forge, startMs }: ModelNodeOptions): Promise<ModelNode> {
    const config = configOf(nodeId, forge);
    const log = createLogger({ level: config.logLevel, name: nodeId });
    const clock = new ManualClock({ startMs });
    const hop = await RedisHop.open({ port, traffic });
    const cluster = await openCluster({
      url: hop.url,
      keyPrefix: KEY_PREFIX,
      commandTimeoutMs: COMMAND_TIMEOUT_MS,
      logger: log,
    });
    const inbox = await cluster.inbox(nodeId);
    const media = new FakeMediaEngine({ emptyRoomLingerMs: 0 });
    const core = createNode({
      config,
      log,
      clock,
      random: Math.random,
      metrics: new NodeMetrics({ nodeId, region: config.region, version: 'model' }),
      media,
      cluster,
      inbox: impatient(inbox),
      keys: new SigningKeys({ url: config.jwksUrl, clock, fetch: forge.fetch }),
      timing: { settleMs: 500, relayCheckEveryMs: 2_000 },
    });
    const announcement = await cluster.announce(recordOf(config, clock), {
      leaseMs: FOR_EVER_MS,
      heartbeatMs: FOR_EVER_MS,
    });
    core.announcedAs(announcement);
    return new ModelNode({ nodeId, core, media, clock, hop, cluster, announcement });
  }

  /** Connections that are open. */
  get connections(): number {
    return [...this.#sockets].filter((socket) => socket.open).length;
  }

  connect(client: SocketClient, token: string, resume?: ResumePoint): SocketPair {
    const pair = new SocketPair({
      message: (text) => {
        this.frames += 1;
        client.message(text);
      },
      closed: (code, reason) => {
        this.frames += 1;
        this.#sockets.delete(pair);
        client.closed(code, reason);
      },
    });
    this.#sockets.add(pair);
    if (this.dead) {
      pair.abandon();
      return pair;
    }
    this.frames += 1;
    const offered = [SIGNALLING_PROTOCOL, `${TOKEN_PROTOCOL_PREFIX}${token}`];
    if (resume !== undefined) offered.push(resumeProtocol(resume));
    this.core.attachments.accept(pair.server, { 'sec-websocket-protocol': offered.join(', ') });
    return pair;
  }

  /** Renews the entry now; sweeps who is dead, and puts back what was lost. */
  async beat(): Promise<void> {
    if (this.dead) return;
    try {
      await this.announcement.update({}, { now: true });
    } catch (error) {
      // Another step has killed it in the midst of it: nobody is there to whom this matters.
      if (!this.dead) throw error;
    }
  }

  /** As `kill -9`: no goodbye to anybody, no timer runs any more, what it holds is gone with it. Idempotent. */
  kill(): void {
    if (this.dead) return;
    this.dead = true;
    this.hop.kill();
    this.clock.die();
    for (const socket of this.#sockets) socket.abandon();
    // Its connections are broken: nothing of this reaches Redis. Until its last attempt to connect the hop keeps its port,
    // so that it does not come to another node's hop.
    void this.#cluster.close().finally(() => this.hop.free());
  }
}

function configOf(nodeId: NodeId, forge: TokenForge): NodeConfig {
  return readConfig(settings, {
    MERIDIAN_NODE_ID: nodeId,
    MERIDIAN_REGION: `region-of-${nodeId}`,
    MERIDIAN_LATITUDE: '0',
    MERIDIAN_LONGITUDE: '0',
    MERIDIAN_PUBLIC_WS_URL: 'ws://model.invalid/ws',
    MERIDIAN_PUBLIC_PROBE_URL: 'http://model.invalid/probe',
    MERIDIAN_JWKS_URL: 'http://model.invalid/keys',
    MERIDIAN_ISSUER: forge.issuer,
    MERIDIAN_REDIS_URL: 'redis://model.invalid',
    MERIDIAN_LOG_LEVEL: process.env.MODEL_LOG_LEVEL ?? 'fatal',
    MERIDIAN_PING_EVERY_MS: '60000',
    MERIDIAN_DEAD_AFTER_MS: '600000',
    MERIDIAN_RESUME_WINDOW_MS: String(RESUME_WINDOW_MS),
    MERIDIAN_RELAY_GRACE_MS: '200',
    MERIDIAN_MOVE_TIMEOUT_MS: '10000',
  });
}

/** An inbox whose requests give up soon. */
function impatient(inbox: NodeInbox): NodeInbox {
  return new Proxy(inbox, {
    get(target, name) {
      if (name === 'request') {
        const request: NodeInbox['request'] = (to, method, data, options) =>
          target.request(to, method, data, { ...options, ttlMs: BUS_TTL_MS });
        return request;
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
