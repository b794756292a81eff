import { ErrorReply, isMeridianError, MeridianError, parseOrThrow, RenewSessionReply } from '@meridian/protocol';
import { type Backoff, backoffMs } from '../backoff.ts';
import { type Clock, pause } from '../clock.ts';
import type { Logger } from '../logger.ts';

export interface TokenRenewalsOptions {
  /** Of the session service, without a slash at the end. */
  readonly serviceUrl: string;
  readonly clock: Clock;
  /** From 0 (included) to 1 (excluded). */
  readonly random: () => number;
  readonly onOutcome: (outcome: 'renewed' | 'refused' | 'failed') => void;
  readonly fetch?: typeof fetch;
  /** Requests that may be under way at once. */
  readonly parallel?: number;
  readonly timeoutMs?: number;
  readonly backoff?: Backoff;
}

export interface Renewable {
  readonly sessionToken: string;
  /** Milliseconds since 1970. */
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  /** The session is over. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly onRenewed: (token: RenewSessionReply) => void;
  /** The service says that the token is worth nothing any more (`token-revoked`). */
  readonly onRevoked: () => void;
}

/** A token is renewed when this share of its life is over, and up to so much more: not all at the same moment. */
const DUE = 0.5;
const SPREAD = 0.1;
/** Whatever the clocks say, no token is renewed sooner after the one before, milliseconds. */
const SOONEST_MS = 1_000;
/**
 * Waits are multiples of it, milliseconds: Node keeps a list for each length of timers that do not hold the process, until the
 * time is over even if the timer was taken back. Sessions that end soon would each leave one behind for half a token's life.
 */
const STEP_MS = 1_000;

/**
 * Asks the session service for newer tokens in the names of the sessions here, long before the old ones expire: a client can
 * resume although it never talks to the service itself. While the service is away it is asked again and again; half
 * of a token's life is time for that.
 */
export class TokenRenewals {
  readonly #options: Required<TokenRenewalsOptions>;
  readonly #queue: (() => void)[] = [];
  #busy = 0;

  constructor(options: TokenRenewalsOptions) {
    this.#options = { fetch, parallel: 8, timeoutMs: 5_000, backoff: { firstMs: 2_000, mostMs: 60_000 }, ...options };
  }

  /** Until the session is over, or its token cannot be renewed any more. Never rejects. */
  async keepFresh(session: Renewable): Promise<void> {
    const { clock, random } = this.#options;
    const { signal, log } = session;
    let { sessionToken, expiresAtMs } = session;
    let startMs = session.issuedAtMs;
    while (!signal.aborted) {
      const dueMs = startMs + (expiresAtMs - startMs) * (DUE + SPREAD * random());
      const waitMs = Math.max(SOONEST_MS, dueMs - clock.wallNow());
      await pause(clock, Math.ceil(waitMs / STEP_MS) * STEP_MS, signal);
      const renewed = await this.#renew(session, sessionToken, expiresAtMs);
      if (renewed === undefined || signal.aborted) return;
      ({ sessionToken, expiresAtMs } = renewed);
      startMs = clock.wallNow();
      log.debug({ expiresAtMs }, 'the session token was renewed');
      session.onRenewed(renewed);
    }
  }

  async #renew(session: Renewable, token: string, expiresAtMs: number): Promise<RenewSessionReply | undefined> {
    const { clock, random, backoff, onOutcome } = this.#options;
    const { signal, log } = session;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        const renewed = await this.#inTurn(() => this.#ask(token, signal));
        onOutcome('renewed');
        return renewed;
      } catch (error) {
        if (signal.aborted) return undefined;
        if (isFinal(error)) {
          onOutcome('refused');
          log.info({ code: error.code }, 'the session token is not renewed');
          if (error.code === 'token-revoked') session.onRevoked();
          return undefined;
        }
        onOutcome('failed');
        if (attempt === 0) log.warn({ err: error }, 'the session token could not be renewed; tried again');
        if (clock.wallNow() >= expiresAtMs) {
          log.warn('the session token expired before it could be renewed');
          return undefined;
        }
        const askedToWaitMs = isMeridianError(error) ? (error.retryAfterMs ?? 0) : 0;
        await pause(clock, Math.max(askedToWaitMs, backoffMs(backoff, attempt, random())), signal);
      }
    }
    return undefined;
  }

  async #ask(token: string, signal: AbortSignal): Promise<RenewSessionReply> {
    const { serviceUrl, timeoutMs } = this.#options;
    signal.throwIfAborted();
    const response = await this.#options.fetch(`${serviceUrl}/v1/sessions/renew`, {
      method: 'POST',
      headers: { accept: 'application/json', authorization: `Bearer ${token}` },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    const body: unknown = await response.json();
    if (response.ok) return parseOrThrow(RenewSessionReply, body, 'internal', 'reply to a renewal');
    throw MeridianError.fromBody(parseOrThrow(ErrorReply, body, 'internal', 'refused renewal').error);
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    while (this.#busy >= this.#options.parallel) await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#busy += 1;
    try {
      return await work();
    } finally {
      this.#busy -= 1;
      this.#queue.shift()?.();
    }
  }
}

/** What no later attempt changes. A lease that is not there may be written yet: that is none of these. */
function isFinal(error: unknown): error is MeridianError {
  return isMeridianError(error) && (error.status === 401 || error.code === 'token-session');
}

/** Where the session service is, by where its keys are. */
export function serviceUrlOf(jwksUrl: string): string {
  const base = jwksUrl.replace(/\/\.well-known\/jwks\.json$/, '');
  return base === jwksUrl ? new URL(jwksUrl).origin : base;
}
