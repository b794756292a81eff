export interface BucketOptions {
  readonly perSecond: number;
  readonly burst: number;
}

/** Sums of fractions come out a little short of what they should be. */
const ROUNDING = 1e-9;

/** A token bucket over a clock that is passed in. Starts full. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #atMs: number;

  constructor(options: BucketOptions, nowMs: number) {
    this.#perMs = options.perSecond / 1_000;
    this.#burst = options.burst;
    this.#tokens = options.burst;
    this.#atMs = nowMs;
  }

  /** Takes one token. Returns 0, or the milliseconds after which the next one is there. */
  take(nowMs: number): number {
    const passed = Math.max(0, nowMs - this.#atMs);
    this.#atMs = Math.max(nowMs, this.#atMs);
    this.#tokens = Math.min(this.#burst, this.#tokens + passed * this.#perMs);
    if (this.#tokens >= 1 - ROUNDING) {
      this.#tokens = Math.max(0, this.#tokens - 1);
      return 0;
    }
    return Math.max(1, Math.ceil((1 - ROUNDING - this.#tokens) / this.#perMs));
  }
}
