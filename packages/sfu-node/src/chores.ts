import { isMeridianError } from '@meridian/protocol';
import { type Backoff, backoffMs } from './backoff.ts';
import { type Clock, pause } from './clock.ts';
import type { Logger } from './logger.ts';

export interface ChoresOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  readonly backoff?: Backoff;
}

const USUAL: Backoff = { firstMs: 200, mostMs: 5_000 };

export interface ChoreOptions {
  /** Called once if the work is put off because Redis is away. */
  readonly onPutOff?: () => void;
  /** Called when it is done. */
  readonly onDone?: () => void;
}

interface Chore {
  readonly key: string;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/**
 * Changes of the cluster's state that have to happen sooner or later because what they report has
 * happened already: a participant left, a producer closed. Each is tried until it succeeds; a newer
 * chore of the same key takes an unfinished older one's place.
 */
export class Chores {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #random: () => number;
  readonly #backoff: Backoff;
  readonly #open = new Map<string, Chore>();
  #wake = new AbortController();
  #closed = false;

  constructor(options: ChoresOptions) {
    this.#clock = options.clock;
    this.#log = options.log;
    this.#random = options.random;
    this.#backoff = options.backoff ?? USUAL;
  }

  /** Chores that are not done yet. */
  get size(): number {
    return this.#open.size;
  }

  /** Is a chore of this key open? */
  has(key: string): boolean {
    return this.#open.has(key);
  }

  /** Waits until no chore of this key is open, `withinMs` at most. Returns whether that is so. */
  async settled(key: string, withinMs: number): Promise<boolean> {
    const chore = this.#open.get(key);
    if (chore === undefined) return true;
    const late = new AbortController();
    await Promise.race([chore.done, pause(this.#clock, withinMs, late.signal)]);
    late.abort();
    return !this.#open.has(key);
  }

  /** Resolves once it is done or given up (superseded, or the node has closed); never rejects. */
  run(key: string, work: () => Promise<unknown>, options: ChoreOptions = {}): Promise<void> {
    const older = this.#open.get(key);
    older?.stop.abort();
    const stop = new AbortController();
    // An older attempt under way is awaited first: two writes of one key never overtake each other.
    const done = (older?.done ?? Promise.resolve()).then(() => this.#try(key, work, stop.signal, options));
    const chore: Chore = { key, stop, done };
    this.#open.set(key, chore);
    void done.then(() => {
      if (this.#open.get(key) === chore) this.#open.delete(key);
    });
    return done;
  }

  /** What kept them from being done is over, perhaps: nobody waits for its next turn. */
  retryNow(): void {
    this.#wake.abort();
    this.#wake = new AbortController();
  }

  /** Waits for what is open, `withinMs` at most, then gives the rest up. Returns how many were given up. */
  async close(withinMs: number): Promise<number> {
    const all = Promise.all([...this.#open.values()].map((chore) => chore.done));
    const late = new AbortController();
    await Promise.race([all, pause(this.#clock, withinMs, late.signal)]);
    late.abort();
    this.#closed = true;
    const left = this.#open.size;
    for (const chore of this.#open.values()) chore.stop.abort();
    await all;
    return left;
  }

  async #try(
    key: string,
    work: () => Promise<unknown>,
    signal: AbortSignal,
    { onPutOff, onDone }: ChoreOptions,
  ): Promise<void> {
    for (let attempt = 0; !signal.aborted && !this.#closed; attempt++) {
      try {
        await work();
        onDone?.();
        return;
      } catch (error) {
        const transient = isMeridianError(error, 'cluster-unavailable') || isMeridianError(error, 'deadline-exceeded');
        if (!transient || attempt === 0) this.#log.warn({ err: error, chore: key, attempt }, 'a chore failed');
        if (!transient && attempt >= 5) return;
        if (transient && attempt === 0 && !signal.aborted) onPutOff?.();
      }
      const waitMs = backoffMs(this.#backoff, attempt, this.#random());
      await pause(this.#clock, waitMs, AbortSignal.any([signal, this.#wake.signal]));
    }
  }
}
