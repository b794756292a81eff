import { MeridianError, parseOrThrow } from '@meridian/protocol';
import { createLocalJWKSet, errors, type JWTVerifyGetKey, type LocalJWKSet } from 'jose';
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { TokenBucket } from '../token-bucket.ts';

/** After the keys were read, a new one may be published in the next instant. */
const REREADS_AT_ONCE = 3;

/** RFC 7517 and RFC 8037; only public Ed25519 keys are of use here. */
const KeySet = z.object({
  keys: z
    .array(z.object({ kty: z.string(), kid: z.string(), crv: z.string().optional(), x: z.string().optional() }))
    .max(64),
});

export interface SigningKeysOptions {
  readonly url: string;
  readonly clock: Clock;
  readonly fetch?: typeof fetch;
  /** Keys older than this are read again before the next use, milliseconds. */
  readonly maxAgeMs?: number;
  /** A key that is not known makes them read again: a few times at once, on average not more often than this, milliseconds. */
  readonly cooldownMs?: number;
  readonly timeoutMs?: number;
}

/**
 * The session service's public keys: cached, read again when they are old or a token names an unknown
 * one (rotation). Keys that are known go on serving while the service is out of reach.
 */
export class SigningKeys {
  readonly #options: Required<SigningKeysOptions>;
  readonly #rereads: TokenBucket;
  #known: { readonly find: LocalJWKSet; readonly atMs: number } | undefined;
  #lastAttemptMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(options: SigningKeysOptions) {
    this.#options = { fetch, maxAgeMs: 600_000, cooldownMs: 5_000, timeoutMs: 5_000, ...options };
    const { clock, cooldownMs } = this.#options;
    this.#rereads = new TokenBucket({ perSecond: 1_000 / cooldownMs, burst: REREADS_AT_ONCE }, clock.now());
  }

  /** Reads the keys now, so that the first token need not wait. @throws MeridianError `cluster-unavailable` */
  async prefetch(): Promise<void> {
    await this.#read();
  }

  /**
   * For jose's `jwtVerify`.
   * @throws JWKSNoMatchingKey when no key matches; MeridianError `cluster-unavailable` when none could be read yet.
   */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const { clock, maxAgeMs, cooldownMs } = this.#options;
    if (this.#known === undefined) await this.#read();
    else if (clock.now() - this.#known.atMs > maxAgeMs && this.#mayTry(cooldownMs)) await this.#readQuietly();
    try {
      return await this.#select(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !this.#mayReread()) throw error;
      await this.#readQuietly();
      return await this.#select(header, token);
    }
  };

  #select(...[header, token]: Parameters<JWTVerifyGetKey>): ReturnType<LocalJWKSet> {
    if (this.#known === undefined) throw new MeridianError('cluster-unavailable');
    return this.#known.find(header, token);
  }

  /** Garbage with made-up keys must not become a stream of requests; a key that has just been published must be found. */
  #mayReread(): boolean {
    return this.#reading !== undefined || this.#rereads.take(this.#options.clock.now()) === 0;
  }

  #mayTry(cooldownMs: number): boolean {
    return this.#reading !== undefined || this.#options.clock.now() - this.#lastAttemptMs >= cooldownMs;
  }

  async #readQuietly(): Promise<void> {
    await this.#read().catch(() => {});
  }

  #read(): Promise<void> {
    this.#reading ??= this.#fetch().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #fetch(): Promise<void> {
    const { url, clock, timeoutMs } = this.#options;
    this.#lastAttemptMs = clock.now();
    try {
      const response = await this.#options.fetch(url, {
        headers: { accept: 'application/json' },
        signal: AbortSignal.timeout(timeoutMs),
      });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const { keys: all } = parseOrThrow(KeySet, await response.json(), 'internal', 'key set');
      const keys = all.flatMap(({ kty, kid, crv, x }) =>
        kty === 'OKP' && crv === 'Ed25519' && x !== undefined ? [{ kty, kid, crv, x }] : [],
      );
      // The algorithm is pinned by the verifier; a key set that names another one must not widen it.
      this.#known = { find: createLocalJWKSet({ keys }), atMs: clock.now() };
    } catch (cause) {
      throw new MeridianError('cluster-unavailable', {
        message: 'The keys of the session service could not be read; try again shortly.',
        cause,
      });
    }
  }
}
