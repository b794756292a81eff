import type { RoomState, SessionLeases } from '@meridian/cluster';
import {
  Epoch,
  type ErrorCode,
  type NodeId,
  type NotificationData,
  type ResumePoint,
  type SessionTokenClaims,
} from '@meridian/protocol';
import type { Chores } from '../chores.ts';
import type { Clock } from '../clock.ts';
import type { LocalParticipant } from '../rooms/local-participant.ts';
import type { NodeRooms } from '../rooms/node-rooms.ts';
import type { SessionEnder } from './end-session.ts';
import type { FinalWords } from './final-words.ts';
import { restoreLeases } from './restore-leases.ts';
import type { Session } from './session.ts';
import type { Sessions } from './sessions.ts';

/** Why a client that asked for a resume is attached as if it were new. */
export type NotResumable =
  /** Nobody of that session is here (any more). */
  | 'unknown'
  /** It is here, but in no room: there is nothing to go on with. */
  | 'not-joined'
  /** What it missed is not all there any more. */
  | 'too-far-behind';

export type ResumeVerdict =
  | { readonly verdict: 'resume'; readonly older: Session }
  | { readonly verdict: 'anew'; readonly why: NotResumable }
  /** Somebody else has the session by now, or it is over for good. */
  | { readonly verdict: 'refuse'; readonly code: ErrorCode };

/** What is to become of a client that names where it left off. */
export function judgeResume(options: {
  readonly claims: Pick<SessionTokenClaims, 'sid' | 'sub'>;
  readonly point: ResumePoint;
  /** The session's newest attachment to this node. */
  readonly older: Session | undefined;
  /** The final word on the named attachment. */
  readonly departed: ErrorCode | undefined;
}): ResumeVerdict {
  const { claims, point, older, departed } = options;
  if (older === undefined || older.claims.sub !== claims.sub || !('lease' in older.state)) {
    return departed === undefined ? { verdict: 'anew', why: 'unknown' } : { verdict: 'refuse', code: departed };
  }
  const { epoch } = older.lease;
  const ofThis = older.dialogue.covers(point.epoch);
  if (point.epoch < epoch) {
    // A page that was refreshed has it; or this very client has, over a connection that it answered on.
    if (!ofThis || !older.dialogue.unheard) return { verdict: 'refuse', code: 'session-replaced' };
  } else if (!ofThis) {
    return { verdict: 'anew', why: 'unknown' };
  }
  if (older.inRoom === undefined) return { verdict: 'anew', why: 'not-joined' };
  if (!older.dialogue.canReplay(point.seq)) return { verdict: 'anew', why: 'too-far-behind' };
  return { verdict: 'resume', older };
}

export interface ResumptionOptions {
  readonly nodeId: NodeId;
  readonly clock: Clock;
  readonly sessions: Sessions;
  readonly ender: SessionEnder;
  readonly finalWords: FinalWords;
  readonly rooms: NodeRooms;
  readonly roomState: RoomState;
  readonly leases: SessionLeases;
  readonly chores: Chores;
  /** How long a participant without a connection stays, milliseconds; 0: not at all. */
  readonly windowMs: number;
  /** When the others are told, milliseconds after the loss. */
  readonly shownAfterMs: number;
}

/** Participants whose connection was lost: they stay for a while, and the next connection goes on with them. */
export class Resumption {
  readonly #options: ResumptionOptions;

  constructor(options: ResumptionOptions) {
    this.#options = options;
  }

  judge(claims: SessionTokenClaims, point: ResumePoint): ResumeVerdict {
    const { sessions, finalWords, clock } = this.#options;
    return judgeResume({
      claims,
      point,
      older: sessions.find(claims.sid),
      departed: finalWords.on(claims.sid, point.epoch, clock.now()),
    });
  }

  /** The connection is gone. Who is in a room keeps its place for a while; all others end. Idempotent. */
  lost(session: Session): void {
    const { clock, ender, windowMs, shownAfterMs } = this.#options;
    const { state } = session;
    if (state.phase !== 'joined' || windowMs === 0) {
      if (state.phase !== 'suspended') void ender.endAttachment(session, 'connection-lost');
      return;
    }
    const { lease, participant } = state;
    const timers = [
      clock.after(windowMs, () => void ender.endSession(lease.sessionId, lease.epoch, 'connection-lost')),
      ...(shownAfterMs < windowMs ? [clock.after(shownAfterMs, () => this.#show(session))] : []),
    ];
    session.move({
      phase: 'suspended',
      lease,
      participant,
      cancel: () => {
        for (const cancel of timers) cancel();
      },
    });
    session.log.info({ epoch: lease.epoch, roomId: participant.roomId, windowMs }, 'connection lost, waiting for it');
  }

  /**
   * The new connection goes on where the older one was lost; nothing of it is awaited, so that nobody comes
   * between. The epoch is raised here: by one, which is more than anything that speaks for the older
   * connection and less than what a later attachment, here or on another node, gets from Redis. So it needs no Redis; the
   * lease and the room are told as soon as they can be.
   */
  take(older: Session, next: Session, seq: number, welcome: (epoch: Epoch) => NotificationData<'welcome'>): void {
    const { sessions } = this.#options;
    const { lease, participant } = older;
    const epoch = Epoch.parse(lease.epoch + 1);
    next.move({ phase: 'joined', lease: { ...lease, epoch }, participant });
    sessions.put(next);
    older.move({ phase: 'resumed', by: next });
    older.connection.close('session-replaced');
    participant.resumed(epoch);
    next.dialogue.resume(next.connection, seq, welcome(epoch));
    next.connection.serve(next.dialogue);
    this.#announce(next);
    next.log.info({ epoch, roomId: participant.roomId, seq }, 'resumed');
  }

  /** Writes whatever lease the session has when Redis takes it: one that ended meanwhile does not come back. */
  announceLease(session: Pick<Session, 'sessionId'>): void {
    const { nodeId, chores, leases, sessions } = this.#options;
    const { sessionId } = session;
    const held = {
      get all() {
        const newest = sessions.find(sessionId);
        return newest === undefined ? [] : [newest];
      },
    };
    void chores.run(`lease:${sessionId}:held`, () => restoreLeases({ nodeId, leases, sessions: held }));
  }

  /** Has the room's state say how a participant is connected, and in which epoch, as that stands when it is written. */
  writeConnection(participant: LocalParticipant): void {
    const { nodeId, chores, roomState, rooms } = this.#options;
    const { roomId, self } = participant;
    void chores.run(
      `connection:${self.sessionId}`,
      async () => {
        if (participant.closed) return;
        const { sessionId, epoch, connection } = participant.self;
        const known = await roomState.setConnection({ roomId, sessionId, epoch, connection, nodeId });
        // Not there: it was taken out at the same moment, or Redis has lost it. The room looks which.
        if (!known && !participant.closed) rooms.find(roomId)?.missed();
      },
      {
        // The people on this node need no Redis to be told.
        onPutOff: () => {
          if (participant.closed) return;
          rooms.find(roomId)?.tellHere({ type: 'participant-updated', participant: participant.self });
        },
      },
    );
  }

  #announce(session: Session): void {
    this.announceLease(session);
    this.writeConnection(session.participant);
  }

  #show(session: Session): void {
    if (session.phase !== 'suspended') return;
    session.participant.showAs('reconnecting');
    this.writeConnection(session.participant);
  }
}
