import type { FlowProbe } from '../media/receiver.ts';
import { pause, type Runtime } from '../runtime.ts';

/**
 * Without anything new for so long a track stands still. Shorter than that every track does: a camera sends a picture every 33 to 67
 * ms, what the browser tells is up to 50 ms old, and taking on another track holds it up. Milliseconds.
 */
const STILL_FOR_MS = 250;

/** Looks at a track when it is made, and tells later whether anything has come in over it since. */
export class Stillness {
  readonly #flow: FlowProbe;
  readonly #before: Promise<number>;
  readonly #stop = new AbortController();
  readonly #longEnough: Promise<void>;

  constructor(flow: FlowProbe, runtime: Pick<Runtime, 'after'>) {
    this.#flow = flow;
    this.#before = flow.count().catch(() => 0);
    this.#longEnough = pause(runtime, STILL_FOR_MS, this.#stop.signal);
    this.#longEnough.catch(() => {});
  }

  /** At once where nothing can come in over it any more. Never throws; false once it was cancelled. */
  async isStill(): Promise<boolean> {
    const before = await this.#before;
    const isMoving = async () => (await this.#flow.count()) !== before;
    try {
      if (await isMoving()) return false;
    } catch {
      return !this.#stop.signal.aborted;
    }
    try {
      await this.#longEnough;
    } catch {
      return false;
    }
    return !(await isMoving().catch(() => false));
  }

  cancel(): void {
    this.#stop.abort();
  }
}
