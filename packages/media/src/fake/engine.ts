import { randomUUID } from 'node:crypto';
import type { RoomId, RtpCapabilities } from '@meridian/protocol';
import { routerCapabilities } from '../codecs.ts';
import { Emitter } from '../emitter.ts';
import { closedError } from '../failures.ts';
import type { MediaEngine, MediaLoad, MediaReport } from '../ports.ts';
import { fromRtpCapabilities } from '../wire.ts';
import { FakeRoom } from './room.ts';
import { turn } from './turn.ts';

type Events = { 'worker-died': [{ worker: number; rooms: RoomId[] }] };

/**
 * A media engine without media, for tests of the signalling: ids, states, events and errors are those
 * of the real one (both pass one contract suite), but no packet flows, so nothing is ever measured.
 */
export class FakeMediaEngine implements MediaEngine {
  readonly routerRtpCapabilities: RtpCapabilities = fromRtpCapabilities(routerCapabilities());
  readonly #newId: () => string;
  readonly #lingerMs: number;
  readonly #onError: (error: unknown) => void;
  readonly #events: Emitter<Events>;
  readonly #rooms = new Map<RoomId, FakeRoom>();
  #closed = false;

  /** @param options.onError gets what listeners throw; by default it is thrown where nobody catches it. */
  constructor(options: { newId?: () => string; emptyRoomLingerMs?: number; onError?: (error: unknown) => void } = {}) {
    this.#newId = options.newId ?? randomUUID;
    this.#lingerMs = options.emptyRoomLingerMs ?? 5_000;
    this.#onError =
      options.onError ??
      ((error) =>
        queueMicrotask(() => {
          throw error;
        }));
    this.#events = new Emitter(this.#onError);
  }

  on<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): () => void {
    return this.#events.on(event, listener);
  }

  async openRoom(roomId: RoomId): Promise<FakeRoom> {
    this.#assertOpen();
    await turn();
    this.#assertOpen();
    let room = this.#rooms.get(roomId);
    if (room === undefined) {
      room = new FakeRoom({
        roomId,
        newId: this.#newId,
        lingerMs: this.#lingerMs,
        onError: this.#onError,
        onClosed: (closed) => {
          if (this.#rooms.get(roomId) === closed) this.#rooms.delete(roomId);
        },
      });
      this.#rooms.set(roomId, room);
    }
    room.touch();
    return room;
  }

  room(roomId: RoomId): FakeRoom | undefined {
    return this.#rooms.get(roomId);
  }

  load(): MediaLoad {
    const load = { rooms: this.#rooms.size, producers: 0, consumers: 0, transports: 0, relayEnds: 0 };
    for (const room of this.#rooms.values()) {
      load.producers += room.producers;
      load.consumers += room.participants.reduce((sum, participant) => sum + participant.consumers, 0);
      load.transports += room.participants.length * 2 + room.relayEnds.length;
      load.relayEnds += room.relayEnds.length;
    }
    return { workers: 1, workerCpu: 0, ...load };
  }

  async collect(): Promise<MediaReport> {
    this.#assertOpen();
    return { workers: [], samples: [], totals: [], load: this.load() };
  }

  /** What happens when the only worker dies: all rooms are lost, new ones can be opened. */
  killWorker(): void {
    const rooms = [...this.#rooms.values()];
    for (const room of rooms) room.lose();
    this.#events.emit('worker-died', { worker: 0, rooms: rooms.map((room) => room.roomId) });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const room of [...this.#rooms.values()]) room.close();
    this.#events.close();
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError('media engine');
  }
}
