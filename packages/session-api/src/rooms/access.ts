import { isMeridianError, MeridianError, type RoomSlug, type RoomView, type UserId } from '@meridian/protocol';
import type { Room } from '@meridian/store';
import type { Answer, LastKnown } from '../store/last-known.ts';

export type Role = RoomView['role'];

/** A room and where the caller stands in it. */
export interface Entry {
  readonly room: Room;
  readonly role: Role;
}

/** As it was looked up. */
export interface FoundEntry extends Entry {
  /**
   * The store is away and this is what it said last: who has been put out since, or what became of the room, the marks at
   * its admission know.
   */
  readonly remembered: boolean;
}

/** Who may see and enter which room. */
export class RoomAccess {
  readonly #known: Pick<LastKnown, 'room' | 'isMember'>;

  constructor(known: Pick<LastKnown, 'room' | 'isMember'>) {
    this.#known = known;
  }

  /**
   * The room, for somebody who may enter it: anybody a public one, its owner and members a private one.
   * @throws MeridianError `room-not-found`, `room-private`
   */
  async enter(slug: RoomSlug, userId: UserId): Promise<FoundEntry> {
    const { value: room, remembered } = await this.#known.room(slug);
    if (room === undefined) throw new MeridianError('room-not-found');
    const found = await this.#roleOf(room, userId);
    if (room.visibility === 'private' && found.role === 'visitor') throw new MeridianError('room-private');
    return { room, role: found.role, remembered: remembered || found.remembered };
  }

  /** @throws MeridianError as `enter`, and `forbidden` for those who are neither owner nor member */
  async enterAsMember(slug: RoomSlug, userId: UserId): Promise<Entry> {
    const entry = await this.enter(slug, userId);
    if (entry.role === 'visitor')
      throw new MeridianError('forbidden', { message: 'Only members of the room may see this.' });
    return entry;
  }

  /** @throws MeridianError as `enter`, and `forbidden` for everybody but the owner */
  async own(slug: RoomSlug, userId: UserId): Promise<Room> {
    const { room, role } = await this.enter(slug, userId);
    if (role !== 'owner') throw new MeridianError('forbidden', { message: 'Only the owner of the room may do this.' });
    return room;
  }

  async #roleOf(room: Room, userId: UserId): Promise<{ role: Role; remembered: boolean }> {
    if (room.ownerId === userId) return { role: 'owner', remembered: false };
    const member = await this.#member(room, userId);
    return { role: member.value ? 'member' : 'visitor', remembered: member.remembered };
  }

  /** Anybody may enter a public room: where the store cannot say whether they are a member, they come as a visitor. */
  async #member({ roomId, visibility }: Room, userId: UserId): Promise<Answer<boolean>> {
    try {
      return await this.#known.isMember(roomId, userId);
    } catch (error) {
      if (visibility === 'private' || !isMeridianError(error, 'store-unavailable')) throw error;
      return { value: false, remembered: true };
    }
  }
}

export function roomView({ room, role }: Entry): RoomView {
  return {
    roomId: room.roomId,
    slug: room.slug,
    title: room.title,
    visibility: room.visibility,
    duplicates: room.duplicates,
    capacity: room.capacity,
    ownerId: room.ownerId,
    createdAtMs: room.createdAtMs,
    path: `/r/${room.slug}`,
    role,
  };
}
