import { ConsumerId, DataConsumerId, type DataProducerId, MeridianError, type ProducerId } from '@meridian/protocol';
import type { types } from 'mediasoup';
import { mediaFailure } from '../failures.ts';
import type { OpenedConsumer, OpenedDataConsumer } from '../ports.ts';
import type { Registry, Release, RoomEntry } from '../room/entries.ts';
import { fromConsumerType, fromRtpParameters, fromSctpStreamParameters } from '../wire.ts';
import type { PlacedRouter } from '../workers/slot.ts';
import type { Guard, ParticipantEvents, Tell } from './events.ts';

/** What one participant receives. */
export class Subscriptions {
  readonly #placed: PlacedRouter;
  readonly #capabilities: types.RtpCapabilities;
  readonly #transport: types.WebRtcTransport;
  readonly #registry: Registry;
  readonly #guard: Guard;
  readonly #tell: Tell<ParticipantEvents>;
  readonly #media = new Map<ConsumerId, types.Consumer>();
  readonly #data = new Map<DataConsumerId, types.DataConsumer>();

  constructor(options: {
    placed: PlacedRouter;
    capabilities: types.RtpCapabilities;
    transport: types.WebRtcTransport;
    registry: Registry;
    guard: Guard;
    tell: Tell<ParticipantEvents>;
  }) {
    this.#placed = options.placed;
    this.#capabilities = options.capabilities;
    this.#transport = options.transport;
    this.#registry = options.registry;
    this.#guard = options.guard;
    this.#tell = options.tell;
  }

  get consumers(): ReadonlyMap<ConsumerId, types.Consumer> {
    return this.#media;
  }

  /** Starts paused. */
  async consume(producerId: ProducerId): Promise<OpenedConsumer> {
    this.#guard.assertOpen();
    const entry = this.#registry.producer(producerId);
    if (entry === undefined) throw new MeridianError('producer-not-found', { details: { producerId } });
    const { consumer, release } = await this.#open(entry, { rejected: 'cannot-consume' }, () => {
      if (!this.#placed.router.canConsume({ producerId, rtpCapabilities: this.#capabilities })) {
        throw new MeridianError('cannot-consume', { details: { producerId } });
      }
      return this.#transport.consume({ producerId, rtpCapabilities: this.#capabilities, paused: true });
    });
    const consumerId = ConsumerId.parse(consumer.id);
    this.#media.set(consumerId, consumer);
    consumer.observer.once('close', () => {
      this.#media.delete(consumerId);
      release();
    });
    const gone = () => this.#tell('consumer-closed', { consumerId, producerId });
    consumer.once('producerclose', gone);
    consumer.once('transportclose', gone);
    this.#watch(consumerId, consumer);
    return {
      consumerId,
      producerId,
      kind: consumer.kind,
      type: fromConsumerType(consumer.type),
      rtpParameters: fromRtpParameters(consumer.rtpParameters),
      producerPaused: consumer.producerPaused,
    };
  }

  async consumeData(dataProducerId: DataProducerId): Promise<OpenedDataConsumer> {
    this.#guard.assertOpen();
    const entry = this.#registry.dataProducer(dataProducerId);
    if (entry === undefined) throw new MeridianError('producer-not-found', { details: { dataProducerId } });
    const { consumer, release } = await this.#open(entry, {}, () =>
      this.#transport.consumeData({ dataProducerId, ...entry.delivery }),
    );
    const dataConsumerId = DataConsumerId.parse(consumer.id);
    this.#data.set(dataConsumerId, consumer);
    consumer.observer.once('close', () => {
      this.#data.delete(dataConsumerId);
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
  }

  close(consumerId: ConsumerId): void {
    this.#consumer(consumerId).close();
  }

  closeData(dataConsumerId: DataConsumerId): void {
    this.#guard.assertOpen();
    const consumer = this.#data.get(dataConsumerId);
    if (consumer === undefined) throw new MeridianError('consumer-not-found', { details: { dataConsumerId } });
    consumer.close();
  }

  async pause(consumerId: ConsumerId): Promise<void> {
    await this.#guard.asked('pause', this.#consumer(consumerId).pause());
  }

  /** The worker asks the publisher for a key frame when a video consumer resumes. */
  async resume(consumerId: ConsumerId): Promise<void> {
    await this.#guard.asked('resume', this.#consumer(consumerId).resume());
  }

  async setLayers(consumerId: ConsumerId, layers: types.ConsumerLayers): Promise<void> {
    await this.#guard.asked('set layers', this.#consumer(consumerId).setPreferredLayers(layers));
  }

  async setPriority(consumerId: ConsumerId, priority: number): Promise<void> {
    await this.#guard.asked('set priority', this.#consumer(consumerId).setPriority(priority));
  }

  async requestKeyFrame(consumerId: ConsumerId): Promise<void> {
    await this.#guard.asked('request a key frame', this.#consumer(consumerId).requestKeyFrame());
  }

  /** Brings the producer to this participant's router and consumes it there; all or nothing. */
  async #open<T extends { readonly closed: boolean; close(): void }>(
    entry: RoomEntry,
    codes: { rejected?: 'cannot-consume' },
    consume: () => Promise<T>,
  ): Promise<{ consumer: T; release: Release }> {
    const release = await this.#registry.bring(entry, this.#placed);
    try {
      this.#guard.assertOpen();
      const consumer = await consume();
      this.#guard.keep(consumer);
      if (!entry.producer.closed) return { consumer, release };
      consumer.close();
      throw new MeridianError('producer-not-found', { details: { producerId: entry.id } });
    } catch (thrown) {
      release();
      this.#guard.assertOpen();
      if (entry.producer.closed) throw new MeridianError('producer-not-found', { cause: thrown });
      throw mediaFailure(thrown, 'consume', codes);
    }
  }

  #watch(consumerId: ConsumerId, consumer: types.Consumer): void {
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
  }

  #consumer(consumerId: ConsumerId): types.Consumer {
    this.#guard.assertOpen();
    const consumer = this.#media.get(consumerId);
    if (consumer === undefined) throw new MeridianError('consumer-not-found', { details: { consumerId } });
    return consumer;
  }
}
