import { readFile } from 'node:fs/promises';
import { MeridianError, type RoomId } from '@meridian/protocol';
import type { types } from 'mediasoup';
import { routerCodecs } from '../codecs.ts';
import { mediaFailure } from '../failures.ts';
import { countRouter, emptyTally, type Tally } from './tally.ts';

/** One router of a room, and where it runs. */
export interface PlacedRouter {
  readonly roomId: RoomId;
  readonly router: types.Router;
  readonly worker: PoolWorker;
  readonly tally: Tally;
}

export interface WorkerUsage {
  /** User plus system, since the worker's start. */
  readonly cpuSeconds: number;
  readonly rssBytes: number;
}

/** A worker process with the ports clients reach it on. */
export interface PoolWorker {
  readonly index: number;
  readonly worker: types.Worker;
  readonly webRtcServer: types.WebRtcServer;
  readonly tally: Tally;
  readonly routers: ReadonlySet<PlacedRouter>;
  /** 0 to 1 of one core, over the last measuring interval. */
  readonly cpu: number;
  createRouter(roomId: RoomId): Promise<PlacedRouter>;
  usage(): Promise<WorkerUsage>;
}

/** A worker's place in the pool. */
export class Slot implements PoolWorker {
  readonly index: number;
  readonly worker: types.Worker;
  readonly webRtcServer: types.WebRtcServer;
  readonly tally = emptyTally();
  readonly routers = new Set<PlacedRouter>();
  cpu = 0;
  /** Routers that are being made: they count for placement at once. */
  #opening = 0;
  #measured: { cpuSeconds: number; atMs: number } | undefined;
  #measuring = false;
  #unanswered = 0;

  constructor(index: number, worker: types.Worker, webRtcServer: types.WebRtcServer) {
    this.index = index;
    this.worker = worker;
    this.webRtcServer = webRtcServer;
  }

  /** Each object costs something; a router that is being made stands for the objects to come. */
  get load(): number {
    return this.tally.consumers + this.tally.producers + this.tally.transports + this.tally.routers + this.#opening;
  }

  /** @throws MeridianError `worker-died`, `closed` */
  async createRouter(roomId: RoomId): Promise<PlacedRouter> {
    this.#opening++;
    try {
      const router = await this.worker.createRouter({ mediaCodecs: routerCodecs() });
      if (this.worker.closed) {
        router.close();
        throw new MeridianError(this.worker.died ? 'worker-died' : 'closed');
      }
      return this.#place(roomId, router);
    } catch (thrown) {
      throw mediaFailure(thrown, 'no router', { rejected: 'internal' });
    } finally {
      this.#opening--;
    }
  }

  async usage(): Promise<WorkerUsage> {
    const usage = await this.worker.getResourceUsage();
    // The usage tells only the peak (KiB); the kernel tells the present.
    const status = await readFile(`/proc/${this.worker.pid}/status`, 'utf8').catch(() => '');
    const rssKib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? usage.ru_maxrss);
    return { cpuSeconds: cpuSecondsOf(usage), rssBytes: rssKib * 1024 };
  }

  /** How often in a row `measure` found the question before still unanswered. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** Sets `cpu` from the growth since the measuring before. Asks only when the last question was answered. */
  async measure(nowMs: () => number): Promise<void> {
    if (this.#measuring) {
      this.#unanswered++;
      return;
    }
    this.#measuring = true;
    try {
      const cpuSeconds = cpuSecondsOf(await this.worker.getResourceUsage());
      const atMs = nowMs();
      const before = this.#measured;
      this.#measured = { cpuSeconds, atMs };
      this.#unanswered = 0;
      if (before === undefined || atMs <= before.atMs) return;
      this.cpu = Math.min(1, Math.max(0, ((cpuSeconds - before.cpuSeconds) * 1000) / (atMs - before.atMs)));
    } finally {
      this.#measuring = false;
    }
  }

  #place(roomId: RoomId, router: types.Router): PlacedRouter {
    const placed: PlacedRouter = { roomId, router, worker: this, tally: emptyTally() };
    countRouter(router, [this.tally, placed.tally]);
    this.routers.add(placed);
    router.observer.once('close', () => {
      // Those of a dead worker stay, so that its last event can name the rooms.
      if (!this.worker.died) this.routers.delete(placed);
    });
    return placed;
  }
}

const cpuSecondsOf = ({ ru_utime, ru_stime }: types.WorkerResourceUsage): number => (ru_utime + ru_stime) / 1000;
