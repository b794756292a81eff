import { isMeridianError, type RoomId, type RoomSlug, type UserId } from '@meridian/protocol';
import type { Room, Rooms, User, Users } from '@meridian/store';
import type { StoreWatch } from './store-watch.ts';

export interface LastKnownOptions {
  readonly users: Pick<Users, 'find'>;
  readonly rooms: Pick<Rooms, 'findBySlug' | 'isMember'>;
  readonly watch: StoreWatch;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** What was read longer ago than this is not believed any more, milliseconds; 0 remembers nothing. */
  readonly keepMs: number;
  /** Records of each kind that are remembered at most. */
  readonly most?: number;
  /** An answer was given from memory. */
  readonly onRemembered?: () => void;
}

/** What the store said, or what it said last while it is away. */
export interface Answer<T> {
  readonly value: T;
  /** From memory: it may have changed since, and whoever decides by it has to look for marks of that. */
  readonly remembered: boolean;
}

/**
 * What a join needs of the store, as it was last read: so joins of people and to rooms that this process has seen lately go on
 * while the store is away. The store is asked first, always; memory answers only when it does not.
 */
export class LastKnown {
  readonly #options: LastKnownOptions;
  readonly #users: Memory<User | undefined>;
  readonly #rooms: Memory<Room | undefined>;
  readonly #members: Memory<boolean>;

  constructor(options: LastKnownOptions) {
    this.#options = options;
    const { most = 20_000, keepMs } = options;
    this.#users = new Memory(most, keepMs);
    this.#rooms = new Memory(most, keepMs);
    this.#members = new Memory(most, keepMs);
  }

  /** All three: @throws MeridianError `store-unavailable` when the store is away and nothing is known. */
  user(userId: UserId): Promise<Answer<User | undefined>> {
    return this.#ask(this.#users, userId, () => this.#options.users.find(userId));
  }

  room(slug: RoomSlug): Promise<Answer<Room | undefined>> {
    return this.#ask(this.#rooms, slug, () => this.#options.rooms.findBySlug(slug));
  }

  isMember(roomId: RoomId, userId: UserId): Promise<Answer<boolean>> {
    return this.#ask(this.#members, `${roomId} ${userId}`, () => this.#options.rooms.isMember(roomId, userId));
  }

  async #ask<T>(memory: Memory<T>, key: string, read: () => Promise<T>): Promise<Answer<T>> {
    const { watch, now, onRemembered } = this.#options;
    const askedAt = now();
    try {
      const value = await watch.run(read);
      memory.put(key, value, askedAt);
      return { value, remembered: false };
    } catch (error) {
      if (!isMeridianError(error, 'store-unavailable')) throw error;
      const known = memory.get(key, now());
      // That there was nothing is no ground for refusing anybody now.
      if (known === undefined || known.value === undefined) throw error;
      onRemembered?.();
      return { value: known.value, remembered: true };
    }
  }
}

/** The last so many values by key; the one that was read least recently goes first. */
class Memory<T> {
  readonly #values = new Map<string, { readonly value: T; readonly readAt: number }>();
  readonly #most: number;
  readonly #keepMs: number;

  constructor(most: number, keepMs: number) {
    this.#most = most;
    this.#keepMs = keepMs;
  }

  put(key: string, value: T, readAt: number): void {
    if (this.#keepMs === 0) return;
    this.#values.delete(key);
    this.#values.set(key, { value, readAt });
    if (this.#values.size <= this.#most) return;
    const [oldest] = this.#values.keys();
    if (oldest !== undefined) this.#values.delete(oldest);
  }

  get(key: string, now: number): { readonly value: T } | undefined {
    const known = this.#values.get(key);
    return known !== undefined && now - known.readAt <= this.#keepMs ? known : undefined;
  }
}
