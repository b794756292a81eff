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

/**
 * libwebrtc drops a key frame request that comes less than 300 ms after the one before, and the worker
 * asks again only after a second: that second would be black. So a request that comes too soon (the
 * pipe's own, then the far viewer's; several viewers at once) waits until the browser will heed it.
 */
const KEY_FRAME_REQUEST_DELAY_MS = 330;

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
      this.#transport.produce({
        kind,
        paused,
        rtpParameters: toRtpParameters(options.rtpParameters),
        keyFrameRequestDelay: KEY_FRAME_REQUEST_DELAY_MS,
      }),
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
