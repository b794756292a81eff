import type { RoomState, SessionLeases } from '@meridian/cluster';
import {
  assertNever,
  type EndReason,
  type Epoch,
  type ErrorCode,
  MeridianError,
  type NodeId,
  type RoomId,
  type SessionId,
} from '@meridian/protocol';
import type { Chores } from '../chores.ts';
import type { Clock } from '../clock.ts';
import type { LocalParticipant } from '../rooms/local-participant.ts';
import type { Session } from './session.ts';
import type { Sessions } from './sessions.ts';

export interface EndSessionOptions {
  /** The room's state says so itself: it need not be told. */
  readonly stateKnows?: boolean;
  /** Replaces the error that the reason stands for, where the client can be told more exactly. */
  readonly error?: MeridianError;
}

export interface SessionEnderOptions {
  readonly nodeId: NodeId;
  readonly sessions: Sessions;
  readonly leases: SessionLeases;
  readonly rooms: RoomState;
  readonly chores: Chores;
  readonly clock: Clock;
  /** The state cannot be told now that a participant left: those on this node are. */
  readonly leftHere: (roomId: RoomId, sessionId: SessionId, epoch: Epoch, reason: EndReason) => void;
  /** How long a newer attachment may take to join in the place of the one it replaces, milliseconds. */
  readonly takeoverMs: number;
  readonly onEnded: (reason: EndReason, sessionId: SessionId, epoch: Epoch) => void;
}

/**
 * How the client is told: an error code gives the close code, `normal` is 1000, `keeps-connection`
 * leaves the session attached, so that it can join again.
 */
export function farewell(reason: EndReason): ErrorCode | 'normal' | 'keeps-connection' {
  switch (reason) {
    case 'left':
    case 'moved':
      return 'normal';
    case 'worker-died':
      return 'keeps-connection';
    case 'connection-lost':
    case 'transport-failed':
    case 'node-lost':
      return 'session-lost';
    case 'replaced':
      return 'session-replaced';
    case 'kicked':
      return 'session-kicked';
    case 'room-ended':
      return 'room-ended';
    case 'node-shutdown':
      return 'node-shutdown';
    case 'token-revoked':
      return 'token-revoked';
    case 'protocol-error':
      return 'bad-request';
    case 'slow-reader':
      return 'slow-reader';
    default:
      return assertNever(reason);
  }
}

/**
 * The one way out. Whatever ends an attachment (a leave, a lost connection, dead transports, a kick,
 * the room's end, a newer attachment, this node's shutdown, a dead worker, a peer that breaks the
 * rules) calls `endSession` with the epoch it means; an older epoch never ends a newer one, here or in Redis.
 */
export class SessionEnder {
  readonly #options: SessionEnderOptions;
  /** Places of sessions whose newer attachment has not joined yet: each is given up at last, or here. */
  readonly #vacant = new Map<SessionId, (reason: EndReason) => Promise<void>>();

  constructor(options: SessionEnderOptions) {
    this.#options = options;
  }

  /**
   * Ends the attachment on this node at once; resolves when the cluster's state knows as well.
   * Returns false when there is no such attachment (any more) or a newer one holds the session.
   */
  async endSession(
    sessionId: SessionId,
    epoch: Epoch,
    reason: EndReason,
    options: EndSessionOptions = {},
  ): Promise<boolean> {
    const session = this.#options.sessions.find(sessionId);
    if (session === undefined || !('lease' in session.state) || session.lease.epoch !== epoch) return false;
    await this.endAttachment(session, reason, options);
    return true;
  }

  /** The same for an attachment that was found already (it may have lost its place to a newer one). */
  async endAttachment(session: Session, reason: EndReason, options: EndSessionOptions = {}): Promise<void> {
    const { state } = session;
    if (!('lease' in state)) return;
    const { lease } = state;
    // Without a connection there is nothing to keep: whoever comes back joins anew.
    const told = state.phase === 'suspended' && farewell(reason) === 'keeps-connection' ? 'normal' : farewell(reason);
    const participant = session.inRoom;
    if (told === 'keeps-connection') {
      if (participant === undefined) return;
      session.move({ phase: 'attached', lease });
    } else {
      session.move({ phase: 'ended', reason });
      this.#options.sessions.remove(session);
    }
    this.#options.onEnded(reason, session.sessionId, lease.epoch);
    session.log.info({ reason, epoch: lease.epoch, roomId: participant?.roomId }, 'session ended');
    participant?.close();
    const left = this.#outOfRoom(session, participant, reason, options);
    if (told === 'keeps-connection') {
      // A join with the same epoch must not be overtaken by this leave: it is told when it may come.
      await left;
      if (session.state.phase === 'attached') session.notify('media-lost', { reason });
      return;
    }
    this.#sayGoodbye(session, reason, told, options.error);
    await Promise.all([left, this.#endLease(session, lease.epoch)]);
  }

  #outOfRoom(
    { sessionId }: Session,
    participant: LocalParticipant | undefined,
    reason: EndReason,
    { stateKnows = false }: EndSessionOptions,
  ): Promise<void> {
    if (participant !== undefined) return stateKnows ? Promise.resolve() : this.#leave(participant, reason);
    // It never joined the place that it was to take over. Whoever was cut off or replaced may still be on the way there.
    if (reason === 'replaced' || reason === 'connection-lost') return Promise.resolve();
    return this.#vacant.get(sessionId)?.(reason) ?? Promise.resolve();
  }

  #leave({ roomId, self, published }: LocalParticipant, reason: EndReason): Promise<void> {
    const { takeoverMs, chores, rooms } = this.#options;
    const { sessionId, epoch } = self;
    if (reason !== 'replaced' || takeoverMs === 0) return this.leaveRoom(roomId, sessionId, epoch, reason);
    // The newer attachment takes the place over when it joins; nobody has to see it empty until then.
    for (const { producerId } of published.producers) {
      void chores.run(`producer:${producerId}`, () => rooms.closeProducer(roomId, producerId));
    }
    for (const { dataProducerId } of published.dataProducers) {
      void chores.run(`producer:${dataProducerId}`, () => rooms.closeDataProducer(roomId, dataProducerId));
    }
    this.#keepPlace(sessionId, (why) => this.leaveRoom(roomId, sessionId, epoch, why));
    return Promise.resolve();
  }

  /** Nobody waits any longer for attachments that were to take a place over. */
  giveUpPlaces(reason: EndReason): void {
    for (const giveUp of [...this.#vacant.values()]) void giveUp(reason);
  }

  #keepPlace(sessionId: SessionId, leave: (reason: EndReason) => Promise<void>): void {
    const { clock, takeoverMs } = this.#options;
    // Of an attachment before that: the epoch of this one says more.
    void this.#vacant.get(sessionId)?.('replaced');
    const giveUp = (reason: EndReason) => {
      cancel();
      if (this.#vacant.get(sessionId) === giveUp) this.#vacant.delete(sessionId);
      return leave(reason);
    };
    const cancel = clock.after(takeoverMs, () => void giveUp('replaced'));
    this.#vacant.set(sessionId, giveUp);
  }

  /** Takes what this node has of a participant out of the room's state, sooner or later. */
  leaveRoom(roomId: RoomId, sessionId: SessionId, epoch: Epoch, reason: EndReason): Promise<void> {
    const { chores, rooms, nodeId, leftHere } = this.#options;
    return chores.run(
      leaveKey(roomId, sessionId, epoch),
      () => rooms.leave({ roomId, sessionId, epoch, reason, nodeId }),
      { onPutOff: () => leftHere(roomId, sessionId, epoch, reason) },
    );
  }

  /** Is a leave of this participant on its way already? */
  isLeaving(roomId: RoomId, sessionId: SessionId, epoch: Epoch): boolean {
    return this.#options.chores.has(leaveKey(roomId, sessionId, epoch));
  }

  /**
   * Before the same attachment may enter the room again: an earlier leave of it has to be through, or
   * it would take the new participant out.
   * @throws MeridianError `cluster-unavailable` when that takes too long
   */
  async settleLeave(roomId: RoomId, sessionId: SessionId, epoch: Epoch): Promise<void> {
    const settled = await this.#options.chores.settled(leaveKey(roomId, sessionId, epoch), LEAVE_TIMEOUT_MS);
    if (!settled) throw new MeridianError('cluster-unavailable');
  }

  #sayGoodbye(session: Session, reason: EndReason, told: ErrorCode | 'normal', error: MeridianError | undefined): void {
    const { connection, dialogue } = session;
    if (told === 'normal') {
      connection.close(undefined);
    } else {
      const body = error ?? new MeridianError(told);
      session.notify('session-ended', { reason, error: body.toPublicBody() });
      connection.close(body.code);
    }
    dialogue.close();
  }

  #endLease(session: Session, epoch: Epoch): Promise<void> {
    const { chores, leases, nodeId } = this.#options;
    const { sessionId } = session;
    return chores.run(`lease:${sessionId}:${epoch}`, () => leases.end(nodeId, sessionId, epoch));
  }
}

/** Longest wait for an earlier leave of the same attachment. */
const LEAVE_TIMEOUT_MS = 3_000;

const leaveKey = (roomId: RoomId, sessionId: SessionId, epoch: Epoch) => `leave:${roomId}:${sessionId}:${epoch}`;
