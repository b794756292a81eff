import { MeridianError, type RoomId } from '@meridian/protocol';
import { createWorker, type types } from 'mediasoup';
import { Emitter } from '../emitter.ts';
import { closedError, mediaFailure } from '../failures.ts';
import type { MediaSettings } from '../options.ts';
import { type PoolWorker, Slot } from './slot.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
const RESTART_FIRST_MS = 100;
const RESTART_MOST_MS = 5_000;
const END_WITHIN_MS = 2_000;

/**
 * mediasoup closes a worker by itself on SIGINT and SIGTERM. When media ends is for the engine's owner
 * to say (a node that drains still forwards), so the handlers added while `start` runs are taken off.
 */
function withoutSignalHandlers<T>(start: () => T): T {
  const before = SIGNALS.map((signal) => new Set<unknown>(process.listeners(signal)));
  const result = start();
  SIGNALS.forEach((signal, i) => {
    for (const listener of process.listeners(signal)) {
      if (!before[i]?.has(listener)) process.removeListener(signal, listener);
    }
  });
  return result;
}

/** The node's workers. One that dies is replaced; its routers are gone. */
export class WorkerPool {
  readonly events: Emitter<{ died: [{ worker: number; rooms: RoomId[] }] }>;
  readonly #settings: MediaSettings;
  readonly #slots: (Slot | undefined)[] = [];
  readonly #restarts = new Set<NodeJS.Timeout>();
  readonly #starting = new Set<Promise<void>>();
  #measuring: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(settings: MediaSettings) {
    this.#settings = settings;
    this.events = new Emitter((error) => settings.logger.error({ err: error }, 'a listener of the worker pool failed'));
  }

  /** @throws MeridianError `media-unavailable` when a worker does not start or its port is taken. */
  static async start(settings: MediaSettings): Promise<WorkerPool> {
    const pool = new WorkerPool(settings);
    const outcomes = await Promise.allSettled(Array.from({ length: settings.workers }, (_, i) => pool.#startSlot(i)));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) {
      await pool.close();
      throw mediaFailure(failed.reason, 'a media worker could not be started', { rejected: 'media-unavailable' });
    }
    pool.#measuring = setInterval(() => pool.#measure(), settings.measureEveryMs);
    pool.#measuring.unref();
    return pool;
  }

  get workers(): readonly PoolWorker[] {
    return this.#live();
  }

  /**
   * The least loaded worker, without those in `except`.
   * @throws MeridianError `media-unavailable` when no worker is up.
   */
  pick(except: ReadonlySet<PoolWorker> = new Set()): PoolWorker {
    const best = this.pickOther(except);
    if (best === undefined) throw new MeridianError('media-unavailable', { retryAfterMs: RESTART_FIRST_MS });
    return best;
  }

  pickOther(except: ReadonlySet<PoolWorker>): PoolWorker | undefined {
    let best: Slot | undefined;
    for (const slot of this.#live()) {
      if (!except.has(slot) && (best === undefined || slot.load < best.load)) best = slot;
    }
    return best;
  }

  /** Ends the workers and waits until their processes are gone. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#measuring);
    for (const timer of this.#restarts) clearTimeout(timer);
    this.#restarts.clear();
    await Promise.allSettled(this.#starting);
    await Promise.all(this.#live().map((slot) => endWorker(slot.worker)));
    this.#slots.length = 0;
    this.events.close();
  }

  #live(): Slot[] {
    return this.#slots.filter((slot) => slot !== undefined);
  }

  #startSlot(index: number): Promise<void> {
    const starting = this.#openSlot(index).finally(() => this.#starting.delete(starting));
    this.#starting.add(starting);
    return starting;
  }

  async #openSlot(index: number): Promise<void> {
    const { workerBin, webRtcServer: listen, logger } = this.#settings;
    const worker = await withoutSignalHandlers(() =>
      createWorker({ logLevel: 'warn', logTags: ['info'], ...(workerBin === undefined ? {} : { workerBin }) }),
    );
    try {
      const address = {
        ip: listen.listenIp,
        ...(listen.announcedAddress === undefined ? {} : { announcedAddress: listen.announcedAddress }),
        ...(listen.port === 0 ? {} : { port: listen.port + index }),
      };
      const webRtcServer = await worker.createWebRtcServer({
        listenInfos: [
          { protocol: 'udp', ...address },
          { protocol: 'tcp', ...address },
        ],
      });
      if (this.#closed) throw closedError('media engine');
      if (worker.closed) throw new MeridianError('worker-died');
      const slot = new Slot(index, worker, webRtcServer);
      this.#slots[index] = slot;
      worker.once('died', (error) => this.#onDied(slot, error));
      logger.info({ worker: index, pid: worker.pid }, 'media worker started');
    } catch (error) {
      await endWorker(worker);
      throw error;
    }
  }

  #onDied(slot: Slot, error: Error): void {
    if (this.#slots[slot.index] === slot) this.#slots[slot.index] = undefined;
    if (this.#closed) return;
    const rooms = [...new Set([...slot.routers].map((placed) => placed.roomId))];
    slot.routers.clear();
    this.#settings.logger.error(
      { worker: slot.index, pid: slot.worker.pid, rooms: rooms.length, err: error },
      'media worker died',
    );
    this.events.emit('died', { worker: slot.index, rooms });
    this.#replace(slot.index, RESTART_FIRST_MS);
  }

  #replace(index: number, delayMs: number): void {
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#restarts.delete(timer);
      this.#startSlot(index).catch((error: unknown) => {
        if (this.#closed) return;
        this.#settings.logger.error({ worker: index, err: error }, 'media worker could not be replaced; trying again');
        this.#replace(index, Math.min(delayMs * 2, RESTART_MOST_MS));
      });
    }, delayMs);
    this.#restarts.add(timer);
  }

  #measure(): void {
    const { clock, measureEveryMs, workerHangMs, logger } = this.#settings;
    for (const slot of this.#live()) {
      // One that dies meanwhile is no longer of interest.
      slot.measure(() => clock.nowMs()).catch(() => {});
      // Counted in rounds and not by the clock: a machine that slept has no hanging workers.
      if (slot.unanswered * measureEveryMs < workerHangMs) continue;
      logger.error({ worker: slot.index, pid: slot.worker.pid }, 'media worker hangs: it is ended and replaced');
      killProcess(slot.worker.pid);
    }
  }
}

/** Asks the worker to end, and makes it end when it does not. */
function endWorker(worker: types.Worker): Promise<void> {
  if (worker.subprocessClosed) return Promise.resolve();
  return new Promise((resolve) => {
    const deadline = setTimeout(() => killProcess(worker.pid), END_WITHIN_MS);
    worker.once('subprocessclose', () => {
      clearTimeout(deadline);
      resolve();
    });
    worker.close();
  });
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone already.
  }
}
