import type { NodeId, RoomId } from '@meridian/protocol';
import { z } from 'zod';
import type { Keys } from './keys.ts';
import type { RedisConnection } from './redis/connection.ts';
import { unavailable } from './redis/failures.ts';
import { SCRIPTS } from './scripts.ts';

/** How long a node's index of rooms outlives its last heartbeat when nobody sweeps it, milliseconds. */
export const INDEX_TTL_MS = 24 * 3_600_000;

interface Entry {
  /** As Redis keeps it; an entry is taken out only with the score it was put in with. */
  score: string;
  using: number;
  touchedAt: number;
}

const Scores = z.array(z.string());

/**
 * The index by which a dead node's rooms are found. A room stands in it before anybody of the node enters the room,
 * and is taken out (with a heartbeat) some time after the last one has left.
 */
export class HostedRooms {
  readonly #connection: RedisConnection;
  readonly #keys: Keys;
  readonly #nodes = new Map<NodeId, Map<RoomId, Entry>>();
  readonly #stale = new Map<NodeId, Map<RoomId, string>>();

  constructor(connection: RedisConnection, keys: Keys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  /** A script has put the room into the index. */
  indexed(nodeId: NodeId, roomId: RoomId, score: string): void {
    const rooms = this.#roomsOf(nodeId);
    const entry = rooms.get(roomId) ?? { score, using: 0, touchedAt: 0 };
    entry.score = score;
    entry.touchedAt = performance.now();
    rooms.set(roomId, entry);
  }

  /**
   * Holds the rooms in the index while somebody enters them; no command when they are in it already.
   * Returns what lets go of them.
   */
  async use(nodeId: NodeId, ...roomIds: RoomId[]): Promise<() => void> {
    const rooms = this.#roomsOf(nodeId);
    const missing = roomIds.filter((roomId) => !rooms.has(roomId));
    if (missing.length > 0) {
      const reply = await this.#connection.run(
        SCRIPTS.node.index,
        [this.#keys.node(nodeId).rooms],
        [INDEX_TTL_MS, ...missing],
      );
      const scores = Scores.parse(reply);
      missing.forEach((roomId, i) => {
        this.indexed(nodeId, roomId, scores[i] ?? '');
      });
    }
    const held = roomIds.flatMap((roomId) => rooms.get(roomId) ?? []);
    for (const entry of held) entry.using += 1;
    let holding = true;
    return () => {
      if (!holding) return;
      holding = false;
      for (const entry of held) {
        entry.using -= 1;
        entry.touchedAt = performance.now();
      }
    };
  }

  /** Nobody of the node is in the room any more: the next heartbeat takes it out of the index. */
  left(nodeId: NodeId, roomId: RoomId): void {
    const entry = this.#nodes.get(nodeId)?.get(roomId);
    if (entry === undefined || entry.using > 0) return;
    this.#nodes.get(nodeId)?.delete(roomId);
    const stale = this.#stale.get(nodeId) ?? new Map();
    this.#stale.set(nodeId, stale);
    stale.set(roomId, entry.score);
  }

  /** Rooms that nobody has entered or left for so long; they may be empty. */
  quiet(nodeId: NodeId, forMs: number, most: number): RoomId[] {
    const before = performance.now() - forMs;
    const found: RoomId[] = [];
    for (const [roomId, entry] of this.#nodes.get(nodeId) ?? []) {
      if (found.length >= most) break;
      if (entry.using === 0 && entry.touchedAt <= before) found.push(roomId);
    }
    return found;
  }

  /** The room is still in use; it is not asked about again soon. */
  touch(nodeId: NodeId, roomId: RoomId): void {
    const entry = this.#nodes.get(nodeId)?.get(roomId);
    if (entry !== undefined) entry.touchedAt = performance.now();
  }

  /** What the heartbeat takes out: pairs of room and score. Call `dropped` once it has. */
  stale(nodeId: NodeId): { pairs: string[]; dropped: () => void } {
    const stale = this.#stale.get(nodeId);
    if (stale === undefined) return { pairs: [], dropped: () => {} };
    const taken = [...stale];
    return {
      pairs: taken.flat(),
      dropped: () => {
        for (const [roomId, score] of taken) if (stale.get(roomId) === score) stale.delete(roomId);
      },
    };
  }

  /** The index in Redis is gone, or may be. */
  forget(nodeId: NodeId): void {
    this.#nodes.delete(nodeId);
    this.#stale.delete(nodeId);
  }

  #roomsOf(nodeId: NodeId): Map<RoomId, Entry> {
    const rooms = this.#nodes.get(nodeId) ?? new Map<RoomId, Entry>();
    this.#nodes.set(nodeId, rooms);
    return rooms;
  }
}

/**
 * A node's term: one uninterrupted stretch of being announced. What a node writes into rooms carries it, so that a
 * sweep of a former term leaves alone what the returned node has announced anew.
 */
export class NodeTerms {
  readonly #terms = new Map<NodeId, { readonly term: number; readonly leaseMs: number }>();
  readonly #lost = new Set<NodeId>();

  /** 0 for a node that was not announced through this object; such a node is never swept. */
  of(nodeId: NodeId): number {
    return this.#terms.get(nodeId)?.term ?? 0;
  }

  /** How long what the node holds lives from one heartbeat to the next, milliseconds; undefined where it has none. */
  leaseMsOf(nodeId: NodeId): number | undefined {
    return this.#terms.get(nodeId)?.leaseMs;
  }

  set(nodeId: NodeId, term: number, leaseMs: number): void {
    this.#terms.set(nodeId, { term, leaseMs });
  }

  setLost(nodeId: NodeId, lost: boolean): void {
    if (lost) this.#lost.add(nodeId);
    else this.#lost.delete(nodeId);
  }

  isLost(nodeId: NodeId): boolean {
    return this.#lost.has(nodeId);
  }

  /**
   * A node that has dropped out may have been swept already: what it wrote now, nobody would sweep again.
   * @throws MeridianError `cluster-unavailable`
   */
  assertNotLost(nodeId: NodeId): void {
    if (this.#lost.has(nodeId)) throw unavailable(`${nodeId} has dropped out of the cluster`);
  }
}
