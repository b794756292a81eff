import { availableParallelism } from 'node:os';
import { MeridianError, type RoomId, type RtpCapabilities } from '@meridian/protocol';
import { routerCapabilities } from './codecs.ts';
import { dumpWorkers, type EngineDump } from './dump.ts';
import { Emitter } from './emitter.ts';
import { closedError } from './failures.ts';
import { type MediaEngineOptions, type MediaSettings, withDefaults } from './options.ts';
import type { MediaEngine, MediaLoad, MediaReport } from './ports.ts';
import { Room } from './room/room.ts';
import { Collector, type Source } from './stats/collector.ts';
import { KeyFrames } from './stats/key-frames.ts';
import { fromRtpCapabilities } from './wire.ts';
import { WorkerPool } from './workers/pool.ts';

type Events = { 'worker-died': [{ worker: number; rooms: RoomId[] }] };

/** The engine on mediasoup, with what operators and tests may look at besides. */
export interface MediasoupEngine extends MediaEngine {
  /** What the worker processes themselves say they hold. */
  dump(): Promise<EngineDump>;
}

/**
 * Starts the workers.
 * @throws MeridianError `config-invalid` when an address cannot be told to others, `media-unavailable`
 *   when a worker does not start or its port is taken.
 */
export async function createMediaEngine(options: MediaEngineOptions): Promise<MediasoupEngine> {
  const settings = withDefaults(options, availableParallelism());
  assertAnnounceable('webRtcServer', settings.webRtcServer);
  assertAnnounceable('pipe', settings.pipe);
  return new Engine(settings, await WorkerPool.start(settings));
}

class Engine implements MediasoupEngine {
  readonly routerRtpCapabilities: RtpCapabilities = fromRtpCapabilities(routerCapabilities());
  readonly #settings: MediaSettings;
  readonly #pool: WorkerPool;
  readonly #events: Emitter<Events>;
  readonly #rooms = new Map<RoomId, Room>();
  readonly #opening = new Map<RoomId, Promise<Room>>();
  readonly #keyFrames = new KeyFrames();
  readonly #collector = new Collector(this.#keyFrames);
  #collecting: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(settings: MediaSettings, pool: WorkerPool) {
    this.#settings = settings;
    this.#pool = pool;
    this.#events = new Emitter((error) =>
      settings.logger.error({ err: error }, 'a listener of the media engine failed'),
    );
    pool.events.on('died', (death) => this.#events.emit('worker-died', death));
  }

  on<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): () => void {
    return this.#events.on(event, listener);
  }

  room(roomId: RoomId): Room | undefined {
    return this.#rooms.get(roomId);
  }

  async openRoom(roomId: RoomId): Promise<Room> {
    this.#assertOpen();
    const room = this.#rooms.get(roomId);
    if (room !== undefined) {
      room.touch();
      return room;
    }
    let opening = this.#opening.get(roomId);
    if (opening === undefined) {
      opening = this.#openRoom(roomId).finally(() => this.#opening.delete(roomId));
      this.#opening.set(roomId, opening);
    }
    return opening;
  }

  load(): MediaLoad {
    const load = { rooms: this.#rooms.size, producers: 0, consumers: 0, transports: 0, relayEnds: 0, workerCpu: 0 };
    for (const { tally, cpu } of this.#pool.workers) {
      load.producers += tally.producers;
      load.consumers += tally.consumers;
      load.transports += tally.transports;
      load.workerCpu = Math.max(load.workerCpu, cpu);
    }
    for (const room of this.#rooms.values()) load.relayEnds += room.relayEnds.length;
    return { workers: this.#pool.workers.length, ...load };
  }

  /** Passes run one after the other, since each reports the growth since the one before. */
  collect(): Promise<MediaReport> {
    this.#assertOpen();
    const collecting = this.#collecting.then(() => this.#collect());
    this.#collecting = collecting.catch(() => {});
    return collecting;
  }

  dump(): Promise<EngineDump> {
    this.#assertOpen();
    return dumpWorkers(this.#pool.workers);
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      for (const room of [...this.#rooms.values()]) room.close();
      await Promise.allSettled(this.#opening.values());
    }
    await this.#pool.close();
    this.#events.close();
  }

  async #openRoom(roomId: RoomId): Promise<Room> {
    const first = await this.#pool.pick().createRouter(roomId);
    if (this.#closed) {
      first.router.close();
      throw closedError('media engine');
    }
    if (first.router.closed) throw new MeridianError('worker-died');
    const room = new Room({
      first,
      pool: this.#pool,
      settings: this.#settings,
      keyFrames: this.#keyFrames,
      onClosed: (closed) => {
        if (this.#rooms.get(roomId) === closed) this.#rooms.delete(roomId);
      },
    });
    this.#rooms.set(roomId, room);
    return room;
  }

  async #collect(): Promise<MediaReport> {
    const sources: Source[] = [];
    for (const room of this.#rooms.values()) {
      for (const participant of room.participants) {
        for (const { producer } of participant.producers) sources.push({ leg: 'client-up', producer });
        for (const consumer of participant.consumers) sources.push({ leg: 'client-down', consumer });
      }
      for (const { linkId, producers, consumers } of room.relayEnds) {
        for (const { producer } of producers) sources.push({ leg: 'relay-in', linkId, producer });
        for (const consumer of consumers) sources.push({ leg: 'relay-out', linkId, consumer });
      }
    }
    const [{ samples, totals }, workers] = await Promise.all([this.#collector.collect(sources), this.#workers()]);
    return { workers, samples, totals, load: this.load() };
  }

  async #workers(): Promise<MediaReport['workers']> {
    const reports = await Promise.all(
      this.#pool.workers.map(async (slot) => {
        const usage = await slot.usage().catch(() => undefined);
        if (usage === undefined) return [];
        const { routers, consumers } = slot.tally;
        return [{ index: slot.index, pid: slot.worker.pid, ...usage, routers, consumers }];
      }),
    );
    return reports.flat();
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError('media engine');
  }
}

function assertAnnounceable(
  name: string,
  { listenIp, announcedAddress }: { listenIp: string; announcedAddress?: string | undefined },
): void {
  if (announcedAddress !== undefined || (listenIp !== '0.0.0.0' && listenIp !== '::')) return;
  throw new MeridianError('config-invalid', {
    message: `${name} listens on every address (${listenIp}): say by announcedAddress which one others shall use.`,
  });
}
