import type { EndReason, Epoch, Participant, SessionId } from '@meridian/protocol';
import type { Cancel, Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { LocalParticipant } from '../rooms/local-participant.ts';

/** How a move ended, as its former node sees it. */
export type HandoverOutcome =
  /** The client said that it is through: its media flows at the other node. */
  | 'left'
  /** It never said so; the other node has it. */
  | 'timed-out'
  /** The other node lost it, and it is back here. */
  | 'returned'
  /** Ended by something else: a lost connection, a kick, the room's end, the node's. */
  | 'ended';

export interface HandoversOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** The longest that a participant's media here goes on beside that of its new node, milliseconds. */
  readonly timeoutMs: number;
  readonly end: (sessionId: SessionId, epoch: Epoch, reason: EndReason) => void;
  readonly onDone: (outcome: HandoverOutcome) => void;
}

/**
 * Participants that are on another node already and have not left this one: both halves of a move carry media until
 * the client leaves here. Keeps the former half for so long, whatever becomes of its connection, and not for ever.
 */
export class Handovers {
  readonly #options: HandoversOptions;
  readonly #open = new Map<LocalParticipant, Cancel>();

  constructor(options: HandoversOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Has this participant moved to another node? */
  has(participant: LocalParticipant): boolean {
    return this.#open.has(participant);
  }

  /** The room's state says that the participant is on another node by now. */
  movedAway(participant: LocalParticipant, to: Participant): void {
    if (this.#open.has(participant)) return;
    const { clock, timeoutMs, log } = this.#options;
    const { sessionId } = participant.self;
    log.info({ sessionId, to: to.nodeId }, 'the participant is on another node now; its media here goes on');
    this.#open.set(
      participant,
      clock.after(timeoutMs, () => this.#timeOut(participant)),
    );
  }

  /** The room's state says that it is here again: the other node has lost it. */
  cameBack(participant: LocalParticipant): void {
    if (!this.#open.has(participant)) return;
    this.#options.log.warn({ sessionId: participant.self.sessionId }, 'the participant is back from another node');
    this.#done(participant, 'returned');
  }

  /** An attachment has ended, whatever for. */
  ended(sessionId: SessionId, epoch: Epoch, reason: EndReason): void {
    for (const participant of this.#open.keys()) {
      const { self } = participant;
      if (self.sessionId !== sessionId || self.epoch !== epoch) continue;
      this.#done(participant, reason === 'moved' || reason === 'left' ? 'left' : 'ended');
    }
  }

  /** Idempotent; ends nobody. */
  close(): void {
    for (const cancel of this.#open.values()) cancel();
    this.#open.clear();
  }

  #timeOut(participant: LocalParticipant): void {
    const { sessionId, epoch } = participant.self;
    this.#done(participant, 'timed-out');
    this.#options.end(sessionId, epoch, 'moved');
  }

  #done(participant: LocalParticipant, outcome: HandoverOutcome): void {
    this.#open.get(participant)?.();
    this.#open.delete(participant);
    this.#options.onDone(outcome);
  }
}
