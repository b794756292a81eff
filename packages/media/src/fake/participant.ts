import {
  ConsumerId,
  DataConsumerId,
  DataProducerId,
  type DtlsParameters,
  type IceParameters,
  type MediaKind,
  type MediaSource,
  MeridianError,
  ProducerId,
  type RtpParameters,
  type SctpStreamParameters,
  type SessionId,
  type TransportId,
  type TransportOptions,
} from '@meridian/protocol';
import { Emitter } from '../emitter.ts';
import { closedError } from '../failures.ts';
import type { ParticipantEvents } from '../participant/events.ts';
import type { OpenedConsumer, OpenedDataConsumer, ParticipantMedia, ParticipantStats } from '../ports.ts';
import { type FakeDataProducer, FakeProducer, type FakeRoom } from './room.ts';
import { turn } from './turn.ts';

const NOTHING_MEASURED = { rttMs: null, lossFraction: null, jitterMs: null, bitrate: null };

export class FakeParticipant implements ParticipantMedia {
  readonly sessionId: SessionId;
  readonly sendTransport: TransportOptions;
  readonly recvTransport: TransportOptions;
  readonly #room: FakeRoom;
  readonly #events: Emitter<ParticipantEvents>;
  readonly #onClosed: (participant: FakeParticipant) => void;
  readonly #producers = new Map<ProducerId, FakeProducer>();
  readonly #dataProducers = new Map<DataProducerId, FakeDataProducer>();
  /** What ends each consumer. */
  readonly #consumers = new Map<ConsumerId, () => void>();
  readonly #dataConsumers = new Map<DataConsumerId, () => void>();
  #closed = false;

  constructor(options: { room: FakeRoom; sessionId: SessionId; onClosed: (participant: FakeParticipant) => void }) {
    this.#room = options.room;
    this.sessionId = options.sessionId;
    this.#onClosed = options.onClosed;
    this.#events = new Emitter(this.#room.onError);
    this.sendTransport = this.#transportOptions();
    this.recvTransport = this.#transportOptions();
  }

  get closed(): boolean {
    return this.#closed;
  }

  get consumers(): number {
    return this.#consumers.size;
  }

  on<E extends keyof ParticipantEvents>(event: E, listener: (...args: ParticipantEvents[E]) => void): () => void {
    return this.#events.on(event, listener);
  }

  /** There is no ICE and no DTLS: a transport is up as soon as it is connected. */
  async connect(transportId: TransportId, _dtlsParameters: DtlsParameters): Promise<void> {
    const transport = this.#transport(transportId);
    await this.#ask();
    this.#tell('transport-state', { transport, state: 'connected' });
  }

  async restartIce(transportId: TransportId): Promise<IceParameters> {
    this.#transport(transportId);
    await this.#ask();
    return { usernameFragment: this.#room.newId(), password: this.#room.newId(), iceLite: true };
  }

  async produce(options: {
    transportId: TransportId;
    kind: MediaKind;
    source: MediaSource;
    rtpParameters: RtpParameters;
    paused: boolean;
  }): Promise<ProducerId> {
    this.#assertSending(options.transportId);
    await this.#ask();
    const { kind, source, rtpParameters, paused } = options;
    const id = ProducerId.parse(this.#room.newId());
    const producer = new FakeProducer({
      id,
      sessionId: this.sessionId,
      kind,
      source,
      rtpParameters,
      paused,
      origin: 'here',
    });
    this.#producers.set(id, producer);
    this.#room.add(producer);
    return id;
  }

  closeProducer(producerId: ProducerId): void {
    const producer = this.#producer(producerId);
    this.#producers.delete(producerId);
    this.#room.remove(producer);
  }

  async pauseProducer(producerId: ProducerId): Promise<void> {
    const producer = this.#producer(producerId);
    await this.#ask();
    producer.setPaused(true);
  }

  async resumeProducer(producerId: ProducerId): Promise<void> {
    const producer = this.#producer(producerId);
    await this.#ask();
    producer.setPaused(false);
  }

  async consume(producerId: ProducerId): Promise<OpenedConsumer> {
    this.#assertOpen();
    this.#room.producer(producerId);
    await this.#ask();
    const { kind, rtpParameters, paused, watchers } = this.#room.producer(producerId);
    const consumerId = ConsumerId.parse(this.#room.newId());
    const watcher = {
      paused: (producerPaused: boolean) => this.#tell('consumer-updated', { consumerId, producerPaused }),
      closed: () => {
        end();
        this.#tell('consumer-closed', { consumerId, producerId });
      },
    };
    const end = () => {
      watchers.delete(watcher);
      this.#consumers.delete(consumerId);
    };
    watchers.add(watcher);
    this.#consumers.set(consumerId, end);
    return { consumerId, producerId, kind, type: 'simple', rtpParameters, producerPaused: paused };
  }

  closeConsumer(consumerId: ConsumerId): void {
    this.#assertOpen();
    this.#consumer(consumerId)();
  }

  async pauseConsumer(consumerId: ConsumerId): Promise<void> {
    this.#consumer(consumerId);
    await this.#ask();
  }

  async resumeConsumer(consumerId: ConsumerId): Promise<void> {
    this.#consumer(consumerId);
    await this.#ask();
  }

  async setLayers(consumerId: ConsumerId): Promise<void> {
    this.#consumer(consumerId);
    await this.#ask();
  }

  async setPriority(consumerId: ConsumerId): Promise<void> {
    this.#consumer(consumerId);
    await this.#ask();
  }

  async requestKeyFrame(consumerId: ConsumerId): Promise<void> {
    this.#consumer(consumerId);
    await this.#ask();
  }

  async produceData(options: {
    transportId: TransportId;
    label: string;
    protocol: string;
    sctpStreamParameters: SctpStreamParameters;
  }): Promise<DataProducerId> {
    this.#assertSending(options.transportId);
    await this.#ask();
    const { label, protocol, sctpStreamParameters } = options;
    const id = DataProducerId.parse(this.#room.newId());
    const producer: FakeDataProducer = {
      id,
      sessionId: this.sessionId,
      origin: 'here',
      label,
      protocol,
      sctpStreamParameters,
      watchers: new Set(),
    };
    this.#dataProducers.set(id, producer);
    this.#room.addData(producer);
    return id;
  }

  closeDataProducer(dataProducerId: DataProducerId): void {
    this.#assertOpen();
    const producer = this.#dataProducers.get(dataProducerId);
    if (producer === undefined) throw new MeridianError('producer-not-found', { details: { dataProducerId } });
    this.#dataProducers.delete(dataProducerId);
    this.#room.removeData(producer);
  }

  async consumeData(dataProducerId: DataProducerId): Promise<OpenedDataConsumer> {
    this.#assertOpen();
    this.#room.dataProducer(dataProducerId);
    await this.#ask();
    const { label, protocol, sctpStreamParameters, watchers } = this.#room.dataProducer(dataProducerId);
    const dataConsumerId = DataConsumerId.parse(this.#room.newId());
    const watcher = {
      closed: () => {
        end();
        this.#tell('data-consumer-closed', { dataConsumerId, dataProducerId });
      },
    };
    const end = () => {
      watchers.delete(watcher);
      this.#dataConsumers.delete(dataConsumerId);
    };
    watchers.add(watcher);
    this.#dataConsumers.set(dataConsumerId, end);
    const parameters = { ...sctpStreamParameters, streamId: this.#dataConsumers.size - 1 };
    return { dataConsumerId, dataProducerId, label, protocol, sctpStreamParameters: parameters };
  }

  closeDataConsumer(dataConsumerId: DataConsumerId): void {
    this.#assertOpen();
    const end = this.#dataConsumers.get(dataConsumerId);
    if (end === undefined) throw new MeridianError('consumer-not-found', { details: { dataConsumerId } });
    end();
  }

  async stats(): Promise<ParticipantStats> {
    this.#assertOpen();
    return {
      up: NOTHING_MEASURED,
      down: NOTHING_MEASURED,
      availableOutgoingBitrate: null,
      consumers: [...this.#consumers.keys()].map((consumerId) => ({
        consumerId,
        score: 10,
        spatialLayer: null,
        temporalLayer: null,
      })),
    };
  }

  async incomingBitrate(): Promise<number | undefined> {
    this.#assertOpen();
    return undefined;
  }

  /** What happens when the worker dies. */
  lose(): void {
    for (const producerId of this.#producers.keys())
      this.#tell('producer-closed', { producerId, reason: 'worker-died' });
    this.close();
  }

  /** Lets a test say what ICE and DTLS would. */
  setTransportState(transport: 'send' | 'recv', state: 'connected' | 'disconnected' | 'failed'): void {
    this.#tell('transport-state', { transport, state });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const end of [...this.#consumers.values(), ...this.#dataConsumers.values()]) end();
    for (const producer of this.#producers.values()) this.#room.remove(producer);
    for (const producer of this.#dataProducers.values()) this.#room.removeData(producer);
    this.#onClosed(this);
    this.#events.emit('closed');
    this.#events.close();
  }

  #tell<E extends keyof ParticipantEvents>(event: E, ...args: ParticipantEvents[E]): void {
    if (!this.#closed) this.#events.emit(event, ...args);
  }

  async #ask(): Promise<void> {
    await turn();
    this.#assertOpen();
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError('participant');
  }

  #transport(transportId: TransportId): 'send' | 'recv' {
    this.#assertOpen();
    if (transportId === this.sendTransport.id) return 'send';
    if (transportId === this.recvTransport.id) return 'recv';
    throw new MeridianError('transport-not-found', { details: { transportId } });
  }

  #assertSending(transportId: TransportId): void {
    if (this.#transport(transportId) !== 'send') {
      throw new MeridianError('transport-not-found', { details: { transportId } });
    }
  }

  #producer(producerId: ProducerId): FakeProducer {
    this.#assertOpen();
    const producer = this.#producers.get(producerId);
    if (producer === undefined) throw new MeridianError('producer-not-found', { details: { producerId } });
    return producer;
  }

  #consumer(consumerId: ConsumerId): () => void {
    this.#assertOpen();
    const end = this.#consumers.get(consumerId);
    if (end === undefined) throw new MeridianError('consumer-not-found', { details: { consumerId } });
    return end;
  }

  #transportOptions(): TransportOptions {
    const { newId } = this.#room;
    return {
      id: newId(),
      iceParameters: { usernameFragment: newId(), password: newId(), iceLite: true },
      iceCandidates: [
        {
          foundation: 'udpcandidate',
          priority: 1_076_558_079,
          address: '127.0.0.1',
          protocol: 'udp',
          port: 9,
          type: 'host',
        },
      ],
      dtlsParameters: { role: 'auto', fingerprints: [{ algorithm: 'sha-256', value: Array(32).fill('00').join(':') }] },
      sctpParameters: { port: 5000, OS: 65_535, MIS: 65_535, maxMessageSize: 65_536 },
    };
  }
}
