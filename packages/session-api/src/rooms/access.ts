import { MeridianError, type RoomSlug, type RoomView, type UserId } from '@meridian/protocol';
import type { Room, Rooms } from '@meridian/store';

export type Role = RoomView['role'];

/** A room and where the caller stands in it. */
export interface Entry {
  readonly room: Room;
  readonly role: Role;
}

/** Who may see and enter which room. */
export class RoomAccess {
  readonly #rooms: Rooms;

  constructor(rooms: Rooms) {
    this.#rooms = rooms;
  }

  /**
   * The room, for somebody who may enter it: anybody a public one, its owner and members a private one.
   * @throws MeridianError `room-not-found`, `room-private`
   */
  async enter(slug: RoomSlug, userId: UserId): Promise<Entry> {
    const room = await this.#rooms.findBySlug(slug);
    if (room === undefined) throw new MeridianError('room-not-found');
    const role = await this.#roleOf(room, userId);
    if (room.visibility === 'private' && role === 'visitor') throw new MeridianError('room-private');
    return { room, role };
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

  async #roleOf(room: Room, userId: UserId): Promise<Role> {
    if (room.ownerId === userId) return 'owner';
    return (await this.#rooms.isMember(room.roomId, userId)) ? 'member' : 'visitor';
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
