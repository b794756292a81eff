import type { Context } from './context.ts';
import type { MeasuredRtt } from './probing.ts';
import { type LoadedDevice, loadDevice, type OpenedSession, openSession } from './room/attach.ts';
import { Stopwatch } from './room/timings.ts';

/** A session that waits for its join, with the device loaded for its node. */
export interface Ready {
  readonly opened: OpenedSession;
  readonly loadedDevice: LoadedDevice;
}

/** Nobody's place at a node is kept for longer than this. Milliseconds. */
const WAITS_MS = 120_000;

interface Waiting {
  /** Of the page before; handed on where this session is not used. */
  readonly previousSessionToken: string | undefined;
  readonly ready: Promise<Ready>;
  readonly stop: AbortController;
  readonly cancelExpiry: () => void;
}

/** At most one session that is opened ahead of a join. */
export class StandBy {
  readonly #context: Context;
  #waiting: Waiting | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  /** Opens a session, unless one is waiting (or on its way) already. What goes wrong is left to the join. */
  open(rtts: Promise<readonly MeasuredRtt[]>): void {
    if (this.#waiting !== undefined) return;
    const { handover, runtime } = this.#context;
    const stop = new AbortController();
    const previousSessionToken = handover.take();
    const ready = rtts.then((measured) => this.#open(measured, previousSessionToken, stop.signal));
    const cancelExpiry = runtime.after(WAITS_MS, () => this.close());
    this.#waiting = { previousSessionToken, ready, stop, cancelExpiry };
    ready.catch(() => {
      if (this.#waiting?.stop === stop) this.close();
    });
  }

  /** Hands the waiting session over, if it is of use to this user; the caller closes it from now on. */
  async take(userToken: string): Promise<Ready | undefined> {
    const waiting = this.#waiting;
    if (waiting === undefined) return undefined;
    try {
      const ready = await waiting.ready;
      // Closed, expired or taken while we waited.
      if (this.#waiting !== waiting) return undefined;
      if (!ready.opened.connection.isOpen || ready.opened.userToken !== userToken) {
        this.close();
        return undefined;
      }
      this.#waiting = undefined;
      waiting.cancelExpiry();
      return ready;
    } catch {
      return undefined;
    }
  }

  /** Idempotent. */
  close(): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return;
    waiting.cancelExpiry();
    waiting.stop.abort();
    if (waiting.previousSessionToken !== undefined) this.#context.handover.put(waiting.previousSessionToken);
    waiting.ready.then(
      ({ opened }) => opened.connection.close(),
      () => {},
    );
  }

  async #open(
    rtts: readonly MeasuredRtt[],
    previousSessionToken: string | undefined,
    signal: AbortSignal,
  ): Promise<Ready> {
    const context = this.#context;
    const opened = await openSession({
      context,
      rtts,
      signal,
      region: context.region,
      avoid: [],
      previousSessionToken,
      watch: new Stopwatch(context.runtime.now),
      onNode: () => {},
    });
    try {
      return { opened, loadedDevice: await loadDevice(context, opened.connection.welcome) };
    } catch (error) {
      opened.connection.close();
      throw error;
    }
  }
}
