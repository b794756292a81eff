import type { ChatMessage, MessageId, RoomId } from '@meridian/protocol';
import type { Messages } from '../ports.ts';
import { checked, checkedLimit, MessageRecord, stored } from '../records.ts';
import type { MongoConnection } from './connection.ts';
import { isOnlyDuplicates } from './errors.ts';

export class MongoMessages implements Messages {
  readonly #db: MongoConnection;

  constructor(db: MongoConnection) {
    this.#db = db;
  }

  async keep(messages: readonly ChatMessage[]): Promise<void> {
    const records = messages.map((message) => checked(MessageRecord, message, 'message'));
    if (records.length === 0) return;
    await this.#db.run(async () => {
      try {
        // Unordered: a line that is there already stops none of the others.
        await this.#db.messages.insertMany(records, { ordered: false });
      } catch (thrown) {
        if (!isOnlyDuplicates(thrown)) throw thrown;
      }
      await this.#dropLinesOfGoneRooms([...new Set(records.map(({ roomId }) => roomId))]);
    });
  }

  /** Comes after the lines were written; rooms.ts says why. */
  async #dropLinesOfGoneRooms(roomIds: RoomId[]): Promise<void> {
    const standing = await this.#db.rooms
      .find({ _id: { $in: roomIds }, deleting: false }, { projection: { _id: 1 } })
      .toArray();
    const ids = new Set<string>(standing.map(({ _id }) => _id));
    const gone = roomIds.filter((roomId) => !ids.has(roomId));
    if (gone.length > 0) await this.#db.messages.deleteMany({ roomId: { $in: gone } });
  }

  async page(
    roomId: RoomId,
    { before, limit }: { before?: MessageId | undefined; limit: number },
  ): Promise<ChatMessage[]> {
    const most = checkedLimit(limit);
    const filter = before === undefined ? { roomId } : { roomId, id: { $lt: before } };
    const found = await this.#db.run(() => this.#db.messages.find(filter).sort({ id: -1 }).limit(most).toArray());
    return found.map((message) => stored(MessageRecord, message, 'message')).reverse();
  }

  purge(olderThanMs: number): Promise<number> {
    return this.#db.removeAll(this.#db.messages, { sentAtMs: { $lt: olderThanMs } });
  }
}
