import type { EndReason, NodeId, RoomId } from '@meridian/protocol';
import type { ClusterLogger, SweeperOptions } from './api.ts';
import { type Keys, registryKeyList } from './keys.ts';
import type { DeadNodeSweeper, Locks } from './ports.ts';
import { REPLIES, type RecordReader } from './records.ts';
import type { RedisConnection } from './redis/connection.ts';
import type { RedisRoomState } from './room-state.ts';
import { SCRIPTS } from './scripts.ts';

/** The lock of one sweep is held this long beyond the life of its holder, milliseconds. */
const LOCK_MS = 2_000;
/** Rooms swept at once. */
const BATCH = 16;

export interface DeadTerm {
  readonly nodeId: NodeId;
  readonly term: number;
}

export interface NodeSweeperOptions {
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly records: RecordReader;
  readonly rooms: RedisRoomState;
  readonly locks: Locks;
  readonly logger: ClusterLogger;
}

/** Takes away what dead terms of nodes have left: participants and producers in rooms, leases, the index entry. */
export class NodeSweeper {
  readonly #options: NodeSweeperOptions;
  /** Sweeps of this process that run now. */
  readonly #running = new Map<NodeId, Promise<boolean>>();

  constructor(options: NodeSweeperOptions) {
    this.#options = options;
  }

  /** Which terms are dead by the clock of Redis. @throws MeridianError `cluster-unavailable` */
  async look(leaseMs: number): Promise<DeadTerm[]> {
    const { connection, keys } = this.#options;
    const reply = await connection.run(SCRIPTS.registry.look, registryKeyList(keys.registry), [
      keys.nodeEntries,
      leaseMs,
    ]);
    const [, flat] = REPLIES.look.parse(reply);
    return this.deadTerms(flat);
  }

  deadTerms(flat: readonly string[]): DeadTerm[] {
    const found: DeadTerm[] = [];
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const [nodeId] = this.#options.records.nodeIds(flat.slice(i, i + 1));
      const term = Number(flat[i + 1]);
      if (nodeId !== undefined && Number.isInteger(term)) found.push({ nodeId, term });
    }
    return found;
  }

  /** Sweeps each one, unless somebody else is at it. Returns those that were swept here; reports failures. */
  async sweep(dead: readonly DeadTerm[]): Promise<NodeId[]> {
    const swept: NodeId[] = [];
    for (const { nodeId, term } of dead) {
      try {
        if (await this.#sweepOnce(nodeId, term)) swept.push(nodeId);
      } catch (error) {
        this.#options.logger.warn({ err: error, nodeId }, 'a dead node could not be swept; it is tried again');
      }
    }
    return swept;
  }

  #sweepOnce(nodeId: NodeId, term: number): Promise<boolean> {
    let running = this.#running.get(nodeId);
    if (running === undefined) {
      running = this.#sweepLocked(nodeId, term).finally(() => this.#running.delete(nodeId));
      this.#running.set(nodeId, running);
      return running;
    }
    return running.then(() => false);
  }

  async #sweepLocked(nodeId: NodeId, term: number): Promise<boolean> {
    const { locks, logger } = this.#options;
    const started = performance.now();
    const result = await locks.withLock(`sweep-${nodeId}`, { ttlMs: LOCK_MS }, ({ signal }) =>
      this.clear(nodeId, term, 'node-lost', signal),
    );
    if (result.outcome !== 'done') return false;
    logger.info({ nodeId, ...result.value, ms: Math.round(performance.now() - started) }, 'a dead node was swept');
    return true;
  }

  /** Every step leaves alone what a later term of the node has written, so it may run twice at once. */
  async clear(
    nodeId: NodeId,
    term: number,
    reason: EndReason,
    signal?: AbortSignal,
  ): Promise<{ rooms: number; participants: number }> {
    const { connection, keys, rooms, records } = this.#options;
    const node = keys.node(nodeId);
    const indexed = records.roomIds(
      await connection.send('node.rooms', (client) => client.zrange(node.rooms, '0', '-1')),
    );
    let participants = 0;
    for (let i = 0; i < indexed.length; i += BATCH) {
      signal?.throwIfAborted();
      const removed = await Promise.all(
        indexed.slice(i, i + BATCH).map((roomId: RoomId) => rooms.purge(roomId, nodeId, term, reason)),
      );
      for (const count of removed) participants += count;
    }
    signal?.throwIfAborted();
    await connection.run(SCRIPTS.node.release, [node.term, node.sessions, node.rooms], [term]);
    await connection.run(SCRIPTS.registry.forget, registryKeyList(keys.registry), [keys.nodeEntries, nodeId, term]);
    return { rooms: indexed.length, participants };
  }
}

/** Looks by itself, for processes that announce no node. */
export class PeriodicSweeper implements DeadNodeSweeper {
  readonly #sweeper: NodeSweeper;
  readonly #options: Required<SweeperOptions>;
  readonly #logger: ClusterLogger;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<unknown> | undefined;
  #stopped = false;

  constructor(sweeper: NodeSweeper, logger: ClusterLogger, options: SweeperOptions) {
    this.#sweeper = sweeper;
    this.#logger = logger;
    this.#options = { everyMs: options.everyMs ?? 1_000, leaseMs: options.leaseMs ?? 5_000 };
    this.#schedule();
  }

  async sweep(): Promise<NodeId[]> {
    return this.#sweeper.sweep(await this.#sweeper.look(this.#options.leaseMs));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #schedule(): void {
    if (this.#options.everyMs === 0 || this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.sweep()
        .catch((error: unknown) => this.#logger.debug({ err: error }, 'no look at dead nodes'))
        .finally(() => this.#schedule());
    }, this.#options.everyMs);
    this.#timer.unref();
  }
}
