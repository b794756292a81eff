import type { Cancel, Clock } from '@meridian/sfu-node';

interface Timer {
  atMs: number;
  readonly everyMs: number | undefined;
  readonly order: number;
  readonly run: () => void;
}

/** Time that stands still until a test lets it pass. */
export class FakeClock implements Clock {
  #nowMs = 1_000_000;
  #order = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#nowMs;
  }

  wallNow(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(ms: number, run: () => void): Cancel {
    return this.#add({ atMs: this.#nowMs + ms, everyMs: undefined, order: this.#order++, run });
  }

  every(ms: number, run: () => void): Cancel {
    return this.#add({ atMs: this.#nowMs + ms, everyMs: ms, order: this.#order++, run });
  }

  soon(run: () => void): Cancel {
    return this.after(0, run);
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets time pass; between two timers everything that hangs on promises runs. */
  async pass(ms: number): Promise<void> {
    const until = this.#nowMs + ms;
    await settle();
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.atMs <= until);
      const next = due.sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (next === undefined) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      if (next.everyMs === undefined) this.#timers.delete(next);
      else next.atMs += next.everyMs;
      next.run();
      await settle();
    }
    this.#nowMs = until;
    await settle();
  }

  /** The process is not run for so long: what is due meanwhile comes late. */
  standStill(ms: number): void {
    this.#nowMs += ms;
  }

  #add(timer: Timer): Cancel {
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
}

/** Everything that waits on settled promises has run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
