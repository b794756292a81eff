import { MeridianError, type RoomId, type RoomSlug, type UserId } from '@meridian/protocol';
import type { Invitation, Member, Room, Rooms } from '../ports.ts';
import {
  checked,
  checkedLimit,
  ExpulsionTime,
  expelled,
  InvitationRecord,
  MemberRecord,
  RoomChange,
  RoomRecord,
  roomGone,
  stored,
  storedIfAny,
} from '../records.ts';
import type { SqliteConnection } from './connection.ts';
import { isForeignKeyViolation, isUniqueViolation } from './errors.ts';

const ROOM = `rooms.room_id AS roomId, slug, title, owner_id AS ownerId, visibility, duplicates, capacity,
  created_at_ms AS createdAtMs`;

const prepare = (db: SqliteConnection) => ({
  create: db.prepare(
    `INSERT INTO rooms (room_id, slug, title, owner_id, visibility, duplicates, capacity, created_at_ms)
     VALUES (:roomId, :slug, :title, :ownerId, :visibility, :duplicates, :capacity, :createdAtMs)`,
  ),
  find: db.prepare(`SELECT ${ROOM} FROM rooms WHERE room_id = ?`),
  findBySlug: db.prepare(`SELECT ${ROOM} FROM rooms WHERE slug = ?`),
  listByOwner: db.prepare(
    `SELECT ${ROOM} FROM rooms WHERE owner_id = ? ORDER BY created_at_ms DESC, room_id DESC LIMIT ?`,
  ),
  listByMember: db.prepare(
    `SELECT ${ROOM} FROM members JOIN rooms USING (room_id)
     WHERE members.user_id = :userId AND owner_id <> :userId
     ORDER BY joined_at_ms DESC, rooms.room_id DESC LIMIT :limit`,
  ),
  update: db.prepare(
    `UPDATE rooms SET title = coalesce(:title, title), visibility = coalesce(:visibility, visibility),
       duplicates = coalesce(:duplicates, duplicates), capacity = coalesce(:capacity, capacity)
     WHERE room_id = :roomId RETURNING ${ROOM}`,
  ),
  delete: db.prepare('DELETE FROM rooms WHERE room_id = ?'),
  addMember: db.prepare(
    `INSERT INTO members (room_id, user_id, name, joined_at_ms)
     SELECT :roomId, :userId, :name, :joinedAtMs WHERE NOT EXISTS (
       SELECT 1 FROM expulsions WHERE room_id = :roomId AND user_id = :userId AND expelled_at_ms >= :invitedAtMs)
     ON CONFLICT DO NOTHING`,
  ),
  removeMember: db.prepare('DELETE FROM members WHERE room_id = ? AND user_id = ?'),
  // Written before the membership goes: whoever adds the member in between is refused.
  expel: db.prepare(
    `INSERT INTO expulsions (room_id, user_id, expelled_at_ms)
     SELECT room_id, user_id, :expelledAtMs FROM members WHERE room_id = :roomId AND user_id = :userId
     ON CONFLICT DO UPDATE SET expelled_at_ms = max(expelled_at_ms, excluded.expelled_at_ms)`,
  ),
  isExpelled: db.prepare('SELECT 1 FROM expulsions WHERE room_id = ? AND user_id = ? AND expelled_at_ms >= ?'),
  isMember: db.prepare('SELECT 1 FROM members WHERE room_id = ? AND user_id = ?'),
  members: db.prepare(
    `SELECT user_id AS userId, name, joined_at_ms AS joinedAtMs FROM members WHERE room_id = ?
     ORDER BY joined_at_ms, user_id`,
  ),
  addInvitation: db.prepare(
    `INSERT INTO invitations (invitation_id, room_id, invited_by, created_at_ms, expires_at_ms)
     VALUES (:invitationId, :roomId, :invitedBy, :createdAtMs, :expiresAtMs)
     ON CONFLICT DO NOTHING`,
  ),
  findInvitation: db.prepare(
    `SELECT invitation_id AS invitationId, room_id AS roomId, invited_by AS invitedBy, created_at_ms AS createdAtMs,
       expires_at_ms AS expiresAtMs FROM invitations WHERE invitation_id = ?`,
  ),
  revokeInvitation: db.prepare('DELETE FROM invitations WHERE invitation_id = ?'),
  purgeInvitations: db.prepare('DELETE FROM invitations WHERE expires_at_ms <= ?'),
});

export class SqliteRooms implements Rooms {
  readonly #db: SqliteConnection;
  readonly #sql: ReturnType<typeof prepare>;

  constructor(db: SqliteConnection) {
    this.#db = db;
    this.#sql = prepare(db);
  }

  async create(room: Room): Promise<void> {
    const record = checked(RoomRecord, room, 'room');
    this.#db.run(() => {
      try {
        this.#sql.create.run(record);
      } catch (thrown) {
        if (isUniqueViolation(thrown, 'rooms.slug')) throw new MeridianError('room-slug-taken', { cause: thrown });
        throw thrown;
      }
    });
  }

  async find(roomId: RoomId): Promise<Room | undefined> {
    return this.#one(() => this.#sql.find.get(roomId));
  }

  async findBySlug(slug: RoomSlug): Promise<Room | undefined> {
    return this.#one(() => this.#sql.findBySlug.get(slug));
  }

  async listByOwner(ownerId: UserId, limit: number): Promise<Room[]> {
    const most = checkedLimit(limit);
    return this.#many(() => this.#sql.listByOwner.all(ownerId, most));
  }

  async listByMember(userId: UserId, limit: number): Promise<Room[]> {
    const most = checkedLimit(limit);
    return this.#many(() => this.#sql.listByMember.all({ userId, limit: most }));
  }

  async update(roomId: RoomId, change: RoomChange): Promise<Room | undefined> {
    const { title = null, visibility = null, duplicates = null, capacity = null } = checked(RoomChange, change, 'room');
    return this.#one(() => this.#sql.update.get({ roomId, title, visibility, duplicates, capacity }));
  }

  async delete(roomId: RoomId): Promise<boolean> {
    return this.#db.run(() => this.#sql.delete.run(roomId).changes === 1);
  }

  async addMember(roomId: RoomId, member: Member, invitedAtMs = Number.MAX_SAFE_INTEGER): Promise<boolean> {
    const record = checked(MemberRecord, member, 'member');
    return this.#ofRoom(roomId, () => {
      if (this.#sql.addMember.run({ roomId, ...record, invitedAtMs }).changes === 1) return true;
      const isMember = this.#sql.isMember.get(roomId, record.userId) !== undefined;
      if (!isMember && this.#sql.isExpelled.get(roomId, record.userId, invitedAtMs) !== undefined) throw expelled();
      return false;
    });
  }

  async expelMember(roomId: RoomId, userId: UserId, expelledAtMs: number): Promise<boolean> {
    const timeMs = checked(ExpulsionTime, expelledAtMs, 'time of the expulsion');
    return this.#db.run(() => {
      this.#sql.expel.run({ roomId, userId, expelledAtMs: timeMs });
      return this.#sql.removeMember.run(roomId, userId).changes === 1;
    });
  }

  async removeMember(roomId: RoomId, userId: UserId): Promise<boolean> {
    return this.#db.run(() => this.#sql.removeMember.run(roomId, userId).changes === 1);
  }

  async isMember(roomId: RoomId, userId: UserId): Promise<boolean> {
    return this.#db.run(() => this.#sql.isMember.get(roomId, userId) !== undefined);
  }

  async members(roomId: RoomId): Promise<Member[]> {
    const rows = this.#db.run(() => this.#sql.members.all(roomId));
    return rows.map((row) => stored(MemberRecord, row, 'member'));
  }

  async addInvitation(invitation: Invitation): Promise<void> {
    const record = checked(InvitationRecord, invitation, 'invitation');
    this.#ofRoom(record.roomId, () => this.#sql.addInvitation.run(record));
  }

  async findInvitation(invitationId: string): Promise<Invitation | undefined> {
    const row = this.#db.run(() => this.#sql.findInvitation.get(invitationId));
    return storedIfAny(InvitationRecord, row, 'invitation');
  }

  async revokeInvitation(invitationId: string): Promise<boolean> {
    return this.#db.run(() => this.#sql.revokeInvitation.run(invitationId).changes === 1);
  }

  async purgeInvitations(nowMs: number): Promise<number> {
    return this.#db.run(() => Number(this.#sql.purgeInvitations.run(nowMs).changes));
  }

  #one(read: () => unknown): Room | undefined {
    return storedIfAny(RoomRecord, this.#db.run(read), 'room');
  }

  #many(read: () => unknown[]): Room[] {
    return this.#db.run(read).map((row) => stored(RoomRecord, row, 'room'));
  }

  /** Writes something that refers to a room. @throws MeridianError `room-not-found` */
  #ofRoom<T>(roomId: RoomId, write: () => T): T {
    return this.#db.run(() => {
      try {
        return write();
      } catch (thrown) {
        if (isForeignKeyViolation(thrown)) throw roomGone(roomId);
        throw thrown;
      }
    });
  }
}
