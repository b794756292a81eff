import type { ActiveSpeakers, MediaEngine, MediaLoad, MediaReport, RoomMedia } from '@meridian/media';
import {
  type DataProducerId,
  type LinkId,
  MeridianError,
  type ProducerId,
  type RoomId,
  type RtpCapabilities,
  type SessionId,
} from '@meridian/protocol';
import { FakeEmitter } from './fake-emitter.ts';
import { FakeParticipant } from './fake-participant.ts';
import { type FakeDataProducer, type FakeProducer, type FakeRegistry, FakeRelayEnd } from './fake-relay-end.ts';

/** What every asynchronous call of the fakes waits for: the place to be slow or to fail. */
export type Step = (what: string) => Promise<void>;

const atOnce: Step = () => Promise.resolve();

type RoomEvents = {
  'active-speakers': [ActiveSpeakers];
  lost: [{ sessions: SessionId[]; reason: 'worker-died' }];
  closed: [];
};

export class FakeRoom extends FakeEmitter<RoomEvents> implements RoomMedia, FakeRegistry {
  readonly roomId: RoomId;
  readonly participants = new Map<SessionId, FakeParticipant>();
  readonly relayEnds = new Map<LinkId, FakeRelayEnd>();
  closed = false;
  readonly #engine: FakeMediaEngine;
  readonly #producers = new Map<ProducerId, FakeProducer>();
  readonly #dataProducers = new Map<DataProducerId, FakeDataProducer>();
  #opening = 0;

  constructor(roomId: RoomId, engine: FakeMediaEngine) {
    super();
    this.roomId = roomId;
    this.#engine = engine;
  }

  async openParticipant({
    sessionId,
  }: {
    sessionId: SessionId;
    rtpCapabilities: RtpCapabilities;
  }): Promise<FakeParticipant> {
    this.#assertOpen();
    if (this.participants.has(sessionId)) throw new MeridianError('already-joined');
    await this.#whileOpening(() => this.#engine.step('open-participant'));
    this.#assertOpen();
    if (this.participants.has(sessionId)) throw new MeridianError('already-joined');
    const participant = new FakeParticipant({
      sessionId,
      registry: this,
      step: (what) => this.#engine.step(what),
      onClosed: () => {
        this.participants.delete(sessionId);
        this.#closeIfEmpty();
      },
    });
    this.participants.set(sessionId, participant);
    return participant;
  }

  participant(sessionId: SessionId): FakeParticipant | undefined {
    return this.participants.get(sessionId);
  }

  hasProducer(producerId: ProducerId): boolean {
    return this.producer(producerId) !== undefined;
  }

  hasDataProducer(dataProducerId: DataProducerId): boolean {
    return this.dataProducer(dataProducerId) !== undefined;
  }

  async openRelayEnd(options: { linkId: LinkId; role: 'puller' | 'origin' }): Promise<FakeRelayEnd> {
    this.#assertOpen();
    await this.#whileOpening(() => this.#engine.step('open-relay-end'));
    this.#assertOpen();
    if (this.relayEnds.has(options.linkId)) throw new MeridianError('relay-failed');
    const end = new FakeRelayEnd({
      ...options,
      roomId: this.roomId,
      registry: this,
      step: (what) => this.#engine.step(what),
    });
    this.relayEnds.set(end.linkId, end);
    return end;
  }

  producer(id: ProducerId): FakeProducer | undefined {
    const producer = this.#producers.get(id);
    return producer?.closed ? undefined : producer;
  }

  dataProducer(id: DataProducerId): FakeDataProducer | undefined {
    const producer = this.#dataProducers.get(id);
    return producer?.closed ? undefined : producer;
  }

  putProducer(producer: FakeProducer): void {
    this.#producers.set(producer.info.producerId, producer);
  }

  putDataProducer(producer: FakeDataProducer): void {
    this.#dataProducers.set(producer.info.dataProducerId, producer);
  }

  relayEndClosed(end: FakeRelayEnd): void {
    this.relayEnds.delete(end.linkId);
    this.#closeIfEmpty();
  }

  /** The worker dies: everything on it is gone. */
  die(): void {
    const sessions = [...this.participants.keys()];
    this.close();
    this.emit('lost', { sessions, reason: 'worker-died' });
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const participant of [...this.participants.values()]) participant.close();
    for (const end of [...this.relayEnds.values()]) end.close();
    this.#engine.roomClosed(this);
    this.emit('closed');
  }

  async #whileOpening(step: () => Promise<void>): Promise<void> {
    this.#opening += 1;
    try {
      await step();
    } finally {
      this.#opening -= 1;
      if (this.#opening === 0) queueMicrotask(() => queueMicrotask(() => queueMicrotask(() => this.#closeIfEmpty())));
    }
  }

  #closeIfEmpty(): void {
    if (this.participants.size === 0 && this.relayEnds.size === 0 && this.#opening === 0) this.close();
  }

  #assertOpen(): void {
    if (this.closed) throw new MeridianError('closed');
  }
}

type EngineEvents = { 'worker-died': [{ worker: number; rooms: RoomId[] }] };

/** The media without media: rooms, participants, relay ends with real books and no packets. */
export class FakeMediaEngine extends FakeEmitter<EngineEvents> implements MediaEngine {
  readonly routerRtpCapabilities: RtpCapabilities = {
    codecs: [{ kind: 'audio', mimeType: 'audio/opus', preferredPayloadType: 100, clockRate: 48_000, channels: 2 }],
  };
  readonly rooms = new Map<RoomId, FakeRoom>();
  step: Step;
  report: MediaReport | undefined;
  closed = false;

  constructor(step: Step = atOnce) {
    super();
    this.step = step;
  }

  get relayEnds(): FakeRelayEnd[] {
    return [...this.rooms.values()].flatMap((room) => [...room.relayEnds.values()]);
  }

  async openRoom(roomId: RoomId): Promise<FakeRoom> {
    if (this.closed) throw new MeridianError('closed');
    await this.step('open-room');
    const known = this.rooms.get(roomId);
    if (known !== undefined) return known;
    const room = new FakeRoom(roomId, this);
    this.rooms.set(roomId, room);
    return room;
  }

  room(roomId: RoomId): FakeRoom | undefined {
    return this.rooms.get(roomId);
  }

  roomClosed(room: FakeRoom): void {
    if (this.rooms.get(room.roomId) === room) this.rooms.delete(room.roomId);
  }

  load(): MediaLoad {
    const rooms = [...this.rooms.values()];
    const participants = rooms.flatMap((room) => [...room.participants.values()]);
    return {
      workers: 1,
      rooms: rooms.length,
      producers: 0,
      consumers: participants.reduce((sum, one) => sum + one.consumers.size, 0),
      transports: participants.length * 2,
      relayEnds: this.relayEnds.length,
      workerCpu: 0,
    };
  }

  async collect(): Promise<MediaReport> {
    return this.report ?? { workers: [], samples: [], totals: [], load: this.load() };
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const room of [...this.rooms.values()]) room.close();
  }
}
