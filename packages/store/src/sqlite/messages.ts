import { setImmediate } from 'node:timers/promises';
import type { ChatMessage, MessageId, RoomId } from '@meridian/protocol';
import type { Messages } from '../ports.ts';
import { checked, checkedLimit, MessageRecord, stored } from '../records.ts';
import type { SqliteConnection } from './connection.ts';

const COLUMNS = `message_id AS id, room_id AS roomId, session_id AS sessionId, user_id AS userId, name, text,
  sent_at_ms AS sentAtMs`;

/** Lines that one statement of a purge removes: the event loop stands still for no longer than that. */
const PURGE_AT_ONCE = 2_000;

const prepare = (db: SqliteConnection) => ({
  keep: db.prepare(
    `INSERT INTO messages (room_id, message_id, session_id, user_id, name, text, sent_at_ms)
     SELECT :roomId, :id, :sessionId, :userId, :name, :text, :sentAtMs
     WHERE EXISTS (SELECT 1 FROM rooms WHERE room_id = :roomId)
     ON CONFLICT DO NOTHING`,
  ),
  newest: db.prepare(`SELECT ${COLUMNS} FROM messages WHERE room_id = ? ORDER BY message_id DESC LIMIT ?`),
  before: db.prepare(
    `SELECT ${COLUMNS} FROM messages WHERE room_id = ? AND message_id < ? ORDER BY message_id DESC LIMIT ?`,
  ),
  purge: db.prepare(
    `DELETE FROM messages WHERE (room_id, message_id) IN
       (SELECT room_id, message_id FROM messages WHERE sent_at_ms < ? LIMIT ${PURGE_AT_ONCE})`,
  ),
});

export class SqliteMessages implements Messages {
  readonly #db: SqliteConnection;
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: SqliteConnection) {
    this.#db = db;
    this.#sql = prepare(db);
  }

  async keep(messages: readonly ChatMessage[]): Promise<void> {
    const records = messages.map((message) => checked(MessageRecord, message, 'message'));
    if (records.length === 0) return;
    this.#db.transaction(() => {
      for (const record of records) this.#sql.keep.run(record);
    });
  }

  async page(
    roomId: RoomId,
    { before, limit }: { before?: MessageId | undefined; limit: number },
  ): Promise<ChatMessage[]> {
    const most = checkedLimit(limit);
    const rows = this.#db.run(() =>
      before === undefined ? this.#sql.newest.all(roomId, most) : this.#sql.before.all(roomId, before, most),
    );
    return rows.map((row) => stored(MessageRecord, row, 'message')).reverse();
  }

  async purge(olderThanMs: number): Promise<number> {
    let removed = 0;
    for (;;) {
      const now = this.#db.run(() => Number(this.#sql.purge.run(olderThanMs).changes));
      removed += now;
      if (now < PURGE_AT_ONCE) return removed;
      await setImmediate();
    }
  }
}
