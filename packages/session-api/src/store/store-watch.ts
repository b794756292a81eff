import { isMeridianError, MeridianError } from '@meridian/protocol';
import { pause } from '../retry.ts';

/** How often a store that is away is asked whether it is back, milliseconds. */
const ASK_EVERY_MS = 500;
const RETRY_AFTER_MS = 1_000;

export interface StoreWatchOptions {
  /** @throws MeridianError `store-unavailable` */
  readonly ping: () => Promise<void>;
  readonly onChange: (isThere: boolean) => void;
}

/**
 * Knows whether the store answers. The first read that fails finds out the slow way; from then on nobody waits for
 * a time-out until the store is back, for which this asks by itself.
 */
export class StoreWatch {
  readonly #options: StoreWatchOptions;
  readonly #stop = new AbortController();
  #asking: Promise<void> | undefined;

  constructor(options: StoreWatchOptions) {
    this.#options = options;
  }

  get isThere(): boolean {
    return this.#asking === undefined;
  }

  /** @throws MeridianError `store-unavailable` at once while the store is known to be away; what `work` throws */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (!this.isThere) throw new MeridianError('store-unavailable', { retryAfterMs: RETRY_AFTER_MS });
    try {
      return await work();
    } catch (error) {
      if (isMeridianError(error, 'store-unavailable')) this.#isAway();
      throw error;
    }
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#asking;
  }

  #isAway(): void {
    if (this.#asking !== undefined || this.#stop.signal.aborted) return;
    this.#options.onChange(false);
    this.#asking = this.#askUntilBack().finally(() => {
      this.#asking = undefined;
      if (!this.#stop.signal.aborted) this.#options.onChange(true);
    });
  }

  async #askUntilBack(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await pause(ASK_EVERY_MS, signal);
      try {
        if (!signal.aborted) await this.#options.ping();
        return;
      } catch {
        // Away still.
      }
    }
  }
}
