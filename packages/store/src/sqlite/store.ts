import type { Messages, Rooms, Store, Users } from '../ports.ts';
import { SqliteConnection } from './connection.ts';
import { SqliteMessages } from './messages.ts';
import { SqliteRooms } from './rooms.ts';
import { SqliteUsers } from './users.ts';

class SqliteStore implements Store {
  readonly users: Users;
  readonly rooms: Rooms;
  readonly messages: Messages;
  readonly #rooms: SqliteRooms;
  readonly #db: SqliteConnection;
  readonly #ping: () => void;

  constructor(db: SqliteConnection) {
    this.#db = db;
    this.users = new SqliteUsers(db);
    this.#rooms = new SqliteRooms(db);
    this.rooms = this.#rooms;
    this.messages = new SqliteMessages(db);
    const ping = db.prepare('SELECT count(*) FROM schema_migrations');
    this.#ping = () => void ping.get();
  }

  purgeInvitations(nowMs: number): Promise<number> {
    return this.#rooms.purgeInvitations(nowMs);
  }

  async ping(): Promise<void> {
    this.#db.run(this.#ping);
  }

  async close(): Promise<void> {
    this.#db.close();
  }
}

/** @see openStore. `path` is a file or `:memory:`. */
export function openSqliteStore(
  path: string,
  { busyTimeoutMs = 1_000, now = Date.now }: { busyTimeoutMs?: number; now?: () => number } = {},
): Store {
  const db = SqliteConnection.open(path, { busyTimeoutMs, nowMs: now() });
  try {
    return new SqliteStore(db);
  } catch (error) {
    db.close();
    throw error;
  }
}
