import { MeridianError } from '@meridian/protocol';

export interface AttemptWindowOptions {
  /** Attempts that pass within the window. */
  readonly limit: number;
  /** Length of the window, milliseconds. */
  readonly windowMs: number;
  /** Keys that are remembered at once; the one that was used least recently is forgotten first. */
  readonly maxKeys: number;
  /** Milliseconds, monotonic or not; compared with itself only. */
  readonly now: () => number;
}

/**
 * A sliding window of attempts per key (an account). It lives in this process: with several
 * instances behind a balancer an account gets the limit once per instance. Counted before the work is done,
 * so that attempts made at the same time do not slip through.
 */
export class AttemptWindow {
  readonly #options: AttemptWindowOptions;
  /** Times of the attempts, oldest first; the map is in order of last use. */
  readonly #attempts = new Map<string, number[]>();

  constructor(options: AttemptWindowOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#attempts.size;
  }

  /** Counts an attempt. @throws MeridianError `rate-limited` with the time until the next one passes */
  attempt(key: string): void {
    const { limit, windowMs, maxKeys, now } = this.#options;
    const nowMs = now();
    const recent = (this.#attempts.get(key) ?? []).filter((atMs) => atMs > nowMs - windowMs);
    const [oldest] = recent;
    // Refused attempts do not count, or somebody else's guessing would lock the owner out for good.
    if (recent.length >= limit && oldest !== undefined) {
      throw new MeridianError('rate-limited', { retryAfterMs: Math.max(1, oldest + windowMs - nowMs) });
    }
    this.#attempts.delete(key);
    this.#attempts.set(key, [...recent, nowMs]);
    if (this.#attempts.size > maxKeys) {
      const [leastRecent] = this.#attempts.keys();
      if (leastRecent !== undefined) this.#attempts.delete(leastRecent);
    }
  }

  /** The attempt was the owner's: earlier mistakes are forgotten. */
  succeeded(key: string): void {
    this.#attempts.delete(key);
  }
}
