import type { Messages, Rooms, Store, Users } from '../ports.ts';
import { MongoConnection } from './connection.ts';
import { ensureIndexes } from './indexes.ts';
import { MongoMessages } from './messages.ts';
import { MongoRooms } from './rooms.ts';
import { MongoUsers } from './users.ts';

class MongoStore implements Store {
  readonly users: Users;
  readonly rooms: Rooms;
  readonly messages: Messages;
  readonly #rooms: MongoRooms;
  readonly #db: MongoConnection;

  constructor(db: MongoConnection, rooms: MongoRooms) {
    this.#db = db;
    this.users = new MongoUsers(db);
    this.rooms = rooms;
    this.#rooms = rooms;
    this.messages = new MongoMessages(db);
  }

  async purgeInvitations(nowMs: number): Promise<number> {
    await this.#rooms.finishDeletions();
    return await this.#rooms.purgeInvitations(nowMs);
  }

  ping(): Promise<void> {
    return this.#db.ping();
  }

  close(): Promise<void> {
    return this.#db.close();
  }
}

/** @see openStore */
export async function openMongoStore(
  url: string,
  {
    onWarning = () => undefined,
    serverSelectionTimeoutMs = 2_000,
    operationTimeoutMs = 5_000,
  }: { onWarning?: (message: string) => void; serverSelectionTimeoutMs?: number; operationTimeoutMs?: number } = {},
): Promise<Store> {
  const db = await MongoConnection.open(url, { serverSelectionTimeoutMs, operationTimeoutMs });
  try {
    await ensureIndexes(db, onWarning);
    const rooms = new MongoRooms(db);
    await rooms.finishDeletions();
    return new MongoStore(db, rooms);
  } catch (error) {
    await db.close();
    throw error;
  }
}
