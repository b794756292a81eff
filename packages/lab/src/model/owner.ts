import type { RoomId, UserId } from '@meridian/protocol';
import type { World } from './world.ts';

/**
 * The owner of the rooms, who takes back at the beginning of a round what was decided in the one before: rooms that were
 * ended are opened again, people who were kicked may come in again. Not earlier: everybody has to have heard of it first.
 */
export class Owner {
  readonly #world: World;
  readonly #ended = new Set<RoomId>();
  readonly #kicked: { readonly roomId: RoomId; readonly userId: UserId }[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  noteEnded(roomId: RoomId): void {
    this.#ended.add(roomId);
  }

  noteKicked(roomId: RoomId, userId: UserId): void {
    this.#kicked.push({ roomId, userId });
  }

  /** In this round, from whichever room. */
  wasKicked(userId: UserId): boolean {
    return this.#kicked.some((one) => one.userId === userId);
  }

  async takeBack(): Promise<void> {
    const { rooms } = this.#world.service;
    for (const roomId of this.#ended) await rooms.reopen(roomId);
    this.#ended.clear();
    for (const { roomId, userId } of this.#kicked.splice(0)) await rooms.readmit(roomId, { userId });
  }
}
