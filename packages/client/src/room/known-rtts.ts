import type { Context } from '../context.ts';
import { FRESH_FOR_MS, measuredRtts } from '../prepare.ts';
import type { MeasuredRtt } from '../probing.ts';
import { Stopwatch } from './timings.ts';

/** A way back is not held up by measuring for longer than this. Milliseconds. */
const WAIT_MS = {
  /** The old ones are most likely true still. */
  stale: 200,
  /** Of a network that is not ours any more. */
  foreign: 700,
} as const;

/** Round trip times to the nodes for the next choice of one: measured anew when they are old. */
export class KnownRtts {
  readonly #context: Context;
  #rtts: readonly MeasuredRtt[];
  #measuredAtMs: number;
  #measuring: Promise<void> | undefined;

  constructor(context: Context, rtts: readonly MeasuredRtt[]) {
    this.#context = context;
    this.#rtts = rtts;
    this.#measuredAtMs = context.runtime.now();
  }

  /** The network is another one. */
  forget(): void {
    this.#measuredAtMs = Number.NEGATIVE_INFINITY;
  }

  /** Begins to measure, if that is due: they may be needed soon. */
  refresh(): void {
    const { runtime } = this.#context;
    if (this.#measuring !== undefined || runtime.now() - this.#measuredAtMs < FRESH_FOR_MS) return;
    this.#measuring = measuredRtts(this.#context, undefined, undefined, new Stopwatch(runtime.now))
      .then((rtts) => {
        // Nothing measured: the old ones are better than none.
        if (rtts.length === 0) return;
        this.#rtts = rtts;
        this.#measuredAtMs = runtime.now();
      })
      .finally(() => {
        this.#measuring = undefined;
      });
  }

  /** The newest ones there are; waits a moment for better ones. */
  async get(): Promise<readonly MeasuredRtt[]> {
    this.refresh();
    if (this.#measuring !== undefined) {
      let cancel = () => {};
      const patience = new Promise<void>((resolve) => {
        const waitMs = Number.isFinite(this.#measuredAtMs) ? WAIT_MS.stale : WAIT_MS.foreign;
        cancel = this.#context.runtime.after(waitMs, resolve);
      });
      await Promise.race([this.#measuring, patience]);
      cancel();
    }
    return this.#rtts;
  }
}
