import {
  type DataProducerId,
  type LinkId,
  type MediaKind,
  type MediaSource,
  MeridianError,
  type ProducerId,
  type RoomId,
  type RtpCapabilities,
  type RtpParameters,
  type SctpStreamParameters,
  type SessionId,
} from '@meridian/protocol';
import { Emitter } from '../emitter.ts';
import { closedError } from '../failures.ts';
import type { ActiveSpeakers, RoomMedia } from '../ports.ts';
import { FakeParticipant } from './participant.ts';
import { FakeRelayEnd } from './relay-end.ts';
import { turn } from './turn.ts';

type Events = {
  'active-speakers': [ActiveSpeakers];
  lost: [{ sessions: SessionId[]; reason: 'worker-died' }];
  closed: [];
};

/** Who wants to know what becomes of a producer. */
interface Watcher {
  paused(paused: boolean): void;
  closed(): void;
}

/** A producer that is to be had in a fake room. */
export class FakeProducer {
  readonly id: ProducerId;
  readonly sessionId: SessionId;
  readonly kind: MediaKind;
  readonly source: MediaSource;
  readonly origin: 'here' | 'elsewhere';
  readonly rtpParameters: RtpParameters;
  readonly watchers = new Set<Watcher>();
  paused: boolean;

  constructor(fields: Omit<FakeProducer, 'watchers' | 'setPaused'>) {
    this.id = fields.id;
    this.sessionId = fields.sessionId;
    this.kind = fields.kind;
    this.source = fields.source;
    this.origin = fields.origin;
    this.rtpParameters = fields.rtpParameters;
    this.paused = fields.paused;
  }

  setPaused(paused: boolean): void {
    if (this.paused === paused) return;
    this.paused = paused;
    for (const watcher of [...this.watchers]) watcher.paused(paused);
  }
}

export interface FakeDataProducer {
  readonly id: DataProducerId;
  readonly sessionId: SessionId;
  readonly origin: 'here' | 'elsewhere';
  readonly label: string;
  readonly protocol: string;
  readonly sctpStreamParameters: SctpStreamParameters;
  readonly watchers: Set<Pick<Watcher, 'closed'>>;
}

export class FakeRoom implements RoomMedia {
  readonly roomId: RoomId;
  readonly newId: () => string;
  readonly onError: (error: unknown) => void;
  readonly #onClosed: (room: FakeRoom) => void;
  readonly #events: Emitter<Events>;
  readonly #participants = new Map<SessionId, FakeParticipant>();
  readonly #relayEnds = new Map<LinkId, FakeRelayEnd>();
  readonly #producers = new Map<ProducerId, FakeProducer>();
  readonly #dataProducers = new Map<DataProducerId, FakeDataProducer>();
  readonly #lingerMs: number;
  #linger: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: {
    roomId: RoomId;
    newId: () => string;
    lingerMs: number;
    onError: (error: unknown) => void;
    onClosed: (room: FakeRoom) => void;
  }) {
    this.roomId = options.roomId;
    this.newId = options.newId;
    this.#lingerMs = options.lingerMs;
    this.onError = options.onError;
    this.#onClosed = options.onClosed;
    this.#events = new Emitter(options.onError);
  }

  get closed(): boolean {
    return this.#closed;
  }

  get participants(): readonly FakeParticipant[] {
    return [...this.#participants.values()];
  }

  get relayEnds(): readonly FakeRelayEnd[] {
    return [...this.#relayEnds.values()];
  }

  get producers(): number {
    return this.#producers.size;
  }

  on<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): () => void {
    return this.#events.on(event, listener);
  }

  participant(sessionId: SessionId): FakeParticipant | undefined {
    return this.#participants.get(sessionId);
  }

  hasProducer(producerId: ProducerId): boolean {
    return this.#producers.has(producerId);
  }

  hasDataProducer(dataProducerId: DataProducerId): boolean {
    return this.#dataProducers.has(dataProducerId);
  }

  /** @throws MeridianError `producer-not-found` */
  producer(producerId: ProducerId): FakeProducer {
    const producer = this.#producers.get(producerId);
    if (producer === undefined) throw new MeridianError('producer-not-found', { details: { producerId } });
    return producer;
  }

  /** @throws MeridianError `producer-not-found` */
  dataProducer(dataProducerId: DataProducerId): FakeDataProducer {
    const producer = this.#dataProducers.get(dataProducerId);
    if (producer === undefined) throw new MeridianError('producer-not-found', { details: { dataProducerId } });
    return producer;
  }

  async openParticipant(options: { sessionId: SessionId; rtpCapabilities: RtpCapabilities }): Promise<FakeParticipant> {
    this.assertOpen();
    const { sessionId } = options;
    if (this.#participants.has(sessionId)) throw new MeridianError('already-joined');
    const participant = new FakeParticipant({
      room: this,
      sessionId,
      onClosed: (closed) => {
        if (this.#participants.get(sessionId) === closed) this.#participants.delete(sessionId);
        this.touch();
      },
    });
    this.#participants.set(sessionId, participant);
    await turn();
    if (participant.closed) throw closedError('room');
    return participant;
  }

  async openRelayEnd(options: { linkId: LinkId; role: 'puller' | 'origin' }): Promise<FakeRelayEnd> {
    this.assertOpen();
    const { linkId, role } = options;
    if (this.#relayEnds.has(linkId)) {
      throw new MeridianError('relay-failed', { message: 'This relay link is open here already.' });
    }
    const end = new FakeRelayEnd({
      room: this,
      linkId,
      role,
      onClosed: (closed) => {
        if (this.#relayEnds.get(linkId) === closed) this.#relayEnds.delete(linkId);
        this.touch();
      },
    });
    this.#relayEnds.set(linkId, end);
    await turn();
    if (end.closed) throw closedError('room');
    return end;
  }

  add(producer: FakeProducer): void {
    this.#producers.set(producer.id, producer);
  }

  remove(producer: FakeProducer): void {
    if (this.#producers.get(producer.id) !== producer) return;
    this.#producers.delete(producer.id);
    for (const watcher of [...producer.watchers]) watcher.closed();
  }

  addData(producer: FakeDataProducer): void {
    this.#dataProducers.set(producer.id, producer);
  }

  removeData(producer: FakeDataProducer): void {
    if (this.#dataProducers.get(producer.id) !== producer) return;
    this.#dataProducers.delete(producer.id);
    for (const watcher of [...producer.watchers]) watcher.closed();
  }

  /** Lets a test say who speaks. */
  speak(speakers: ActiveSpeakers): void {
    this.#events.emit('active-speakers', speakers);
  }

  /** Starts the time an empty room may linger anew. */
  touch(): void {
    clearTimeout(this.#linger);
    if (this.#closed) return;
    this.#linger = setTimeout(() => {
      if (this.#participants.size === 0 && this.#relayEnds.size === 0) this.close();
    }, this.#lingerMs);
    this.#linger.unref();
  }

  lose(): void {
    const lost = this.participants;
    for (const participant of lost) participant.lose();
    this.#events.emit('lost', { sessions: lost.map((participant) => participant.sessionId), reason: 'worker-died' });
    this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#linger);
    for (const participant of this.participants) participant.close();
    for (const end of this.relayEnds) end.close();
    this.#onClosed(this);
    this.#events.emit('closed');
    this.#events.close();
  }

  assertOpen(): void {
    if (this.#closed) throw closedError('room');
  }
}
