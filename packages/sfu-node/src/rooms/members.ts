import type { RoomState } from '@meridian/cluster';
import type { NodeId, Participant, ProducerId, RoomId, RoomSnapshot, SessionId } from '@meridian/protocol';
import type { LocalParticipant } from './local-participant.ts';
import { type OwnPart, pausedOtherwise, type Stray, straysIn, withOwn } from './own-part.ts';

export interface MembersHooks {
  /** Is a leave of this participant on its way to the state? */
  isLeaving(roomId: RoomId, participant: Participant): boolean;
  /** A member left while it was put back: it may have been put back for good. */
  goneMeanwhile(roomId: RoomId, member: Participant): void;
  /** The state holds something published by a member here that the member does not publish (any more). */
  removeStray(roomId: RoomId, stray: Stray): void;
  /** The state may not know how this member is connected: it is told (again). */
  writeConnection(member: LocalParticipant): void;
  /** The state may not know whether this producer of a member here is paused: it is told (again). */
  writePaused(member: LocalParticipant, producerId: ProducerId): void;
}

export interface MembersOptions {
  readonly roomId: RoomId;
  readonly nodeId: NodeId;
  readonly state: RoomState;
  readonly hooks: MembersHooks;
}

/**
 * The participants of this node in one room. They and what they publish are as they are here: the state is corrected by
 * them where it is read, and is told of them where it lost them or holds something else.
 */
export class Members {
  readonly #options: MembersOptions;
  readonly #members = new Map<SessionId, LocalParticipant>();

  constructor(options: MembersOptions) {
    this.#options = options;
  }

  get all(): readonly LocalParticipant[] {
    return [...this.#members.values()];
  }

  get size(): number {
    return this.#members.size;
  }

  get(sessionId: SessionId): LocalParticipant | undefined {
    return this.#members.get(sessionId);
  }

  /** In the place of the one that its session has there, if any. */
  add(member: LocalParticipant): void {
    this.#members.set(member.self.sessionId, member);
  }

  /** Does nothing where another one is in its place. */
  remove(member: LocalParticipant): void {
    const { sessionId } = member.self;
    if (this.#members.get(sessionId) === member) this.#members.delete(sessionId);
  }

  /** The snapshot with what this node knows better. */
  correct(snapshot: RoomSnapshot): RoomSnapshot {
    return withOwn(snapshot, this.#own);
  }

  /** Puts all of them and what they publish into the state again. @throws what Redis says */
  async restore(): Promise<RoomSnapshot> {
    const { hooks, state, nodeId, roomId } = this.#options;
    const members = this.all.map((member) => ({ member, self: member.self }));
    const own = {
      participants: members.map(({ self }) => self),
      producers: members.flatMap(({ member }) => [...member.published.producers]),
      dataProducers: members.flatMap(({ member }) => [...member.published.dataProducers]),
    };
    try {
      return await state.restore(roomId, nodeId, own);
    } finally {
      // Whatever ended or changed while that was on its way may have been written before it was put back as it was.
      for (const { member, self } of members) {
        if (this.#members.get(self.sessionId) !== member) hooks.goneMeanwhile(roomId, self);
        else if (member.self !== self) hooks.writeConnection(member);
      }
      this.putRight(own);
    }
  }

  /**
   * Put back with what a member published in the moment before, and closed, muted or unmuted since: what it did may have
   * been written before that, and nobody else would ever do it again.
   */
  putRight(snapshot: Pick<RoomSnapshot, 'producers' | 'dataProducers'>): void {
    const { roomId, hooks } = this.#options;
    for (const stray of straysIn(snapshot, this.#own)) hooks.removeStray(roomId, stray);
    for (const { member, producerId } of pausedOtherwise(snapshot, this.#own)) hooks.writePaused(member, producerId);
  }

  get #own(): OwnPart {
    const { roomId, nodeId, hooks } = this.#options;
    return { nodeId, members: this.#members, isLeaving: (one) => hooks.isLeaving(roomId, one) };
  }
}
