import { type Backoff, backoffMs } from '../backoff.ts';
import type { Cancel, Clock } from '../clock.ts';

interface Setback {
  failures: number;
  /** Ends its rest; undefined once that is over. */
  cancel: Cancel | undefined;
}

export interface SetbacksOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly backoff: Backoff;
  /** The rest of one is over. */
  readonly onDue: () => void;
}

/** Streams that could not be put onto a link although the link is well: each rests for a while that grows, by itself. */
export class Setbacks {
  readonly #options: SetbacksOptions;
  readonly #setbacks = new Map<string, Setback>();

  constructor(options: SetbacksOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#setbacks.size;
  }

  /** It is not to be tried now. */
  rests(key: string): boolean {
    return this.#setbacks.get(key)?.cancel !== undefined;
  }

  /** It failed. Returns how often in a row. */
  add(key: string): number {
    const { clock, random, backoff, onDue } = this.#options;
    const setback = this.#setbacks.get(key) ?? { failures: 0, cancel: undefined };
    this.#setbacks.set(key, setback);
    setback.cancel?.();
    setback.cancel = clock.after(backoffMs(backoff, setback.failures, random()), () => {
      setback.cancel = undefined;
      onDue();
    });
    setback.failures += 1;
    return setback.failures;
  }

  /** It came through. */
  clear(key: string): void {
    this.#setbacks.get(key)?.cancel?.();
    this.#setbacks.delete(key);
  }

  /** Forgets what is not wanted any more. */
  keepOnly(wanted: { has(key: string): boolean }): void {
    for (const key of [...this.#setbacks.keys()]) if (!wanted.has(key)) this.clear(key);
  }
}
