import { assertNever, type EndReason, type RoomEvent, type SessionId, type SessionLease } from '@meridian/protocol';

interface Joiner {
  /** Why the room's state has taken it out again; undefined while it has not, or where nothing says why. */
  out: EndReason | undefined;
  /** The state may have lost it, as it may have lost every member then. */
  doubtful: boolean;
}

/**
 * Sessions on their way into a room on this node. The state may hold them, and lose them again, before this node has
 * heard of its own question whether they may come in: events and answers take different ways.
 */
export class Joiners {
  readonly #open = new Map<SessionLease, Joiner>();

  get size(): number {
    return this.#open.size;
  }

  begin(lease: SessionLease): void {
    this.#open.set(lease, { out: undefined, doubtful: false });
  }

  end(lease: SessionLease): void {
    this.#open.delete(lease);
  }

  has(sessionId: SessionId): boolean {
    return this.#of(sessionId).length > 0;
  }

  /** Redis lost its data, or this node was taken for dead: who is confirmed may not be in the state any more. */
  doubt(): void {
    for (const joiner of this.#open.values()) joiner.doubtful = true;
  }

  isDoubtful(sessionId: SessionId): boolean {
    return this.#of(sessionId).some(([, { doubtful }]) => doubtful);
  }

  /** Why it is out again for good. */
  outAgain(lease: SessionLease): EndReason | undefined {
    return this.#open.get(lease)?.out;
  }

  heard(change: RoomEvent): void {
    switch (change.type) {
      case 'participant-joined':
      case 'participant-updated':
        for (const [, joiner] of this.#of(change.participant.sessionId)) joiner.out = undefined;
        break;
      case 'participant-left':
        for (const [lease, joiner] of this.#of(change.sessionId)) {
          if (lease.epoch > change.epoch) continue;
          if (change.reason === 'node-lost') joiner.doubtful = true;
          // A snapshot without it, where an event was missed: the next one says more.
          else if (change.reason !== 'connection-lost') joiner.out = change.reason;
        }
        break;
      case 'producer-opened':
      case 'producer-updated':
      case 'producer-closed':
      case 'data-producer-opened':
      case 'data-producer-closed':
      case 'room-ended':
        break;
      default:
        assertNever(change);
    }
  }

  #of(sessionId: SessionId): [SessionLease, Joiner][] {
    return [...this.#open].filter(([lease]) => lease.sessionId === sessionId);
  }
}
