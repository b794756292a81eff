import { randomUUID } from 'node:crypto';
import type { OpenedConsumer, OpenedDataConsumer, ParticipantMedia, ParticipantStats } from '@meridian/media';
import {
  ConsumerId,
  DataConsumerId,
  DataProducerId,
  type IceParameters,
  MeridianError,
  ProducerId,
  type RelayedDataProducer,
  type SessionId,
  TransportId,
  type TransportOptions,
} from '@meridian/protocol';
import { FakeEmitter } from './fake-emitter.ts';
import { closeFake, type FakeDataProducer, type FakeProducer, type FakeRegistry, setPaused } from './fake-relay-end.ts';
import { opusParameters } from './rtp.ts';

type Events = {
  'producer-closed': [{ producerId: ProducerId; reason: 'transport-closed' | 'worker-died' }];
  'consumer-closed': [{ consumerId: ConsumerId; producerId: ProducerId }];
  'consumer-updated': [{ consumerId: ConsumerId; producerPaused: boolean }];
  'consumer-layers': [{ consumerId: ConsumerId; spatialLayer: number | null; temporalLayer: number | null }];
  'consumer-score': [{ consumerId: ConsumerId; score: number; producerScore: number }];
  'data-producer-closed': [{ dataProducerId: DataProducerId }];
  'data-consumer-closed': [{ dataConsumerId: DataConsumerId; dataProducerId: DataProducerId }];
  'transport-state': [{ transport: 'send' | 'recv'; state: 'connected' | 'disconnected' | 'failed' }];
  closed: [];
};

function transport(): TransportOptions {
  return {
    id: randomUUID(),
    iceParameters: { usernameFragment: 'ufrag', password: 'pwd', iceLite: true },
    iceCandidates: [],
    dtlsParameters: { role: 'auto', fingerprints: [{ algorithm: 'sha-256', value: '00:11' }] },
  };
}

/** Two transports that lead nowhere, and the books of what runs over them. */
export class FakeParticipant extends FakeEmitter<Events> implements ParticipantMedia {
  readonly sessionId: SessionId;
  readonly sendTransport = transport();
  readonly recvTransport = transport();
  readonly consumers = new Map<ConsumerId, { producerId: ProducerId; paused: boolean; release: () => void }>();
  readonly dataConsumers = new Map<DataConsumerId, { dataProducerId: DataProducerId; release: () => void }>();
  readonly calls: string[] = [];
  closed = false;
  readonly #registry: FakeRegistry;
  readonly #step: (what: string) => Promise<void>;
  readonly #onClosed: (participant: FakeParticipant) => void;
  readonly #producers = new Map<ProducerId, FakeProducer>();
  readonly #dataProducers = new Map<DataProducerId, FakeDataProducer>();

  constructor(options: {
    sessionId: SessionId;
    registry: FakeRegistry;
    step: (what: string) => Promise<void>;
    onClosed: (participant: FakeParticipant) => void;
  }) {
    super();
    this.sessionId = options.sessionId;
    this.#registry = options.registry;
    this.#step = options.step;
    this.#onClosed = options.onClosed;
  }

  async connect(transportId: TransportId): Promise<void> {
    this.#transport(transportId);
    await this.#step('connect');
    this.calls.push('connect');
  }

  async restartIce(transportId: TransportId): Promise<IceParameters> {
    this.#transport(transportId);
    await this.#step('restart-ice');
    return { usernameFragment: 'new', password: 'new' };
  }

  async produce(options: Parameters<ParticipantMedia['produce']>[0]): Promise<ProducerId> {
    this.#transport(options.transportId);
    await this.#step('produce');
    this.#assertOpen();
    const producerId = ProducerId.parse(randomUUID());
    const { kind, source, paused } = options;
    const info = { producerId, sessionId: this.sessionId, kind, source };
    const producer: FakeProducer = { info, paused, local: true, watchers: new Set(), closed: false };
    this.#producers.set(producerId, producer);
    this.#registry.putProducer(producer);
    return producerId;
  }

  closeProducer(producerId: ProducerId): void {
    this.#assertOpen();
    const producer = this.#producers.get(producerId);
    if (producer === undefined) throw new MeridianError('producer-not-found');
    this.#producers.delete(producerId);
    closeFake(producer);
  }

  async pauseProducer(producerId: ProducerId): Promise<void> {
    await this.#step('pause');
    this.#setPaused(producerId, true);
  }

  async resumeProducer(producerId: ProducerId): Promise<void> {
    await this.#step('resume');
    this.#setPaused(producerId, false);
  }

  async consume(producerId: ProducerId): Promise<OpenedConsumer> {
    this.#assertOpen();
    await this.#step('consume');
    this.#assertOpen();
    const producer = this.#registry.producer(producerId);
    if (producer === undefined) throw new MeridianError('producer-not-found');
    const consumerId = ConsumerId.parse(randomUUID());
    const watch = (what: 'paused' | 'resumed' | 'closed') => {
      if (what === 'closed') {
        this.consumers.delete(consumerId);
        this.emit('consumer-closed', { consumerId, producerId });
      } else {
        this.emit('consumer-updated', { consumerId, producerPaused: what === 'paused' });
      }
    };
    producer.watchers.add(watch);
    this.consumers.set(consumerId, { producerId, paused: true, release: () => producer.watchers.delete(watch) });
    return {
      consumerId,
      producerId,
      kind: producer.info.kind,
      type: 'simple',
      rtpParameters: opusParameters(),
      producerPaused: producer.paused,
    };
  }

  closeConsumer(consumerId: ConsumerId): void {
    this.#consumer(consumerId).release();
    this.consumers.delete(consumerId);
  }

  async pauseConsumer(consumerId: ConsumerId): Promise<void> {
    this.#consumer(consumerId).paused = true;
  }

  async resumeConsumer(consumerId: ConsumerId): Promise<void> {
    this.#consumer(consumerId).paused = false;
  }

  async setLayers(consumerId: ConsumerId): Promise<void> {
    this.#consumer(consumerId);
    this.calls.push('set-layers');
  }

  async setPriority(consumerId: ConsumerId): Promise<void> {
    this.#consumer(consumerId);
    this.calls.push('set-priority');
  }

  async requestKeyFrame(consumerId: ConsumerId): Promise<void> {
    this.#consumer(consumerId);
    this.calls.push('key-frame');
  }

  async produceData(options: Parameters<ParticipantMedia['produceData']>[0]): Promise<DataProducerId> {
    this.#transport(options.transportId);
    await this.#step('produce');
    this.#assertOpen();
    const dataProducerId = DataProducerId.parse(randomUUID());
    const { label, protocol, sctpStreamParameters } = options;
    const info: RelayedDataProducer = {
      dataProducerId,
      sessionId: this.sessionId,
      label,
      protocol,
      sctpStreamParameters,
    };
    const producer: FakeDataProducer = { info, local: true, watchers: new Set(), closed: false };
    this.#dataProducers.set(dataProducerId, producer);
    this.#registry.putDataProducer(producer);
    return dataProducerId;
  }

  closeDataProducer(dataProducerId: DataProducerId): void {
    this.#assertOpen();
    const producer = this.#dataProducers.get(dataProducerId);
    if (producer === undefined) throw new MeridianError('producer-not-found');
    this.#dataProducers.delete(dataProducerId);
    closeFake(producer);
  }

  async consumeData(dataProducerId: DataProducerId): Promise<OpenedDataConsumer> {
    this.#assertOpen();
    await this.#step('consume');
    this.#assertOpen();
    const producer = this.#registry.dataProducer(dataProducerId);
    if (producer === undefined) throw new MeridianError('producer-not-found');
    const dataConsumerId = DataConsumerId.parse(randomUUID());
    const watch = () => {
      this.dataConsumers.delete(dataConsumerId);
      this.emit('data-consumer-closed', { dataConsumerId, dataProducerId });
    };
    producer.watchers.add(watch);
    this.dataConsumers.set(dataConsumerId, { dataProducerId, release: () => producer.watchers.delete(watch) });
    const { label, protocol, sctpStreamParameters } = producer.info;
    return { dataConsumerId, dataProducerId, label, protocol, sctpStreamParameters };
  }

  closeDataConsumer(dataConsumerId: DataConsumerId): void {
    this.#assertOpen();
    const consumer = this.dataConsumers.get(dataConsumerId);
    if (consumer === undefined) throw new MeridianError('consumer-not-found');
    consumer.release();
    this.dataConsumers.delete(dataConsumerId);
  }

  /** What a test says that it sends, bit/s. */
  bitrate: number | undefined;

  async incomingBitrate(): Promise<number | undefined> {
    this.#assertOpen();
    return this.bitrate;
  }

  async stats(): Promise<ParticipantStats> {
    this.#assertOpen();
    const leg = { rttMs: 30, lossFraction: 0, jitterMs: 2, bitrate: 64_000 };
    return {
      up: leg,
      down: leg,
      availableOutgoingBitrate: 1_000_000,
      consumers: [...this.consumers.keys()].map((consumerId) => ({
        consumerId,
        score: 10,
        spatialLayer: null,
        temporalLayer: null,
      })),
    };
  }

  /** ICE or DTLS of a transport changes. */
  transportState(name: 'send' | 'recv', state: 'connected' | 'disconnected' | 'failed'): void {
    this.emit('transport-state', { transport: name, state });
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const producer of [...this.#producers.values(), ...this.#dataProducers.values()]) closeFake(producer);
    for (const consumer of [...this.consumers.values(), ...this.dataConsumers.values()]) consumer.release();
    this.consumers.clear();
    this.dataConsumers.clear();
    this.#onClosed(this);
    this.emit('closed');
  }

  #setPaused(producerId: ProducerId, paused: boolean): void {
    this.#assertOpen();
    const producer = this.#producers.get(producerId);
    if (producer === undefined) throw new MeridianError('producer-not-found');
    setPaused(producer, paused);
  }

  #consumer(consumerId: ConsumerId) {
    this.#assertOpen();
    const consumer = this.consumers.get(consumerId);
    if (consumer === undefined) throw new MeridianError('consumer-not-found');
    return consumer;
  }

  #transport(transportId: TransportId): void {
    this.#assertOpen();
    const known = [this.sendTransport.id, this.recvTransport.id].map((id) => TransportId.parse(id));
    if (!known.includes(transportId)) throw new MeridianError('transport-not-found');
  }

  #assertOpen(): void {
    if (this.closed) throw new MeridianError('closed');
  }
}
