import type { Cancel, Clock } from '../clock.ts';

interface Timer {
  atMs: number;
  readonly everyMs: number | undefined;
  readonly order: number;
  readonly run: () => void;
}

/** Time that stands still until it is moved on. Of a process that was killed it never moves again. */
export class ManualClock implements Clock {
  readonly #wallOffsetMs: number;
  readonly #timers = new Set<Timer>();
  #nowMs = 1_000_000;
  #order = 0;
  #dead = false;

  /** @param options.startMs what `wallNow` says at first, milliseconds since 1970 */
  constructor(options: { startMs: number }) {
    this.#wallOffsetMs = options.startMs - this.#nowMs;
  }

  now(): number {
    return this.#nowMs;
  }

  wallNow(): number {
    return Math.floor(this.#wallOffsetMs + this.#nowMs);
  }

  after(ms: number, run: () => void): Cancel {
    return this.#add(ms, undefined, run);
  }

  every(ms: number, run: () => void): Cancel {
    return this.#add(ms, ms, run);
  }

  /** In the machine's own next turn: no time has to pass for it. */
  soon(run: () => void): Cancel {
    const immediate = setImmediate(() => {
      if (!this.#dead) run();
    });
    return () => clearImmediate(immediate);
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves on, running what falls due in its order. What only a promise brings about runs after the call. */
  advance(ms: number): void {
    const until = this.#nowMs + ms;
    for (;;) {
      let next: Timer | undefined;
      for (const timer of this.#timers) {
        if (timer.atMs > until) continue;
        if (next === undefined || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order)) {
          next = timer;
        }
      }
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      if (next.everyMs === undefined) this.#timers.delete(next);
      else next.atMs += next.everyMs;
      next.run();
    }
    this.#nowMs = until;
  }

  /** Nothing runs any more. */
  die(): void {
    this.#dead = true;
    this.#timers.clear();
  }

  #add(ms: number, everyMs: number | undefined, run: () => void): Cancel {
    if (this.#dead) return () => {};
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, ms), everyMs, order: this.#order++, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
}
