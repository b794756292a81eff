import { MeridianError, type SessionId } from '@meridian/protocol';
import type { Cancel, Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { Session } from '../sessions/session.ts';

/** Measurements in a row over the limit that end a session: a burst (a key frame, a new estimate) is none of its fault. */
const PATIENCE = 3;
/** What a sender that obeys the bandwidth estimation may overshoot by. */
const SLACK = 1.25;

export interface BitrateGuardOptions {
  /** Bit/s that one participant may send; 0 for any rate. */
  readonly limit: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly sessions: { readonly all: readonly Session[] };
  readonly onExceeded: (session: Session, error: MeridianError) => void;
  readonly everyMs?: number;
}

/**
 * The send transport tells browsers to stay below the limit (REMB, transport-wide feedback), and they do. Who does not
 * obey is measured here, and ended after three measurements in a row that are a quarter over it.
 */
export class BitrateGuard {
  readonly #options: BitrateGuardOptions;
  readonly #strikes = new Map<SessionId, number>();
  readonly #stop: Cancel | undefined;
  #measuring: Promise<void> | undefined;

  constructor(options: BitrateGuardOptions) {
    this.#options = options;
    const { limit, clock, everyMs = 5_000 } = options;
    if (limit > 0) this.#stop = clock.every(everyMs, () => void this.measure());
  }

  /** One measurement of everybody who publishes; a call during one gets that one. Never rejects. */
  measure(): Promise<void> {
    this.#measuring ??= this.#measureAll().finally(() => {
      this.#measuring = undefined;
    });
    return this.#measuring;
  }

  close(): void {
    this.#stop?.();
  }

  async #measureAll(): Promise<void> {
    const { sessions } = this.#options;
    const { all } = sessions;
    const here = new Set(all.map(({ sessionId }) => sessionId));
    for (const sessionId of this.#strikes.keys()) if (!here.has(sessionId)) this.#strikes.delete(sessionId);
    await Promise.all(all.map((session) => this.#measure(session)));
  }

  async #measure(session: Session): Promise<void> {
    const { limit, log, onExceeded } = this.#options;
    const { sessionId, inRoom } = session;
    if (inRoom === undefined) return;
    const bitrate = await inRoom.media.incomingBitrate().catch(() => undefined);
    if (bitrate === undefined || session.inRoom !== inRoom) return;
    if (bitrate <= limit * SLACK) {
      this.#strikes.delete(sessionId);
      return;
    }
    const strikes = (this.#strikes.get(sessionId) ?? 0) + 1;
    this.#strikes.set(sessionId, strikes);
    log.warn({ sessionId, bitrate: Math.round(bitrate), limit, strikes }, 'a participant sends more than is allowed');
    if (strikes < PATIENCE) return;
    this.#strikes.delete(sessionId);
    onExceeded(session, new MeridianError('bitrate-exceeded', { details: { bitrate: Math.round(bitrate), limit } }));
  }
}
