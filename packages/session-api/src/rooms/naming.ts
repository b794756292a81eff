import type { RoomNames } from '@meridian/cluster';
import type { RoomId, RoomSlug } from '@meridian/protocol';

/** Rooms that are remembered as named; beyond that the least recently used one is named once more. */
const MOST_ROOMS = 10_000;
/** After this the name is written again, in case Redis has lost it, milliseconds. */
const RENEW_MS = 3_600_000;

/**
 * Lets operators' tools find a room by its slug. Written when a room is created and, at most once an
 * hour, when somebody joins: a join as such costs no command for it.
 */
export class RoomNaming {
  readonly #names: RoomNames;
  readonly #now: () => number;
  readonly #onFailed: (cause: unknown) => void;
  readonly #named = new Map<RoomId, number>();

  constructor(options: { names: RoomNames; now: () => number; onFailed: (cause: unknown) => void }) {
    this.#names = options.names;
    this.#now = options.now;
    this.#onFailed = options.onFailed;
  }

  /** Does not wait and does not fail: calls go on without it. */
  remember(room: { roomId: RoomId; slug: RoomSlug }): void {
    const nowMs = this.#now();
    const namedAtMs = this.#named.get(room.roomId);
    if (namedAtMs !== undefined && nowMs - namedAtMs < RENEW_MS) return;
    this.#named.delete(room.roomId);
    this.#named.set(room.roomId, nowMs);
    const [oldest] = this.#named.keys();
    if (this.#named.size > MOST_ROOMS && oldest !== undefined) this.#named.delete(oldest);
    this.#names.set(room.roomId, room.slug).catch((cause: unknown) => {
      this.#named.delete(room.roomId);
      this.#onFailed(cause);
    });
  }
}
