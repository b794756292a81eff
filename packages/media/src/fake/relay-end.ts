import {
  type DataProducerId,
  type LinkId,
  MeridianError,
  type ProducerId,
  type RelayEndpoint,
  type RelayedDataProducer,
  type RelayedProducer,
  type RoomId,
} from '@meridian/protocol';
import { Emitter } from '../emitter.ts';
import { closedError } from '../failures.ts';
import type { RelayEnd, RelayEndStats } from '../ports.ts';
import { type FakeDataProducer, FakeProducer, type FakeRoom } from './room.ts';
import { turn } from './turn.ts';

type Events = {
  'producer-paused': [ProducerId];
  'producer-resumed': [ProducerId];
  'producer-closed': [ProducerId];
  'data-producer-closed': [DataProducerId];
  closed: [];
};

export class FakeRelayEnd implements RelayEnd {
  readonly linkId: LinkId;
  readonly roomId: RoomId;
  readonly role: 'puller' | 'origin';
  readonly endpoint: RelayEndpoint;
  readonly #room: FakeRoom;
  readonly #events: Emitter<Events>;
  readonly #onClosed: (end: FakeRelayEnd) => void;
  /** What ends each stream, by its producer. */
  readonly #streams = new Map<ProducerId, () => void>();
  readonly #dataStreams = new Map<DataProducerId, () => void>();
  #connected = false;
  #closed = false;

  constructor(options: {
    room: FakeRoom;
    linkId: LinkId;
    role: 'puller' | 'origin';
    onClosed: (end: FakeRelayEnd) => void;
  }) {
    this.#room = options.room;
    this.linkId = options.linkId;
    this.roomId = options.room.roomId;
    this.role = options.role;
    this.#onClosed = options.onClosed;
    this.#events = new Emitter(this.#room.onError);
    this.endpoint = {
      ip: '127.0.0.1',
      port: 9,
      srtpParameters: { cryptoSuite: 'AEAD_AES_256_GCM', keyBase64: Buffer.alloc(44).toString('base64') },
    };
  }

  get closed(): boolean {
    return this.#closed;
  }

  get producerIds(): readonly ProducerId[] {
    return [...this.#streams.keys()];
  }

  get dataProducerIds(): readonly DataProducerId[] {
    return [...this.#dataStreams.keys()];
  }

  on<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): () => void {
    return this.#events.on(event, listener);
  }

  async connect(_remote: RelayEndpoint): Promise<void> {
    this.#assertOpen();
    if (this.#connected) throw new MeridianError('relay-failed', { message: 'This relay end has its peer already.' });
    this.#connected = true;
    await this.#ask();
  }

  async offer(producerId: ProducerId): Promise<RelayedProducer> {
    this.#assertRole('origin');
    await this.#ask();
    const producer = this.#room.producer(producerId);
    if (producer.origin !== 'here') throw new MeridianError('producer-not-found', { details: { producerId } });
    if (!this.#streams.has(producerId)) this.#watch(producer);
    const { sessionId, kind, source, rtpParameters, paused } = producer;
    return { producerId, sessionId, kind, source, rtpParameters, paused };
  }

  async offerData(dataProducerId: DataProducerId): Promise<RelayedDataProducer> {
    this.#assertRole('origin');
    await this.#ask();
    const producer = this.#room.dataProducer(dataProducerId);
    if (producer.origin !== 'here') throw new MeridianError('producer-not-found', { details: { dataProducerId } });
    if (!this.#dataStreams.has(dataProducerId)) this.#watchData(producer);
    const { sessionId, sctpStreamParameters, label, protocol } = producer;
    return { dataProducerId, sessionId, sctpStreamParameters, label, protocol };
  }

  withdraw(producerId: ProducerId): void {
    this.#assertRole('origin');
    this.#streams.get(producerId)?.();
  }

  withdrawData(dataProducerId: DataProducerId): void {
    this.#assertRole('origin');
    this.#dataStreams.get(dataProducerId)?.();
  }

  async accept(relayed: RelayedProducer): Promise<void> {
    this.#assertRole('puller');
    await this.#ask();
    const { producerId, sessionId, kind, source, rtpParameters, paused } = relayed;
    if (this.#streams.has(producerId)) return;
    if (this.#room.hasProducer(producerId)) throw hereAlready(producerId);
    const producer = new FakeProducer({
      id: producerId,
      sessionId,
      kind,
      source,
      rtpParameters,
      paused,
      origin: 'elsewhere',
    });
    this.#streams.set(producerId, () => {
      this.#streams.delete(producerId);
      this.#room.remove(producer);
    });
    this.#room.add(producer);
  }

  async acceptData(relayed: RelayedDataProducer): Promise<void> {
    this.#assertRole('puller');
    if (!this.#connected) throw new MeridianError('relay-failed', { message: 'Connect the relay end first.' });
    await this.#ask();
    const { dataProducerId, sessionId, label, protocol, sctpStreamParameters } = relayed;
    if (this.#dataStreams.has(dataProducerId)) return;
    if (this.#room.hasDataProducer(dataProducerId)) throw hereAlready(dataProducerId);
    const producer: FakeDataProducer = {
      id: dataProducerId,
      sessionId,
      label,
      protocol,
      sctpStreamParameters,
      origin: 'elsewhere',
      watchers: new Set(),
    };
    this.#dataStreams.set(dataProducerId, () => {
      this.#dataStreams.delete(dataProducerId);
      this.#room.removeData(producer);
    });
    this.#room.addData(producer);
  }

  drop(producerId: ProducerId): void {
    this.#assertRole('puller');
    this.#streams.get(producerId)?.();
  }

  dropData(dataProducerId: DataProducerId): void {
    this.#assertRole('puller');
    this.#dataStreams.get(dataProducerId)?.();
  }

  async setPaused(producerId: ProducerId, paused: boolean): Promise<void> {
    this.#assertRole('puller');
    if (!this.#streams.has(producerId)) throw new MeridianError('producer-not-found', { details: { producerId } });
    await this.#ask();
    this.#room.producer(producerId).setPaused(paused);
  }

  async stats(): Promise<RelayEndStats> {
    this.#assertOpen();
    return {
      rttMs: null,
      jitterMs: null,
      lossFraction: null,
      bytesSent: 0,
      bytesReceived: 0,
      packetsSent: 0,
      packetsReceived: 0,
    };
  }

  async traffic(): Promise<{ bytesSent: number; bytesReceived: number }> {
    this.#assertOpen();
    return { bytesSent: 0, bytesReceived: 0 };
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const end of [...this.#streams.values(), ...this.#dataStreams.values()]) end();
    this.#onClosed(this);
    this.#events.emit('closed');
    this.#events.close();
  }

  #watch(producer: FakeProducer): void {
    const { id } = producer;
    const watcher = {
      paused: (paused: boolean) => this.#events.emit(paused ? 'producer-paused' : 'producer-resumed', id),
      closed: () => {
        end();
        this.#events.emit('producer-closed', id);
      },
    };
    const end = () => {
      producer.watchers.delete(watcher);
      this.#streams.delete(id);
    };
    producer.watchers.add(watcher);
    this.#streams.set(id, end);
  }

  #watchData(producer: FakeDataProducer): void {
    const { id } = producer;
    const watcher = {
      closed: () => {
        end();
        this.#events.emit('data-producer-closed', id);
      },
    };
    const end = () => {
      producer.watchers.delete(watcher);
      this.#dataStreams.delete(id);
    };
    producer.watchers.add(watcher);
    this.#dataStreams.set(id, end);
  }

  async #ask(): Promise<void> {
    await turn();
    this.#assertOpen();
  }

  #assertRole(role: 'puller' | 'origin'): void {
    this.#assertOpen();
    if (this.role === role) return;
    throw new MeridianError('internal', { message: `Only the ${role}'s end of a relay link does this.` });
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError('relay end');
  }
}

const hereAlready = (id: string): MeridianError =>
  new MeridianError('relay-failed', { message: 'This producer is here already.', details: { producerId: id } });
