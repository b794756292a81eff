import type { ErrorCode, NodeId, NodeRecord } from '@meridian/protocol';
import type {
  ChatOutbox,
  DeadNodeSweeper,
  Locks,
  NodeAnnouncement,
  NodeInbox,
  NodeRegistry,
  Revocations,
  RoomNames,
  RoomState,
  SessionLeases,
  SharedLimits,
} from './ports.ts';

/** What the package logs through; a pino logger fits. */
export interface ClusterLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export type ClusterStatus = 'up' | 'down';

/** How a bus request ended: `ok`, `aborted` by its caller, or the code of the error. */
export type BusOutcome = 'ok' | 'aborted' | ErrorCode;

/** Hooks for metrics and benches; they must not throw. */
export interface ClusterObserver {
  /**
   * One command was sent to Redis by this object and answered (or failed, or ran out of time).
   * `name` is one of a small fixed set, such as `rooms.confirm` or `registry.beat`.
   */
  command?(name: string, ms: number, ok: boolean): void;
  /** One bus request made here ended. */
  busRequest?(method: string, ms: number, outcome: BusOutcome): void;
  status?(status: ClusterStatus): void;
}

export interface OpenClusterOptions {
  /**
   * `redis://[user:password@]host:port[/db]`, `redis+sentinel://host:port,host:port/master-name` or
   * `redis+cluster://host:port,host:port`; with `rediss` in place of `redis` over TLS.
   */
  url: string;
  /** Put before every key and channel; letters, digits, `-`, `_`, `:` and `.`. Default `meridian`. */
  keyPrefix?: string;
  /** Longest wait for the answer to one command, milliseconds. Default 2,000. */
  commandTimeoutMs?: number;
  /** Longest wait for the first connection, milliseconds. Default 10,000. */
  connectTimeoutMs?: number;
  /** How long a place in a room is kept for a session that does not confirm it, milliseconds. Default 15,000. */
  placeMs?: number;
  /** How long a node is kept for a session that does not attach, milliseconds. Default 15,000. */
  reservationMs?: number;
  /** How old the registry's view may grow, milliseconds. Default 1,000. */
  maxAgeMs?: number;
  logger?: ClusterLogger;
  observe?: ClusterObserver;
}

export interface AnnounceOptions {
  /** The node counts as dead this long after its last heartbeat, milliseconds. Default 5,000. */
  leaseMs?: number;
  /** Milliseconds from one heartbeat to the next. Default 1,000. */
  heartbeatMs?: number;
}

export interface SweeperOptions {
  /** Milliseconds between two looks of its own; 0 leaves looking to the caller. Default 1,000. */
  everyMs?: number;
  /** Same meaning as the nodes' `leaseMs`: how long to hold back after an outage of Redis. Default 5,000. */
  leaseMs?: number;
}

/** All that lives in Redis, over one connection (two with an inbox or an announcement). */
export interface Cluster {
  readonly registry: NodeRegistry;
  readonly leases: SessionLeases;
  readonly rooms: RoomState;
  readonly locks: Locks;
  readonly chat: ChatOutbox;
  readonly names: RoomNames;
  readonly revocations: Revocations;
  readonly limits: SharedLimits;
  /**
   * Add it to `Date.now()` to have the time of the whole cluster: that of Redis, milliseconds. As it was last seen
   * while Redis is away.
   */
  readonly clockOffsetMs: number;
  /** `down` while Redis cannot be commanded. */
  readonly status: ClusterStatus;
  onStatus(listener: (status: ClusterStatus) => void): () => void;
  /**
   * Registers a node and keeps it registered until withdrawn. Resolves once the entry stands. A former
   * process of the same id is taken over from; what it held is swept.
   * @throws MeridianError `cluster-unavailable`
   */
  announce(record: NodeRecord, options?: AnnounceOptions): Promise<NodeAnnouncement>;
  /** Resolves once the subscription stands. @throws MeridianError `cluster-unavailable` */
  inbox(nodeId: NodeId): Promise<NodeInbox>;
  /** For processes without an announcement (each announcement sweeps with its heartbeats already). */
  sweeper(options?: SweeperOptions): DeadNodeSweeper;
  /** Closes whatever was opened through this object, then the connections. Idempotent. */
  close(): Promise<void>;
}
