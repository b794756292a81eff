import { MeridianError } from '@meridian/protocol';
import type { types } from 'mediasoup';
import type { Closable } from '../closable.ts';
import { closedError, mediaFailure } from '../failures.ts';
import type { MediaSettings } from '../options.ts';
import type { WorkerPool } from '../workers/pool.ts';
import type { PlacedRouter, PoolWorker } from '../workers/slot.ts';
import type { Release, RoomEntry } from './entries.ts';

interface Copy {
  users: number;
  readonly pipe: Promise<{ close(): void }>;
}

interface Holder {
  readonly placed: PlacedRouter;
  participants: number;
  /** Copies of producers of other routers. By object: a producer may come back under the same id. */
  readonly copies: Map<RoomEntry, Copy>;
}

/**
 * The routers of one room. The first is the primary: relay links and speaker detection sit on it. More
 * come, each on a worker of its own, when the room outgrows a worker; producers are then copied between
 * them by local pipes (same ids) for as long as somebody there holds them.
 */
export class RoomRouters {
  readonly #pool: WorkerPool;
  readonly #settings: MediaSettings;
  readonly #holders: Holder[] = [];
  readonly #onLost: (placed: PlacedRouter) => void;
  #growing: Promise<Holder> | undefined;
  #closed = false;

  constructor(options: {
    first: PlacedRouter;
    pool: WorkerPool;
    settings: MediaSettings;
    /** A router went away with its worker. */
    onLost: (placed: PlacedRouter) => void;
  }) {
    this.#pool = options.pool;
    this.#settings = options.settings;
    this.#onLost = options.onLost;
    this.#add(options.first);
  }

  /** @throws MeridianError `worker-died` when no router is left. */
  get primary(): PlacedRouter {
    const first = this.#holders[0];
    if (first === undefined) throw new MeridianError(this.#closed ? 'closed' : 'worker-died');
    return first.placed;
  }

  get all(): readonly PlacedRouter[] {
    return this.#holders.map((holder) => holder.placed);
  }

  /** Where a newcomer who will receive `producers` streams goes; counted there until `leave`. */
  async join(producers: number): Promise<{ placed: PlacedRouter; leave: Release }> {
    const holder = await this.#choose(producers);
    holder.participants++;
    return {
      placed: holder.placed,
      leave: once(() => {
        holder.participants--;
      }),
    };
  }

  /**
   * Makes a producer consumable on `target` until the release is called.
   * @throws MeridianError `producer-not-found`, `media-unavailable`, `worker-died`
   */
  async bring(entry: RoomEntry, target: PlacedRouter): Promise<Release> {
    if (entry.home === target) return () => {};
    const holder = this.#holders.find((candidate) => candidate.placed === target);
    if (holder === undefined) throw closedError('router');
    let copy = holder.copies.get(entry);
    if (copy === undefined) {
      copy = { users: 0, pipe: this.#pipe(entry, target) };
      holder.copies.set(entry, copy);
    }
    const held = copy;
    held.users++;
    const release = once(() => {
      held.users--;
      if (held.users > 0) return;
      if (holder.copies.get(entry) === held) holder.copies.delete(entry);
      held.pipe.then(
        (pipe) => pipe.close(),
        () => {},
      );
    });
    try {
      await held.pipe;
    } catch (thrown) {
      // Nobody may find the failed attempt again.
      if (holder.copies.get(entry) === held) holder.copies.delete(entry);
      release();
      if (entry.producer.closed) throw new MeridianError('producer-not-found', { cause: thrown });
      throw mediaFailure(thrown, 'no local pipe', { rejected: 'media-unavailable' });
    }
    return release;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const holder of this.#holders.splice(0)) holder.placed.router.close();
  }

  #add(placed: PlacedRouter): Holder {
    const holder: Holder = { placed, participants: 0, copies: new Map() };
    this.#holders.push(holder);
    placed.router.observer.once('close', () => {
      const at = this.#holders.indexOf(holder);
      if (at < 0) return;
      this.#holders.splice(at, 1);
      this.#onLost(placed);
    });
    return holder;
  }

  async #choose(producers: number): Promise<Holder> {
    const budget = this.#settings.maxConsumersPerWorker;
    // What was placed a moment ago has no consumers yet: count what it will have.
    const expected = (holder: Holder) =>
      Math.max(holder.placed.worker.tally.consumers, holder.participants * producers) + producers;
    const fitting = this.#holders.find((holder) => expected(holder) <= budget);
    if (fitting !== undefined) return fitting;
    const best = leastBy(this.#holders, expected);
    if (best === undefined) throw new MeridianError(this.#closed ? 'closed' : 'worker-died');
    const taken = new Set<PoolWorker>(this.#holders.map((holder) => holder.placed.worker));
    const other = this.#pool.pickOther(taken);
    if (other === undefined || other.tally.consumers + producers >= expected(best)) return best;
    return this.#grow(other).catch((thrown: unknown) => {
      if (this.#closed || best.placed.router.closed) throw thrown;
      return best;
    });
  }

  #grow(worker: PoolWorker): Promise<Holder> {
    this.#growing ??= worker
      .createRouter(this.primary.roomId)
      .then((placed) => {
        if (this.#closed) {
          placed.router.close();
          throw closedError('room');
        }
        return this.#add(placed);
      })
      .finally(() => {
        this.#growing = undefined;
      });
    return this.#growing;
  }

  async #pipe(entry: RoomEntry, target: PlacedRouter): Promise<{ close(): void }> {
    const listen = {
      router: target.router,
      listenInfo: { protocol: 'udp', ip: '127.0.0.1', portRange: { ...this.#settings.localPipePortRange } },
      // A full socket buffer loses packets on loopback too.
      enableRtx: true,
      maxSendMessageSize: this.#settings.maxDataMessageBytes,
      maxReceiveMessageSize: this.#settings.maxDataMessageBytes,
    } as const;
    const source = entry.home.router;
    const piped =
      entry.type === 'media'
        ? await source.pipeToRouter({ ...listen, producerId: entry.id })
        : await source.pipeToRouter({ ...listen, dataProducerId: entry.id });
    const original: Closable = entry.producer;
    const copy: Closable | undefined = piped.pipeProducer ?? piped.pipeDataProducer;
    if (piped.pipeConsumer && piped.pipeProducer) mirrorPauses(piped.pipeConsumer, piped.pipeProducer);
    if (copy === undefined || copy.closed || original.closed) {
      copy?.close();
      throw new MeridianError('producer-not-found');
    }
    // mediasoup closes the copy too, but only after a round trip; until then its id would be taken.
    const closeCopy = () => copy.close();
    original.observer.once('close', closeCopy);
    copy.observer.once('close', () => original.observer.off('close', closeCopy));
    return copy;
  }
}

/**
 * In place of mediasoup's own listeners: those leave the promise alone, so that a worker that dies at
 * the wrong moment would take the whole process down by an unhandled rejection.
 */
function mirrorPauses(consumer: types.Consumer, producer: types.Producer): void {
  consumer.observer.removeAllListeners('pause').removeAllListeners('resume');
  consumer.observer.on('pause', () => void producer.pause().catch(() => {}));
  consumer.observer.on('resume', () => void producer.resume().catch(() => {}));
}

const once = (action: () => void): (() => void) => {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    action();
  };
};

function leastBy<T>(items: readonly T[], cost: (item: T) => number): T | undefined {
  let best: T | undefined;
  for (const item of items) if (best === undefined || cost(item) < cost(best)) best = item;
  return best;
}
