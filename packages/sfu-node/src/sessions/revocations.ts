import type { Revocation, Revocations } from '@meridian/cluster';
import type { SessionTokenClaims, UserId } from '@meridian/protocol';
import type { Cancel, Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';

export interface RevokedTokensOptions {
  readonly marks: Revocations;
  readonly clock: Clock;
  readonly log: Logger;
  /** A user's tokens older than `ver` are worth nothing any more: their sessions here end. Returns how many did. */
  readonly endOlder: (userId: UserId, ver: number) => number;
  /** From one look at the marks to the next, milliseconds. */
  readonly everyMs?: number;
  /** Users that are remembered; the marks in Redis are forgotten by themselves. */
  readonly mostUsers?: number;
}

/** Marks of the same moment may become readable one after the other (a failover): so much is read again, milliseconds. */
const OVERLAP_MS = 5_000;

/**
 * Who was logged out everywhere. The session service tells every live node; whoever was not to be reached reads the marks:
 * at the start, after the subscription stood still, when the node stands in the registry again, and from time to
 * time. An attachment asks here before it is welcomed: a token that was good when it was checked may be none by then.
 */
export class RevokedTokens {
  readonly #options: RevokedTokensOptions;
  readonly #oldestGood = new Map<UserId, number>();
  readonly #stop: Cancel;
  #readUntilMs = 0;
  #reading: Promise<void> | undefined;
  #readAllAgain = false;
  #closed = false;

  constructor(options: RevokedTokensOptions) {
    this.#options = options;
    this.#stop = options.clock.every(options.everyMs ?? 5_000, () => void this.read());
  }

  /** Users that are remembered. */
  get size(): number {
    return this.#oldestGood.size;
  }

  /** Ends what older tokens opened here and refuses them from now on. Returns how many sessions ended. */
  revoke({ userId, ver }: Revocation): number {
    const known = this.#oldestGood.get(userId) ?? 0;
    // The one that was named least recently goes first.
    this.#oldestGood.delete(userId);
    this.#oldestGood.set(userId, Math.max(known, ver));
    const { mostUsers = 100_000 } = this.#options;
    if (this.#oldestGood.size > mostUsers) {
      const [first] = this.#oldestGood.keys();
      if (first !== undefined) this.#oldestGood.delete(first);
    }
    return this.#options.endOlder(userId, ver);
  }

  /** Guests' tokens have no version: they end by time alone. */
  isRevoked({ sub, ver }: Pick<SessionTokenClaims, 'sub' | 'ver'>): boolean {
    return ver !== undefined && ver < (this.#oldestGood.get(sub) ?? 0);
  }

  /**
   * Reads the marks: the new ones, or all where what was heard so far cannot be relied on. Never rejects: what could not
   * be read is read next time.
   */
  read(which: 'new' | 'all' = 'new'): Promise<void> {
    if (which === 'all') {
      this.#readUntilMs = 0;
      this.#readAllAgain = this.#reading !== undefined;
    }
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  close(): void {
    this.#closed = true;
    this.#stop();
  }

  async #readAll(): Promise<void> {
    const { marks, log } = this.#options;
    do {
      this.#readAllAgain = false;
      const fromMs = Math.max(0, this.#readUntilMs - OVERLAP_MS);
      try {
        const { revocations, lastMs } = await marks.since(fromMs);
        if (this.#closed) return;
        let ended = 0;
        for (const revocation of revocations) ended += this.revoke(revocation);
        // Asked for all of them meanwhile: then the beginning is not left behind yet.
        if (!this.#readAllAgain) this.#readUntilMs = lastMs;
        if (ended > 0) log.info({ ended }, 'sessions of users who logged out everywhere ended late');
      } catch (error) {
        log.debug({ err: error }, 'the revoked tokens could not be read');
        return;
      }
    } while (this.#readAllAgain && !this.#closed);
  }
}
