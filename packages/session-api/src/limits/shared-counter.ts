import type { SharedLimits } from '@meridian/cluster';
import { MeridianError } from '@meridian/protocol';

export interface SharedCounterOptions {
  /** Of the limit, for the counter that all instances share. */
  readonly name: string;
  /** Passes within the window. */
  readonly limit: number;
  readonly windowMs: number;
  readonly shared: Pick<SharedLimits, 'count'>;
  /** May the shared counter be asked? */
  readonly isShared: () => boolean;
  /** Milliseconds; compared with itself only. */
  readonly now: () => number;
  /** Those that are remembered at once; the one that was seen least recently is forgotten first. */
  readonly mostKeys: number;
  readonly onUnshared: (cause: unknown) => void;
}

interface Entry {
  own: number;
  /** What the other instances had reported when this one last did. */
  others: number;
  reported: number;
  endsAtMs: number;
}

/** Limits below this are counted exactly over all instances: each request is reported and waited for. */
const EXACT_BELOW = 40;

/**
 * Counts per key (an address, a user) within a window, over all instances of the service. Each instance counts for
 * itself and reports in batches of a twentieth of the limit, and not before a tenth of it is used: who stays far below
 * the limit costs Redis nothing, and n instances let at most n * 15 % more pass. While Redis is away each counts alone.
 */
export class SharedCounter {
  readonly #options: SharedCounterOptions;
  readonly #free: number;
  readonly #batch: number;
  readonly #entries = new Map<string, Entry>();

  constructor(options: SharedCounterOptions) {
    this.#options = options;
    const exact = options.limit < EXACT_BELOW;
    this.#free = exact ? 0 : Math.floor(options.limit / 10);
    this.#batch = exact ? 1 : Math.floor(options.limit / 20);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Counts one. Returns how many that are, and when the window ends. */
  async hit(key: string): Promise<{ current: number; ttlMs: number }> {
    const entry = this.#entry(key);
    entry.own += 1;
    if (entry.own > this.#free && entry.own - entry.reported >= this.#batch && this.#options.isShared()) {
      const report = this.#report(key, entry);
      if (this.#batch === 1) await report;
    }
    return { current: entry.own + entry.others, ttlMs: Math.max(1, entry.endsAtMs - this.#options.now()) };
  }

  /** @throws MeridianError `rate-limited` with the time until the window ends */
  async take(key: string): Promise<void> {
    const { current, ttlMs } = await this.hit(key);
    if (current > this.#options.limit) throw new MeridianError('rate-limited', { retryAfterMs: Math.ceil(ttlMs) });
  }

  #entry(key: string): Entry {
    const { now, windowMs, mostKeys } = this.#options;
    const known = this.#entries.get(key);
    const entry =
      known !== undefined && known.endsAtMs > now()
        ? known
        : { own: 0, others: 0, reported: 0, endsAtMs: now() + windowMs };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size > mostKeys) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    return entry;
  }

  async #report(key: string, entry: Entry): Promise<void> {
    const { name, windowMs, shared, now, onUnshared } = this.#options;
    const amount = entry.own - entry.reported;
    entry.reported += amount;
    const { reported } = entry;
    try {
      const { count, resetMs } = await shared.count(name, key, amount, windowMs);
      entry.others = Math.max(0, count - reported);
      entry.endsAtMs = now() + resetMs;
    } catch (cause) {
      entry.reported -= amount;
      onUnshared(cause);
    }
  }
}
