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
import type { MongoConnection, RoomDocument } from './connection.ts';
import { isDuplicateKey } from './errors.ts';

/** Inserts, unless a unique index says that it is there already. */
async function insertedNow(insert: () => Promise<unknown>): Promise<boolean> {
  try {
    await insert();
    return true;
  } catch (thrown) {
    if (isDuplicateKey(thrown)) return false;
    throw thrown;
  }
}

const toRoom = (found: RoomDocument): Room => stored(RoomRecord, { ...found, roomId: found._id }, 'room');

/**
 * There are no transactions (a standalone server has none), so the order of the writes keeps the
 * collections together. A room is deleted by marking it, which hides it at once, then removing what
 * belongs to it, then the room itself; an interrupted deletion is finished later. What is written
 * for a room looks afterwards whether the room still stands: either this look sees the mark, or the
 * deletion, which comes later then, sees what was written.
 */
export class MongoRooms implements Rooms {
  readonly #db: MongoConnection;

  constructor(db: MongoConnection) {
    this.#db = db;
  }

  async create(room: Room): Promise<void> {
    const { roomId, ...rest } = checked(RoomRecord, room, 'room');
    await this.#db.run(async () => {
      try {
        await this.#db.rooms.insertOne({ _id: roomId, ...rest, deleting: false });
      } catch (thrown) {
        // The answer does not say on every server which index refused: the slug or the id.
        if (isDuplicateKey(thrown) && (await this.#db.rooms.findOne({ slug: rest.slug, _id: { $ne: roomId } }))) {
          throw new MeridianError('room-slug-taken', { cause: thrown });
        }
        throw thrown;
      }
    });
  }

  find(roomId: RoomId): Promise<Room | undefined> {
    return this.#one(() => this.#db.rooms.findOne({ _id: roomId, deleting: false }));
  }

  findBySlug(slug: RoomSlug): Promise<Room | undefined> {
    return this.#one(() => this.#db.rooms.findOne({ slug, deleting: false }));
  }

  async listByOwner(ownerId: UserId, limit: number): Promise<Room[]> {
    const most = checkedLimit(limit);
    const found = await this.#db.run(() =>
      this.#db.rooms.find({ ownerId, deleting: false }).sort({ createdAtMs: -1, _id: -1 }).limit(most).toArray(),
    );
    return found.map(toRoom);
  }

  async listByMember(userId: UserId, limit: number): Promise<Room[]> {
    const most = checkedLimit(limit);
    return await this.#db.run(async () => {
      const rooms: Room[] = [];
      // Memberships in rooms of one's own or in rooms that are being deleted do not count: read on.
      for (let skip = 0; ; skip += most) {
        const page = await this.#db.members
          .find({ userId })
          .sort({ joinedAtMs: -1, roomId: -1 })
          .skip(skip)
          .limit(most)
          .toArray();
        const found = await this.#db.rooms
          .find({ _id: { $in: page.map(({ roomId }) => roomId) }, ownerId: { $ne: userId }, deleting: false })
          .toArray();
        const byId = new Map(found.map((room) => [room._id, room]));
        for (const { roomId } of page) {
          const room = byId.get(roomId);
          if (room) rooms.push(toRoom(room));
          if (rooms.length === most) return rooms;
        }
        if (page.length < most) return rooms;
      }
    });
  }

  async update(roomId: RoomId, change: RoomChange): Promise<Room | undefined> {
    const given = Object.entries(checked(RoomChange, change, 'room')).filter(([, value]) => value !== undefined);
    // An empty $set is an error on the server.
    if (given.length === 0) return await this.find(roomId);
    return await this.#one(() =>
      this.#db.rooms.findOneAndUpdate(
        { _id: roomId, deleting: false },
        { $set: Object.fromEntries(given) },
        { returnDocument: 'after' },
      ),
    );
  }

  async delete(roomId: RoomId): Promise<boolean> {
    const marked = await this.#db.run(() =>
      this.#db.rooms.updateOne({ _id: roomId, deleting: false }, { $set: { deleting: true } }),
    );
    if (marked.matchedCount === 0) return false;
    await this.#finishDeletion(roomId);
    return true;
  }

  /** Removes what interrupted deletions left. */
  async finishDeletions(): Promise<void> {
    const left = await this.#db.run(() => this.#db.rooms.find({ deleting: true }).toArray());
    for (const { _id } of left) await this.#finishDeletion(_id);
  }

  async #finishDeletion(roomId: string): Promise<void> {
    await this.#db.removeAll(this.#db.messages, { roomId });
    await this.#db.removeAll(this.#db.invitations, { roomId });
    await this.#db.removeAll(this.#db.members, { roomId });
    await this.#db.removeAll(this.#db.expulsions, { roomId });
    await this.#db.run(() => this.#db.rooms.deleteOne({ _id: roomId, deleting: true }));
  }

  /**
   * An expulsion is written before the membership goes, and is looked for after the membership was
   * written: of two that happen at once, one sees the other.
   */
  async addMember(roomId: RoomId, member: Member, invitedAtMs = Number.MAX_SAFE_INTEGER): Promise<boolean> {
    const record = checked(MemberRecord, member, 'member');
    const { userId } = record;
    return await this.#db.run(async () => {
      if (await this.#isExpelled(roomId, userId, invitedAtMs)) {
        if ((await this.#db.members.findOne({ roomId, userId })) === null) throw expelled();
        return false;
      }
      const added = await insertedNow(() => this.#db.members.insertOne({ roomId, ...record }));
      if (!(await this.#stands(roomId))) {
        await this.#db.members.deleteMany({ roomId });
        throw roomGone(roomId);
      }
      if (added && (await this.#isExpelled(roomId, userId, invitedAtMs))) {
        await this.#db.members.deleteOne({ roomId, userId });
        throw expelled();
      }
      return added;
    });
  }

  async expelMember(roomId: RoomId, userId: UserId, expelledAtMs: number): Promise<boolean> {
    const timeMs = checked(ExpulsionTime, expelledAtMs, 'time of the expulsion');
    return await this.#db.run(async () => {
      if ((await this.#db.members.findOne({ roomId, userId })) === null) return false;
      const latest = { $max: { expelledAtMs: timeMs } };
      const remember = () => this.#db.expulsions.updateOne({ roomId, userId }, latest, { upsert: true });
      // Somebody else expels the same member and was first: then there is something to update.
      if (!(await insertedNow(remember))) await remember();
      const { deletedCount } = await this.#db.members.deleteOne({ roomId, userId });
      if (!(await this.#stands(roomId))) await this.#db.expulsions.deleteMany({ roomId });
      return deletedCount === 1;
    });
  }

  async removeMember(roomId: RoomId, userId: UserId): Promise<boolean> {
    const result = await this.#db.run(() => this.#db.members.deleteOne({ roomId, userId }));
    return result.deletedCount === 1;
  }

  async isMember(roomId: RoomId, userId: UserId): Promise<boolean> {
    return await this.#db.run(
      async () => (await this.#db.members.findOne({ roomId, userId })) !== null && (await this.#stands(roomId)),
    );
  }

  async members(roomId: RoomId): Promise<Member[]> {
    const found = await this.#db.run(async () =>
      (await this.#stands(roomId))
        ? await this.#db.members.find({ roomId }).sort({ joinedAtMs: 1, userId: 1 }).toArray()
        : [],
    );
    return found.map((member) => stored(MemberRecord, member, 'member'));
  }

  async addInvitation(invitation: Invitation): Promise<void> {
    const { invitationId, expiresAtMs, ...rest } = checked(InvitationRecord, invitation, 'invitation');
    await this.#db.run(async () => {
      const document = { _id: invitationId, ...rest, expiresAt: new Date(expiresAtMs) };
      await insertedNow(() => this.#db.invitations.insertOne(document));
      if (await this.#stands(rest.roomId)) return;
      await this.#db.invitations.deleteOne({ _id: invitationId, roomId: rest.roomId });
      throw roomGone(rest.roomId);
    });
  }

  async findInvitation(invitationId: string): Promise<Invitation | undefined> {
    return await this.#db.run(async () => {
      const found = await this.#db.invitations.findOne({ _id: invitationId });
      if (found === null) return undefined;
      const record = { ...found, invitationId: found._id, expiresAtMs: found.expiresAt.getTime() };
      const read = stored(InvitationRecord, record, 'invitation');
      return (await this.#stands(read.roomId)) ? read : undefined;
    });
  }

  async revokeInvitation(invitationId: string): Promise<boolean> {
    const result = await this.#db.run(() => this.#db.invitations.deleteOne({ _id: invitationId }));
    return result.deletedCount === 1;
  }

  async purgeInvitations(nowMs: number): Promise<number> {
    const result = await this.#db.run(() => this.#db.invitations.deleteMany({ expiresAt: { $lte: new Date(nowMs) } }));
    return result.deletedCount;
  }

  /** Does an expulsion take an invitation of this time its worth? */
  async #isExpelled(roomId: string, userId: string, invitedAtMs: number): Promise<boolean> {
    const found = await this.#db.expulsions.findOne({ roomId, userId, expelledAtMs: { $gte: invitedAtMs } });
    return found !== null;
  }

  async #stands(roomId: RoomId): Promise<boolean> {
    return (await this.#db.rooms.findOne({ _id: roomId, deleting: false }, { projection: { _id: 1 } })) !== null;
  }

  async #one(read: () => Promise<RoomDocument | null>): Promise<Room | undefined> {
    const found = await this.#db.run(read);
    return storedIfAny(RoomRecord, found && { ...found, roomId: found._id }, 'room');
  }
}
