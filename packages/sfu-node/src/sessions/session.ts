import {
  type EndReason,
  MeridianError,
  type RoomId,
  type SessionId,
  type SessionLease,
  type SessionTokenClaims,
} from '@meridian/protocol';
import type { Logger } from '../logger.ts';
import type { LocalParticipant } from '../rooms/local-participant.ts';
import type { Connection } from '../signalling/connection.ts';
import type { TokenBucket } from '../token-bucket.ts';

/** A connection's life. Each state has what it needs and nothing else. */
export type SessionState =
  /** The token is good; the lease is being written. */
  | { readonly phase: 'attaching' }
  | { readonly phase: 'attached'; readonly lease: SessionLease }
  | { readonly phase: 'joining'; readonly lease: SessionLease; readonly roomId: RoomId }
  | { readonly phase: 'joined'; readonly lease: SessionLease; readonly participant: LocalParticipant }
  | { readonly phase: 'ended'; readonly reason: EndReason };

export type SessionPhase = SessionState['phase'];

const NEXT: { readonly [P in SessionPhase]: readonly SessionPhase[] } = {
  attaching: ['attached', 'ended'],
  attached: ['joining', 'ended'],
  // Back to attached: the join failed.
  joining: ['joined', 'attached', 'ended'],
  // Back to attached: the media is lost, the client joins again.
  joined: ['attached', 'ended'],
  ended: [],
};

export function mayFollow(from: SessionPhase, to: SessionPhase): boolean {
  return NEXT[from].includes(to);
}

/** One attachment of a session to this node: one connection, one epoch. */
export class Session {
  readonly claims: SessionTokenClaims;
  readonly connection: Connection;
  readonly log: Logger;
  readonly chatBucket: TokenBucket;
  #state: SessionState = { phase: 'attaching' };

  constructor(options: { claims: SessionTokenClaims; connection: Connection; log: Logger; chatBucket: TokenBucket }) {
    this.claims = options.claims;
    this.connection = options.connection;
    this.log = options.log;
    this.chatBucket = options.chatBucket;
  }

  get sessionId(): SessionId {
    return this.claims.sid;
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
    this.#state = next;
  }

  /** @throws MeridianError `session-not-attached` */
  get lease(): SessionLease {
    if (!('lease' in this.#state)) throw new MeridianError('session-not-attached');
    return this.#state.lease;
  }

  /** @throws MeridianError `not-joined` */
  get participant(): LocalParticipant {
    if (this.#state.phase !== 'joined') throw new MeridianError('not-joined');
    return this.#state.participant;
  }
}
