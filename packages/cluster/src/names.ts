import { RoomId, RoomSlug } from '@meridian/protocol';
import type { Keys } from './keys.ts';
import type { RoomNames } from './ports.ts';
import type { RedisConnection } from './redis/connection.ts';

const TTL_MS = 24 * 3_600_000;
/** A name that was written so recently is not written again, milliseconds. */
const FRESH_MS = 3_600_000;
const MOST_REMEMBERED = 10_000;

export class RedisRoomNames implements RoomNames {
  readonly #connection: RedisConnection;
  readonly #keys: Keys;
  readonly #written = new Map<RoomSlug, { roomId: RoomId; at: number }>();

  constructor(connection: RedisConnection, keys: Keys) {
    this.#connection = connection;
    this.#keys = keys;
    // Redis may have come back empty.
    connection.onStatus(() => this.#written.clear());
  }

  async set(roomId: RoomId, slug: RoomSlug): Promise<void> {
    const known = this.#written.get(slug);
    if (known?.roomId === roomId && performance.now() - known.at < FRESH_MS) return;
    // Two slots of a Redis Cluster, and each key is of use without the other: no script.
    await Promise.all([
      this.#connection.send('names.set', (client) => client.set(this.#keys.slug(slug), roomId, 'PX', TTL_MS)),
      this.#connection.send('names.set-slug', (client) => client.set(this.#keys.slugOf(roomId), slug, 'PX', TTL_MS)),
    ]);
    if (this.#written.size >= MOST_REMEMBERED) this.#written.clear();
    this.#written.set(slug, { roomId, at: performance.now() });
  }

  async find(slug: RoomSlug): Promise<RoomId | undefined> {
    const text = await this.#connection.send('names.find', (client) => client.get(this.#keys.slug(slug)));
    return RoomId.safeParse(text).data;
  }

  async slugOf(roomId: RoomId): Promise<RoomSlug | undefined> {
    const text = await this.#connection.send('names.slug-of', (client) => client.get(this.#keys.slugOf(roomId)));
    return RoomSlug.safeParse(text).data;
  }
}
