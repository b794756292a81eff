import {
  type ErrorCode,
  MeridianError,
  type SessionId,
  type SessionTokenClaims,
  type UserId,
} from '@meridian/protocol';
import type { Cancel, Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import { TokenBucket } from '../token-bucket.ts';
import { subscriberOf } from './address.ts';

export interface GateLimits {
  /** WebSockets of one address; 0 for any number. */
  readonly connectionsPerAddress: number;
  /** WebSockets that one address may open per minute, as many at once; 0 for any number. */
  readonly attemptsPerMinute: number;
  /** Of the open ones, such as have not attached a session yet. */
  readonly unattachedPerAddress: number;
  /** WebSockets on the whole node that have not attached a session yet. */
  readonly unattached: number;
  /** How long an attachment may take, milliseconds. */
  readonly attachTimeoutMs: number;
  /** Sessions of one user on this node; 0 for any number. */
  readonly sessionsPerUser: number;
  /** Sessions beyond which nobody new is taken, whoever was placed here. */
  readonly sessions: number;
  /** Refuses a session that comes from another address than before, instead of only saying so. */
  readonly pinAddress: boolean;
}

export interface GateMetrics {
  gateRefused(code: ErrorCode): void;
  addressChanged(outcome: 'noticed' | 'refused'): void;
}

export interface GateOptions {
  readonly limits: GateLimits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: GateMetrics;
  /** Sessions that are on the node now. */
  readonly sessions: {
    readonly size: number;
    has(sessionId: SessionId): boolean;
    countOf(userId: UserId): number;
  };
  /** Sessions whose last address, and addresses whose last attempts, are remembered. */
  readonly mostAddresses?: number;
}

/** One WebSocket on its way from the upgrade to its end. */
export interface Visit {
  /**
   * Its token is good: may this session be here, and from there?
   * @throws MeridianError `node-full`, `too-many-sessions`, `token-address`
   */
  verified(claims: Pick<SessionTokenClaims, 'sid' | 'sub'>): void;
  attached(): void;
  /** Idempotent. */
  left(): void;
}

const MOST_ADDRESSES = 50_000;

/** Puts an entry last, and forgets the first one when there are too many. */
function remember<K, V>(entries: Map<K, V>, key: K, value: V, most: number): void {
  entries.delete(key);
  entries.set(key, value);
  if (entries.size <= most) return;
  const [oldest] = entries.keys();
  if (oldest !== undefined) entries.delete(oldest);
}

interface Counts {
  open: number;
  unattached: number;
}

/** Counts who is at the door: WebSockets by address, those that do not get on, and where sessions come from. */
export class Gate {
  readonly #options: GateOptions;
  readonly #byAddress = new Map<string, Counts>();
  readonly #lastAddress = new Map<SessionId, string>();
  /** In order of their last attempt. */
  readonly #attempts = new Map<string, TokenBucket>();
  #unattached = 0;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** WebSockets without a session. */
  get unattached(): number {
    return this.#unattached;
  }

  /** Addresses with open WebSockets. */
  get addresses(): number {
    return this.#byAddress.size;
  }

  /**
   * A WebSocket has come. `onLate` is called when it has not attached in time.
   * @throws MeridianError `too-many-connections`, `rate-limited`
   */
  enter(address: string, onLate: (error: MeridianError) => void): Visit {
    const { limits, clock } = this.#options;
    const subscriber = subscriberOf(address);
    const retryAfterMs = this.#attempt(subscriber);
    if (retryAfterMs > 0) throw this.#refusal('rate-limited', { retryAfterMs });
    const counts = this.#byAddress.get(subscriber) ?? { open: 0, unattached: 0 };
    const tooMany =
      this.#unattached >= limits.unattached ||
      counts.unattached >= limits.unattachedPerAddress ||
      (limits.connectionsPerAddress > 0 && counts.open >= limits.connectionsPerAddress);
    if (tooMany) throw this.#refusal('too-many-connections', { retryAfterMs: limits.attachTimeoutMs });
    this.#byAddress.set(subscriber, counts);
    counts.open += 1;
    counts.unattached += 1;
    this.#unattached += 1;
    const cancel = clock.after(limits.attachTimeoutMs, () => onLate(this.#refusal('deadline-exceeded')));
    return this.#visit(address, subscriber, counts, cancel);
  }

  /** Returns 0, or after how many milliseconds the next attempt of that address passes. */
  #attempt(subscriber: string): number {
    const { limits, clock, mostAddresses = MOST_ADDRESSES } = this.#options;
    const { attemptsPerMinute } = limits;
    if (attemptsPerMinute === 0) return 0;
    const bucket =
      this.#attempts.get(subscriber) ??
      new TokenBucket({ perSecond: attemptsPerMinute / 60, burst: attemptsPerMinute }, clock.now());
    remember(this.#attempts, subscriber, bucket, mostAddresses);
    return bucket.take(clock.now());
  }

  #visit(address: string, subscriber: string, counts: Counts, cancel: Cancel): Visit {
    let waiting = true;
    let here = true;
    const settle = () => {
      if (!waiting) return;
      waiting = false;
      cancel();
      counts.unattached -= 1;
      this.#unattached -= 1;
    };
    return {
      verified: (claims) => this.#check(claims, address, subscriber),
      attached: settle,
      left: () => {
        settle();
        if (!here) return;
        here = false;
        counts.open -= 1;
        if (counts.open === 0) this.#byAddress.delete(subscriber);
      },
    };
  }

  #check({ sid, sub }: Pick<SessionTokenClaims, 'sid' | 'sub'>, address: string, subscriber: string): void {
    const { limits, sessions } = this.#options;
    this.#noteAddress(sid, sub, address, subscriber);
    // Who takes a session over that is here already takes no more room.
    if (sessions.has(sid)) return;
    if (sessions.size >= limits.sessions) throw this.#refusal('node-full', { retryAfterMs: 1_000 });
    if (limits.sessionsPerUser > 0 && sessions.countOf(sub) >= limits.sessionsPerUser) {
      throw this.#refusal('too-many-sessions');
    }
  }

  /** A session token works on one node only, so this node sees every use of it. */
  #noteAddress(sessionId: SessionId, userId: UserId, address: string, subscriber: string): void {
    const { limits, log, metrics, mostAddresses = MOST_ADDRESSES } = this.#options;
    const before = this.#lastAddress.get(sessionId);
    if (before !== undefined && before !== subscriber) {
      const outcome = limits.pinAddress ? 'refused' : 'noticed';
      metrics.addressChanged(outcome);
      log.warn(
        { sessionId, userId, address, before, outcome },
        'a session token is used from another address than before',
      );
      if (limits.pinAddress) throw this.#refusal('token-address');
    }
    remember(this.#lastAddress, sessionId, subscriber, mostAddresses);
  }

  #refusal(code: ErrorCode, options: { retryAfterMs?: number } = {}): MeridianError {
    this.#options.metrics.gateRefused(code);
    return new MeridianError(code, options);
  }
}
