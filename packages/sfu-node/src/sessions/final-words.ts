import { assertNever, type EndReason, type Epoch, type ErrorCode, type SessionId } from '@meridian/protocol';

interface FinalWord {
  readonly epoch: Epoch;
  readonly code: ErrorCode;
  readonly atMs: number;
}

export interface FinalWordsOptions {
  /** How long they are remembered, milliseconds. */
  readonly keepMs: number;
  /** Sessions that are remembered. */
  readonly most?: number;
}

/**
 * Sessions that ended for good while their client may not have been listening. Who comes back to resume one is told so;
 * without this a tab that was replaced, or a person who was sent out, would walk in again by itself.
 */
export class FinalWords {
  readonly #options: Required<FinalWordsOptions>;
  readonly #bySession = new Map<SessionId, FinalWord>();

  constructor(options: FinalWordsOptions) {
    this.#options = { most: 10_000, ...options };
  }

  get size(): number {
    return this.#bySession.size;
  }

  note(sessionId: SessionId, epoch: Epoch, reason: EndReason, nowMs: number): void {
    const code = finalWordOn(reason);
    if (code === undefined) return;
    // The one that ended longest ago stays the first.
    this.#bySession.delete(sessionId);
    this.#bySession.set(sessionId, { epoch, code, atMs: nowMs });
    for (const [oldest, { atMs }] of this.#bySession) {
      if (this.#bySession.size <= this.#options.most && nowMs - atMs <= this.#options.keepMs) break;
      this.#bySession.delete(oldest);
    }
  }

  /** Why the attachment of that epoch is over for good; undefined where it is not. */
  on(sessionId: SessionId, epoch: Epoch, nowMs: number): ErrorCode | undefined {
    const word = this.#bySession.get(sessionId);
    if (word === undefined || nowMs - word.atMs > this.#options.keepMs) return undefined;
    return epoch <= word.epoch ? word.code : undefined;
  }
}

/** What a client is told that comes back after this; undefined where it may come in again. */
function finalWordOn(reason: EndReason): ErrorCode | undefined {
  switch (reason) {
    case 'replaced':
    case 'moved':
      return 'session-replaced';
    case 'kicked':
      return 'session-kicked';
    case 'room-ended':
      return 'room-ended';
    case 'token-revoked':
      return 'token-revoked';
    case 'left':
    case 'connection-lost':
    case 'transport-failed':
    case 'worker-died':
    case 'node-shutdown':
    case 'node-lost':
    case 'protocol-error':
    case 'slow-reader':
      return undefined;
    default:
      return assertNever(reason);
  }
}
