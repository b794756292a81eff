import {
  DataProducerId,
  type MediaKind,
  type MediaSource,
  MeridianError,
  ProducerId,
  type RtpParameters,
  type SctpStreamParameters,
  type SessionId,
} from '@meridian/protocol';
import type { types } from 'mediasoup';
import { deliveryOf, type Registry, type RoomDataProducer, type RoomProducer } from '../room/entries.ts';
import { fromSctpStreamParameters, toRtpParameters, toSctpStreamParameters } from '../wire.ts';
import type { PlacedRouter } from '../workers/slot.ts';
import type { Guard, ParticipantEvents, Tell } from './events.ts';

/** What one participant publishes. */
export class Publications {
  readonly #sessionId: SessionId;
  readonly #placed: PlacedRouter;
  readonly #transport: types.WebRtcTransport;
  readonly #registry: Registry;
  readonly #guard: Guard;
  readonly #tell: Tell<ParticipantEvents>;
  readonly #media = new Map<ProducerId, RoomProducer>();
  readonly #data = new Map<DataProducerId, RoomDataProducer>();

  constructor(options: {
    sessionId: SessionId;
    placed: PlacedRouter;
    transport: types.WebRtcTransport;
    registry: Registry;
    guard: Guard;
    tell: Tell<ParticipantEvents>;
  }) {
    this.#sessionId = options.sessionId;
    this.#placed = options.placed;
    this.#transport = options.transport;
    this.#registry = options.registry;
    this.#guard = options.guard;
    this.#tell = options.tell;
  }

  get producers(): readonly RoomProducer[] {
    return [...this.#media.values()];
  }

  async produce(options: {
    kind: MediaKind;
    source: MediaSource;
    rtpParameters: RtpParameters;
    paused: boolean;
  }): Promise<ProducerId> {
    const { kind, source, paused } = options;
    const producer = await this.#guard.opened(
      'produce',
      this.#transport.produce({ kind, paused, rtpParameters: toRtpParameters(options.rtpParameters) }),
    );
    const id = ProducerId.parse(producer.id);
    const entry: RoomProducer = { type: 'media', id, kind, source, producer, ...this.#own() };
    this.#media.set(id, entry);
    producer.once('transportclose', () => {
      this.#media.delete(id);
      this.#registry.unpublished(entry);
      const reason = this.#placed.worker.worker.died ? 'worker-died' : 'transport-closed';
      this.#tell('producer-closed', { producerId: id, reason });
    });
    this.#registry.published(entry);
    return id;
  }

  close(producerId: ProducerId): void {
    const entry = this.#entry(producerId);
    this.#media.delete(producerId);
    entry.producer.close();
    this.#registry.unpublished(entry);
  }

  async pause(producerId: ProducerId): Promise<void> {
    await this.#guard.asked('pause', this.#entry(producerId).producer.pause());
  }

  async resume(producerId: ProducerId): Promise<void> {
    await this.#guard.asked('resume', this.#entry(producerId).producer.resume());
  }

  async produceData(options: {
    label: string;
    protocol: string;
    sctpStreamParameters: SctpStreamParameters;
  }): Promise<DataProducerId> {
    const { label, protocol } = options;
    const producer = await this.#guard.opened(
      'produce data',
      this.#transport.produceData({
        label,
        protocol,
        sctpStreamParameters: toSctpStreamParameters(options.sctpStreamParameters),
      }),
    );
    const id = DataProducerId.parse(producer.id);
    const delivery = deliveryOf(fromSctpStreamParameters(producer.sctpStreamParameters));
    const entry: RoomDataProducer = { type: 'data', id, producer, delivery, ...this.#own() };
    this.#data.set(id, entry);
    producer.once('transportclose', () => {
      this.#data.delete(id);
      this.#registry.unpublished(entry);
      this.#tell('data-producer-closed', { dataProducerId: id });
    });
    this.#registry.published(entry);
    return id;
  }

  closeData(dataProducerId: DataProducerId): void {
    this.#guard.assertOpen();
    const entry = this.#data.get(dataProducerId);
    if (entry === undefined) throw new MeridianError('producer-not-found', { details: { dataProducerId } });
    this.#data.delete(dataProducerId);
    entry.producer.close();
    this.#registry.unpublished(entry);
  }

  #own() {
    return { sessionId: this.#sessionId, origin: 'here', home: this.#placed } as const;
  }

  #entry(producerId: ProducerId): RoomProducer {
    this.#guard.assertOpen();
    const entry = this.#media.get(producerId);
    if (entry === undefined) throw new MeridianError('producer-not-found', { details: { producerId } });
    return entry;
  }
}
