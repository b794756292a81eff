import type { NodeId, RoomId } from '@meridian/protocol';

/** Hears at which revision this process's nodes enter and leave rooms; the inboxes find gaps by it. */
export interface RoomRevisions {
  /** Events after `before` reach the node. `anew`: nobody of the node was in the room until then. */
  entered(nodeId: NodeId, roomId: RoomId, before: number, anew: boolean): void;
  /** Events after `last` do not reach the node any more. */
  left(nodeId: NodeId, roomId: RoomId, last: number): void;
}

interface Track {
  last: number;
  /** Revision of the first event, where events came before the revision to start from was known. */
  first: number | undefined;
  /** The node is out of the room from this revision on. */
  until: number | undefined;
}

export type Verdict = 'deliver' | 'gap' | 'old';

/** So many rooms are remembered in which the node is not: events that come before the answer to an entering, and late ones. */
const MOST_OUTSIDE = 1_024;

/** The revisions of one node's rooms: says of each event whether one before it was lost. */
export class RevisionTracker {
  readonly #rooms = new Map<RoomId, Track>();
  /** Those of them which the node has not entered, or has left, oldest first: anybody on the bus can name more of them. */
  readonly #outside = new Set<RoomId>();

  /** Rooms that are remembered. */
  get size(): number {
    return this.#rooms.size;
  }

  /** What to do with an event: `gap` means deliver it, but something before it is missing. */
  event(roomId: RoomId, revision: number): Verdict {
    const track = this.#rooms.get(roomId);
    if (track === undefined) {
      this.#rooms.set(roomId, { last: revision, first: revision, until: undefined });
      this.#isOutside(roomId);
      return 'deliver';
    }
    if (revision <= track.last) return 'old';
    const gap = revision !== track.last + 1;
    track.last = revision;
    if (track.until !== undefined && revision >= track.until) this.forget(roomId);
    return gap ? 'gap' : 'deliver';
  }

  /** Returns true when events between `before` and the first one that came are missing. */
  entered(roomId: RoomId, before: number, anew: boolean): boolean {
    this.#outside.delete(roomId);
    const track = this.#rooms.get(roomId);
    if (track === undefined || (anew && track.last <= before)) {
      this.#rooms.set(roomId, { last: before, first: undefined, until: undefined });
      return false;
    }
    track.until = undefined;
    const missing = track.first !== undefined && track.first > before + 1;
    track.first = undefined;
    return missing;
  }

  left(roomId: RoomId, last: number): void {
    const track = this.#rooms.get(roomId);
    if (track === undefined) return;
    if (track.last >= last) {
      this.forget(roomId);
      return;
    }
    track.until = last;
    this.#isOutside(roomId);
  }

  /** The room is over, or the subscription stood still: start from whatever comes next. */
  forget(roomId?: RoomId): void {
    if (roomId === undefined) {
      this.#rooms.clear();
      this.#outside.clear();
      return;
    }
    this.#rooms.delete(roomId);
    this.#outside.delete(roomId);
  }

  #isOutside(roomId: RoomId): void {
    this.#outside.add(roomId);
    if (this.#outside.size <= MOST_OUTSIDE) return;
    const [oldest] = this.#outside;
    if (oldest !== undefined) this.forget(oldest);
  }
}
