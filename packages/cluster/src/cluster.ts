import type { NodeId, NodeRecord } from '@meridian/protocol';
import { NodeAnnouncer } from './announcement.ts';
import type {
  AnnounceOptions,
  Cluster,
  ClusterLogger,
  ClusterStatus,
  OpenClusterOptions,
  SweeperOptions,
} from './api.ts';
import { RedisChatOutbox } from './chat-outbox.ts';
import { RedisClock } from './clock.ts';
import { HostedRooms, NodeTerms } from './hosted-rooms.ts';
import { RedisNodeInbox } from './inbox.ts';
import { keysOf } from './keys.ts';
import { AttachedSessions, RedisSessionLeases } from './leases.ts';
import { RedisSharedLimits } from './limits.ts';
import { RedisLocks } from './locks.ts';
import { RedisRoomNames } from './names.ts';
import type { DeadNodeSweeper, NodeAnnouncement, NodeInbox } from './ports.ts';
import { RecordReader } from './records.ts';
import { RedisConnection } from './redis/connection.ts';
import { closedError } from './redis/failures.ts';
import { Subscriber } from './redis/subscriber.ts';
import { parseRedisUrl } from './redis/url.ts';
import { RedisNodeRegistry } from './registry.ts';
import { RedisRevocations } from './revocations.ts';
import type { RoomRevisions } from './room-revisions.ts';
import { RedisRoomState } from './room-state.ts';
import { NodeSweeper, PeriodicSweeper } from './sweeper.ts';

const silent: ClusterLogger = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Connects to Redis.
 * @throws MeridianError `cluster-unavailable` when it cannot be reached within `connectTimeoutMs`, `config-invalid`
 * when the URL or the prefix is wrong.
 */
export async function openCluster(options: OpenClusterOptions): Promise<Cluster> {
  const cluster = new RedisCluster(options);
  await cluster.connect(options.connectTimeoutMs ?? 10_000);
  return cluster;
}

class RedisCluster implements Cluster {
  readonly registry: RedisNodeRegistry;
  readonly leases: RedisSessionLeases;
  readonly rooms: RedisRoomState;
  readonly locks: RedisLocks;
  readonly chat: RedisChatOutbox;
  readonly names: RedisRoomNames;
  readonly revocations: RedisRevocations;
  readonly limits: RedisSharedLimits;
  readonly #logger: ClusterLogger;
  readonly #options: OpenClusterOptions;
  readonly #keys: ReturnType<typeof keysOf>;
  readonly #connection: RedisConnection;
  readonly #subscriber: Subscriber;
  readonly #clock: RedisClock;
  readonly #terms = new NodeTerms();
  readonly #hosted: HostedRooms;
  readonly #attached = new AttachedSessions();
  readonly #nodeSweeper: NodeSweeper;
  readonly #revisions: RoomRevisions = {
    entered: (nodeId, roomId, before, anew) => this.#inboxes.get(nodeId)?.inbox.entered(roomId, before, anew),
    left: (nodeId, roomId, last) => this.#inboxes.get(nodeId)?.inbox.left(roomId, last),
  };
  readonly #inboxes = new Map<NodeId, { inbox: RedisNodeInbox; opening: Promise<void> }>();
  readonly #announcements = new Set<NodeAnnouncer>();
  readonly #sweepers = new Set<PeriodicSweeper>();
  #closing: Promise<void> | undefined;

  constructor(options: OpenClusterOptions) {
    const logger = options.logger ?? silent;
    const observe = options.observe ?? {};
    const target = parseRedisUrl(options.url);
    const keys = keysOf(options.keyPrefix ?? 'meridian');
    const timeoutMs = options.commandTimeoutMs ?? 2_000;
    const records = new RecordReader(logger);
    const connection = new RedisConnection({ target, timeoutMs, probeKey: keys.registry.index, logger, observe });
    this.#options = options;
    this.#logger = logger;
    this.#keys = keys;
    this.#connection = connection;
    this.#subscriber = new Subscriber({
      target,
      timeoutMs,
      logger,
      knownAddresses: () => connection.knownAddresses(),
    });
    this.#clock = new RedisClock(connection, keys, logger);
    this.#hosted = new HostedRooms(connection, keys);
    const hosted = this.#hosted;
    this.registry = new RedisNodeRegistry({
      connection,
      keys,
      records,
      logger,
      maxAgeMs: options.maxAgeMs ?? 1_000,
      reservationMs: options.reservationMs ?? 15_000,
    });
    this.leases = new RedisSessionLeases({
      connection,
      keys,
      records,
      hosted,
      terms: this.#terms,
      attached: this.#attached,
    });
    this.rooms = new RedisRoomState({
      connection,
      keys,
      records,
      hosted,
      terms: this.#terms,
      revisions: this.#revisions,
      placeMs: options.placeMs ?? 15_000,
    });
    this.locks = new RedisLocks({ connection, keys, logger });
    this.chat = new RedisChatOutbox({
      connection,
      keys,
      records,
      locks: this.locks,
      now: () => this.#clock.now(),
      logger,
    });
    this.names = new RedisRoomNames(connection, keys);
    this.limits = new RedisSharedLimits(connection, keys);
    this.revocations = new RedisRevocations({ connection, keys, logger });
    this.#nodeSweeper = new NodeSweeper({ connection, keys, records, rooms: this.rooms, locks: this.locks, logger });
  }

  async connect(withinMs: number): Promise<void> {
    try {
      await this.#connection.connect(withinMs);
      await this.#clock.start();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  get clockOffsetMs(): number {
    return Math.round(this.#clock.offsetMs);
  }

  get status(): ClusterStatus {
    return this.#connection.status;
  }

  onStatus(listener: (status: ClusterStatus) => void): () => void {
    return this.#connection.onStatus(listener);
  }

  async announce(record: NodeRecord, options: AnnounceOptions = {}): Promise<NodeAnnouncement> {
    this.#assertOpen();
    const announcer = new NodeAnnouncer({
      record,
      leaseMs: options.leaseMs ?? 5_000,
      heartbeatMs: options.heartbeatMs ?? 1_000,
      connection: this.#connection,
      subscriber: this.#subscriber,
      keys: this.#keys,
      terms: this.#terms,
      hosted: this.#hosted,
      attached: this.#attached,
      rooms: this.rooms,
      revisions: this.#revisions,
      sweeper: this.#nodeSweeper,
      logger: this.#logger,
    });
    await announcer.start();
    if (this.#closing !== undefined) {
      await announcer.withdraw();
      throw closedError('the cluster');
    }
    this.#announcements.add(announcer);
    return announcer;
  }

  async inbox(nodeId: NodeId): Promise<NodeInbox> {
    this.#assertOpen();
    let known = this.#inboxes.get(nodeId);
    if (known === undefined || known.inbox.closed) {
      const inbox = new RedisNodeInbox({
        nodeId,
        connection: this.#connection,
        subscriber: this.#subscriber,
        keys: this.#keys,
        clock: this.#clock,
        observe: this.#options.observe ?? {},
        logger: this.#logger,
      });
      known = { inbox, opening: inbox.open() };
      this.#inboxes.set(nodeId, known);
    }
    try {
      await known.opening;
    } catch (error) {
      if (this.#inboxes.get(nodeId) === known) this.#inboxes.delete(nodeId);
      throw error;
    }
    this.#assertOpen();
    return known.inbox;
  }

  sweeper(options: SweeperOptions = {}): DeadNodeSweeper {
    this.#assertOpen();
    const sweeper = new PeriodicSweeper(this.#nodeSweeper, this.#logger, options);
    this.#sweepers.add(sweeper);
    return sweeper;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.allSettled([
      ...[...this.#sweepers].map((sweeper) => sweeper.stop()),
      ...[...this.#announcements].map((announcement) => announcement.withdraw()),
      ...[...this.#inboxes.values()].map(({ inbox }) => inbox.close()),
      this.registry.close(),
    ]);
    this.#clock.close();
    this.#subscriber.close();
    this.#connection.close();
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw closedError('the cluster');
  }
}
