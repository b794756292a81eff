import {
  type EndReason,
  MeridianError,
  type NotificationData,
  type NotificationName,
  type RoomId,
  type SessionId,
  type SessionLease,
  type SessionTokenClaims,
} from '@meridian/protocol';
import type { Cancel } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { LocalParticipant } from '../rooms/local-participant.ts';
import type { Connection } from '../signalling/connection.ts';
import type { Dialogue } from '../signalling/dialogue.ts';
import type { TokenBucket } from '../token-bucket.ts';

/** A connection's life. Each state has what it needs and nothing else. */
export type SessionState =
  /** The token is good; the lease is being written. */
  | { readonly phase: 'attaching' }
  | { readonly phase: 'attached'; readonly lease: SessionLease }
  | { readonly phase: 'joining'; readonly lease: SessionLease; readonly roomId: RoomId }
  | { readonly phase: 'joined'; readonly lease: SessionLease; readonly participant: LocalParticipant }
  /** The connection is lost, the participant with its media stays for a while. `cancel` stops the time that runs. */
  | {
      readonly phase: 'suspended';
      readonly lease: SessionLease;
      readonly participant: LocalParticipant;
      readonly cancel: Cancel;
    }
  /** Another connection goes on with the participant and the dialogue, and with the requests that are under way. */
  | { readonly phase: 'resumed'; readonly by: Session }
  | { readonly phase: 'ended'; readonly reason: EndReason };

export type SessionPhase = SessionState['phase'];

const NEXT: { readonly [P in SessionPhase]: readonly SessionPhase[] } = {
  // At once to joined: it resumes an older connection.
  attaching: ['attached', 'joined', 'ended'],
  attached: ['joining', 'ended'],
  // Back to attached: the join failed.
  joining: ['joined', 'attached', 'ended'],
  // Back to attached: the media is lost, the client joins again.
  joined: ['attached', 'suspended', 'resumed', 'ended'],
  suspended: ['resumed', 'ended'],
  resumed: [],
  ended: [],
};

export function mayFollow(from: SessionPhase, to: SessionPhase): boolean {
  return NEXT[from].includes(to);
}

/** What a session keeps over a resume. */
export interface SessionBelongings {
  readonly dialogue: Dialogue;
  readonly chatBucket: TokenBucket;
  /** Who has them now, the newest attachment: in its name requests run. */
  owner?: Session;
}

/** One attachment of a session to this node: one connection, one epoch. */
export class Session {
  readonly claims: SessionTokenClaims;
  readonly connection: Connection;
  readonly log: Logger;
  readonly belongings: SessionBelongings;
  #state: SessionState = { phase: 'attaching' };

  constructor(options: {
    claims: SessionTokenClaims;
    connection: Connection;
    log: Logger;
    belongings: SessionBelongings;
  }) {
    this.claims = options.claims;
    this.connection = options.connection;
    this.log = options.log;
    this.belongings = options.belongings;
    this.belongings.owner = this;
  }

  get sessionId(): SessionId {
    return this.claims.sid;
  }

  get dialogue(): Dialogue {
    return this.belongings.dialogue;
  }

  get chatBucket(): TokenBucket {
    return this.belongings.chatBucket;
  }

  get state(): SessionState {
    return this.#state;
  }

  get phase(): SessionPhase {
    return this.#state.phase;
  }

  /** @throws Error for a step that no life has: a defect, not a condition */
  move(next: SessionState): void {
    if (!mayFollow(this.#state.phase, next.phase)) {
      throw new Error(`a session cannot go from ${this.#state.phase} to ${next.phase}`);
    }
    if (this.#state.phase === 'suspended') this.#state.cancel();
    this.#state = next;
  }

  /** Tells its client, now or when it is back. */
  notify<N extends NotificationName>(event: N, data: NotificationData<N>): void {
    this.dialogue.notify(event, data);
  }

  /** @throws MeridianError `session-not-attached` */
  get lease(): SessionLease {
    const { state } = this.#newest;
    if (!('lease' in state)) throw new MeridianError('session-not-attached');
    return state.lease;
  }

  /** In a room, with a connection or waiting for one. */
  get inRoom(): LocalParticipant | undefined {
    const { state } = this.#newest;
    return 'participant' in state ? state.participant : undefined;
  }

  /** @throws MeridianError `not-joined` */
  get participant(): LocalParticipant {
    const { inRoom } = this;
    if (inRoom === undefined) throw new MeridianError('not-joined');
    return inRoom;
  }

  /** The attachment that goes on with what this one began; itself until it is resumed. */
  get #newest(): Session {
    let newest: Session = this;
    while (newest.#state.phase === 'resumed') newest = newest.#state.by;
    return newest;
  }
}
