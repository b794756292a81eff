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
  type RtpCapabilities,
  type RtpParameters,
  type SctpStreamParameters,
  type SessionId,
  type TransportId,
  type TransportOptions,
} from '@meridian/protocol';
import type { types } from 'mediasoup';
import { Emitter } from './emitter.ts';
import { closedError, mediaFailure } from './failures.ts';
import type { MediaLogger } from './options.ts';
import type { OpenedConsumer, OpenedDataConsumer, ParticipantMedia, ParticipantStats } from './ports.ts';
import type { Release, RoomDataProducer, RoomProducer } from './room-routers.ts';
import { participantStats } from './stats/participant-stats.ts';
import { type TransportState, watchTransport } from './transport-state.ts';
import {
  fromConsumerType,
  fromIceParameters,
  fromRtpParameters,
  fromSctpStreamParameters,
  toDtlsParameters,
  toRtpCapabilities,
  toRtpParameters,
  toSctpStreamParameters,
  transportOptions,
} from './wire.ts';
import type { PlacedRouter } from './worker-pool.ts';

type Events = {
  'producer-closed': [{ producerId: ProducerId; reason: 'transport-closed' | 'worker-died' }];
  'consumer-closed': [{ consumerId: ConsumerId; producerId: ProducerId }];
  'consumer-updated': [{ consumerId: ConsumerId; producerPaused: boolean }];
  'consumer-layers': [{ consumerId: ConsumerId; spatialLayer: number | null; temporalLayer: number | null }];
  'consumer-score': [{ consumerId: ConsumerId; score: number; producerScore: number }];
  'data-producer-closed': [{ dataProducerId: DataProducerId }];
  'data-consumer-closed': [{ dataConsumerId: DataConsumerId; dataProducerId: DataProducerId }];
  'transport-state': [{ transport: 'send' | 'recv'; state: TransportState }];
  closed: [];
};

/** What a participant needs of its room. */
export interface ParticipantRoom {
  readonly logger: MediaLogger;
  producer(id: ProducerId): RoomProducer | undefined;
  dataProducer(id: DataProducerId): RoomDataProducer | undefined;
  published(entry: RoomProducer | RoomDataProducer): void;
  unpublished(entry: RoomProducer | RoomDataProducer): void;
  bring(entry: RoomProducer | RoomDataProducer, target: PlacedRouter): Promise<Release>;
  participantClosed(participant: Participant): void;
}

export interface ParticipantOptions {
  readonly sessionId: SessionId;
  readonly rtpCapabilities: RtpCapabilities;
  readonly placed: PlacedRouter;
  readonly send: types.WebRtcTransport;
  readonly recv: types.WebRtcTransport;
  readonly room: ParticipantRoom;
  /** Gives the place on the router back. */
  readonly leave: Release;
}

interface Held<T> {
  readonly object: T;
  readonly release: Release;
}

/** One participant's two transports and all that runs over them. */
export class Participant implements ParticipantMedia {
  readonly sessionId: SessionId;
  readonly sendTransport: TransportOptions;
  readonly recvTransport: TransportOptions;
  readonly placed: PlacedRouter;
  readonly #capabilities: types.RtpCapabilities;
  readonly #send: types.WebRtcTransport;
  readonly #recv: types.WebRtcTransport;
  readonly #room: ParticipantRoom;
  readonly #leave: Release;
  readonly #events: Emitter<Events>;
  readonly #producers = new Map<ProducerId, RoomProducer>();
  readonly #consumers = new Map<ConsumerId, Held<types.Consumer>>();
  readonly #dataProducers = new Map<DataProducerId, RoomDataProducer>();
  readonly #dataConsumers = new Map<DataConsumerId, Held<types.DataConsumer>>();
  #closed = false;

  constructor(options: ParticipantOptions) {
    this.sessionId = options.sessionId;
    this.placed = options.placed;
    this.#capabilities = toRtpCapabilities(options.rtpCapabilities);
    this.#send = options.send;
    this.#recv = options.recv;
    this.#room = options.room;
    this.#leave = options.leave;
    this.#events = new Emitter((error) =>
      options.room.logger.error({ sessionId: this.sessionId, err: error }, 'a listener of a participant failed'),
    );
    this.sendTransport = transportOptions(this.#send);
    this.recvTransport = transportOptions(this.#recv);
    watchTransport(this.#send, (state) => this.#tell('transport-state', { transport: 'send', state }));
    watchTransport(this.#recv, (state) => this.#tell('transport-state', { transport: 'recv', state }));
  }

  get closed(): boolean {
    return this.#closed;
  }

  on<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): () => void {
    return this.#events.on(event, listener);
  }

  async connect(transportId: TransportId, dtlsParameters: DtlsParameters): Promise<void> {
    const transport = this.#transport(transportId);
    await this.#ask('connect', transport.connect({ dtlsParameters: toDtlsParameters(dtlsParameters) }));
  }

  async restartIce(transportId: TransportId): Promise<IceParameters> {
    return fromIceParameters(await this.#ask('restart ICE', this.#transport(transportId).restartIce()));
  }

  async produce(options: {
    transportId: TransportId;
    kind: MediaKind;
    source: MediaSource;
    rtpParameters: RtpParameters;
    paused: boolean;
  }): Promise<ProducerId> {
    const transport = this.#sending(options.transportId);
    const producer = await this.#ask(
      'produce',
      transport.produce({
        kind: options.kind,
        rtpParameters: toRtpParameters(options.rtpParameters),
        paused: options.paused,
      }),
    );
    this.#keep(producer);
    const entry: RoomProducer = {
      type: 'media',
      id: ProducerId.parse(producer.id),
      sessionId: this.sessionId,
      kind: options.kind,
      source: options.source,
      origin: 'here',
      home: this.placed,
      producer,
    };
    this.#producers.set(entry.id, entry);
    producer.once('transportclose', () => {
      this.#producers.delete(entry.id);
      this.#room.unpublished(entry);
      const reason = this.placed.worker.worker.died ? 'worker-died' : 'transport-closed';
      this.#tell('producer-closed', { producerId: entry.id, reason });
    });
    this.#room.published(entry);
    return entry.id;
  }

  closeProducer(producerId: ProducerId): void {
    const entry = this.#producer(producerId);
    this.#producers.delete(producerId);
    entry.producer.close();
    this.#room.unpublished(entry);
  }

  async pauseProducer(producerId: ProducerId): Promise<void> {
    await this.#ask('pause', this.#producer(producerId).producer.pause());
  }

  async resumeProducer(producerId: ProducerId): Promise<void> {
    await this.#ask('resume', this.#producer(producerId).producer.resume());
  }

  async consume(producerId: ProducerId): Promise<OpenedConsumer> {
    this.#assertOpen();
    const entry = this.#room.producer(producerId);
    if (entry === undefined) throw new MeridianError('producer-not-found', { details: { producerId } });
    const release = await this.#bring(entry);
    try {
      const { router } = this.placed;
      if (!router.canConsume({ producerId, rtpCapabilities: this.#capabilities })) {
        throw new MeridianError(entry.producer.closed ? 'producer-not-found' : 'cannot-consume', {
          details: { producerId },
        });
      }
      const consumer = await this.#recv
        .consume({ producerId, rtpCapabilities: this.#capabilities, paused: true })
        .catch((thrown: unknown) => {
          if (this.#closed) throw closedError('participant');
          if (entry.producer.closed) throw new MeridianError('producer-not-found', { cause: thrown });
          throw mediaFailure(thrown, 'consume', { rejected: 'cannot-consume' });
        });
      this.#keep(consumer);
      if (entry.producer.closed) {
        consumer.close();
        throw new MeridianError('producer-not-found', { details: { producerId } });
      }
      return this.#watchConsumer(consumer, entry, release);
    } catch (thrown) {
      release();
      throw thrown;
    }
  }

  closeConsumer(consumerId: ConsumerId): void {
    this.#consumer(consumerId).close();
  }

  async pauseConsumer(consumerId: ConsumerId): Promise<void> {
    await this.#ask('pause', this.#consumer(consumerId).pause());
  }

  async resumeConsumer(consumerId: ConsumerId): Promise<void> {
    // The worker asks the publisher for a key frame when a video consumer resumes.
    await this.#ask('resume', this.#consumer(consumerId).resume());
  }

  async setLayers(
    consumerId: ConsumerId,
    layers: { spatialLayer: number; temporalLayer?: number | undefined },
  ): Promise<void> {
    const { spatialLayer, temporalLayer } = layers;
    await this.#ask(
      'set layers',
      this.#consumer(consumerId).setPreferredLayers({
        spatialLayer,
        ...(temporalLayer === undefined ? {} : { temporalLayer }),
      }),
    );
  }

  async setPriority(consumerId: ConsumerId, priority: number): Promise<void> {
    await this.#ask('set priority', this.#consumer(consumerId).setPriority(priority));
  }

  async requestKeyFrame(consumerId: ConsumerId): Promise<void> {
    await this.#ask('request a key frame', this.#consumer(consumerId).requestKeyFrame());
  }

  async produceData(options: {
    transportId: TransportId;
    label: string;
    protocol: string;
    sctpStreamParameters: SctpStreamParameters;
  }): Promise<DataProducerId> {
    const transport = this.#sending(options.transportId);
    const { label, protocol } = options;
    const producer = await this.#ask(
      'produce data',
      transport.produceData({
        label,
        protocol,
        sctpStreamParameters: toSctpStreamParameters(options.sctpStreamParameters),
      }),
    );
    this.#keep(producer);
    const { streamId: _, ...delivery } = fromSctpStreamParameters(producer.sctpStreamParameters);
    const entry: RoomDataProducer = {
      type: 'data',
      id: DataProducerId.parse(producer.id),
      sessionId: this.sessionId,
      origin: 'here',
      home: this.placed,
      producer,
      delivery,
    };
    this.#dataProducers.set(entry.id, entry);
    producer.once('transportclose', () => {
      this.#dataProducers.delete(entry.id);
      this.#room.unpublished(entry);
      this.#tell('data-producer-closed', { dataProducerId: entry.id });
    });
    this.#room.published(entry);
    return entry.id;
  }

  closeDataProducer(dataProducerId: DataProducerId): void {
    this.#assertOpen();
    const entry = this.#dataProducers.get(dataProducerId);
    if (entry === undefined) throw new MeridianError('producer-not-found', { details: { dataProducerId } });
    this.#dataProducers.delete(dataProducerId);
    entry.producer.close();
    this.#room.unpublished(entry);
  }

  async consumeData(dataProducerId: DataProducerId): Promise<OpenedDataConsumer> {
    this.#assertOpen();
    const entry = this.#room.dataProducer(dataProducerId);
    if (entry === undefined) throw new MeridianError('producer-not-found', { details: { dataProducerId } });
    const release = await this.#bring(entry);
    try {
      const { ordered, maxPacketLifeTime, maxRetransmits } = entry.delivery;
      const consumer = await this.#recv
        .consumeData({
          dataProducerId,
          ...(ordered === undefined ? {} : { ordered }),
          ...(maxPacketLifeTime === undefined ? {} : { maxPacketLifeTime }),
          ...(maxRetransmits === undefined ? {} : { maxRetransmits }),
        })
        .catch((thrown: unknown) => {
          if (this.#closed) throw closedError('participant');
          if (entry.producer.closed) throw new MeridianError('producer-not-found', { cause: thrown });
          throw mediaFailure(thrown, 'consume data');
        });
      this.#keep(consumer);
      if (entry.producer.closed) {
        consumer.close();
        throw new MeridianError('producer-not-found', { details: { dataProducerId } });
      }
      const dataConsumerId = DataConsumerId.parse(consumer.id);
      this.#dataConsumers.set(dataConsumerId, { object: consumer, release });
      consumer.observer.once('close', () => {
        this.#dataConsumers.delete(dataConsumerId);
        release();
      });
      const gone = () => this.#tell('data-consumer-closed', { dataConsumerId, dataProducerId });
      consumer.once('dataproducerclose', gone);
      consumer.once('transportclose', gone);
      return {
        dataConsumerId,
        dataProducerId,
        label: consumer.label,
        protocol: consumer.protocol,
        sctpStreamParameters: fromSctpStreamParameters(consumer.sctpStreamParameters),
      };
    } catch (thrown) {
      release();
      throw thrown;
    }
  }

  closeDataConsumer(dataConsumerId: DataConsumerId): void {
    this.#assertOpen();
    const held = this.#dataConsumers.get(dataConsumerId);
    if (held === undefined) throw new MeridianError('consumer-not-found', { details: { dataConsumerId } });
    held.object.close();
  }

  async stats(): Promise<ParticipantStats> {
    this.#assertOpen();
    return participantStats({
      send: this.#send,
      recv: this.#recv,
      producers: this.producers,
      consumers: this.#consumers,
    });
  }

  /** For the engine's collect. */
  get producers(): readonly types.Producer[] {
    return [...this.#producers.values()].map((entry) => entry.producer);
  }

  get consumers(): readonly types.Consumer[] {
    return [...this.#consumers.values()].map((held) => held.object);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // Closing the transports closes all that runs over them; who closes it needs no events for that.
    const entries = [...this.#producers.values(), ...this.#dataProducers.values()];
    this.#producers.clear();
    this.#dataProducers.clear();
    this.#finish(() => {
      this.#send.close();
      this.#recv.close();
      for (const entry of entries) this.#room.unpublished(entry);
    });
  }

  /** The worker died: mediasoup has closed everything, and the events of that went out. */
  lost(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#finish(() => {});
  }

  #tell<E extends keyof Events>(event: E, ...args: Events[E]): void {
    if (!this.#closed) this.#events.emit(event, ...args);
  }

  #finish(closeAll: () => void): void {
    closeAll();
    this.#leave();
    this.#room.participantClosed(this);
    this.#events.emit('closed');
    this.#events.close();
  }

  #watchConsumer(consumer: types.Consumer, entry: RoomProducer, release: Release): OpenedConsumer {
    const consumerId = ConsumerId.parse(consumer.id);
    const producerId = entry.id;
    this.#consumers.set(consumerId, { object: consumer, release });
    consumer.observer.once('close', () => {
      this.#consumers.delete(consumerId);
      release();
    });
    const gone = () => this.#tell('consumer-closed', { consumerId, producerId });
    consumer.once('producerclose', gone);
    consumer.once('transportclose', gone);
    consumer.on('producerpause', () => this.#tell('consumer-updated', { consumerId, producerPaused: true }));
    consumer.on('producerresume', () => this.#tell('consumer-updated', { consumerId, producerPaused: false }));
    consumer.on('layerschange', (layers) =>
      this.#tell('consumer-layers', {
        consumerId,
        spatialLayer: layers?.spatialLayer ?? null,
        temporalLayer: layers?.temporalLayer ?? null,
      }),
    );
    consumer.on('score', ({ score, producerScore }) =>
      this.#tell('consumer-score', { consumerId, score, producerScore }),
    );
    return {
      consumerId,
      producerId,
      kind: consumer.kind,
      type: fromConsumerType(consumer.type),
      rtpParameters: fromRtpParameters(consumer.rtpParameters),
      producerPaused: consumer.producerPaused,
    };
  }

  async #bring(entry: RoomProducer | RoomDataProducer): Promise<Release> {
    const release = await this.#room.bring(entry, this.placed);
    if (!this.#closed) return release;
    release();
    throw closedError('participant');
  }

  /** What came up while the participant closed must not stay. */
  #keep(object: { readonly closed: boolean; close(): void }): void {
    if (!this.#closed && !object.closed) return;
    object.close();
    throw closedError('participant');
  }

  async #ask<T>(what: string, asked: Promise<T>): Promise<T> {
    try {
      return await asked;
    } catch (thrown) {
      if (this.#closed) throw closedError('participant');
      // The worker answers refused parameters with plain errors too.
      throw mediaFailure(thrown, what, { otherwise: 'media-rejected' });
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError('participant');
  }

  #transport(transportId: TransportId): types.WebRtcTransport {
    this.#assertOpen();
    if (transportId === this.#send.id) return this.#send;
    if (transportId === this.#recv.id) return this.#recv;
    throw new MeridianError('transport-not-found', { details: { transportId } });
  }

  /** The transport of this id, if it is the one to publish over. */
  #sending(transportId: TransportId): types.WebRtcTransport {
    const transport = this.#transport(transportId);
    if (transport === this.#send) return transport;
    throw new MeridianError('transport-not-found', {
      message: 'Publishing goes over the send transport.',
      details: { transportId },
    });
  }

  #producer(producerId: ProducerId): RoomProducer {
    this.#assertOpen();
    const entry = this.#producers.get(producerId);
    if (entry === undefined) throw new MeridianError('producer-not-found', { details: { producerId } });
    return entry;
  }

  #consumer(consumerId: ConsumerId): types.Consumer {
    this.#assertOpen();
    const held = this.#consumers.get(consumerId);
    if (held === undefined) throw new MeridianError('consumer-not-found', { details: { consumerId } });
    return held.object;
  }
}
