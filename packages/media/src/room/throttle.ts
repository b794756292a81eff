import type { MediaClock } from '../options.ts';

/** Runs an action at once, or as soon as the interval since its last run is over; calls in between are one. */
export class Throttle {
  readonly #everyMs: number;
  readonly #clock: MediaClock;
  readonly #action: () => void;
  #ranAtMs = Number.NEGATIVE_INFINITY;
  #later: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: { everyMs: number; clock: MediaClock; action: () => void }) {
    this.#everyMs = options.everyMs;
    this.#clock = options.clock;
    this.#action = options.action;
  }

  call(): void {
    if (this.#closed || this.#later !== undefined) return;
    const waitMs = this.#ranAtMs + this.#everyMs - this.#clock.nowMs();
    if (waitMs <= 0) {
      this.#run();
      return;
    }
    this.#later = setTimeout(() => {
      this.#later = undefined;
      this.#run();
    }, Math.ceil(waitMs));
    this.#later.unref();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#later);
    this.#later = undefined;
  }

  #run(): void {
    this.#ranAtMs = this.#clock.nowMs();
    this.#action();
  }
}
