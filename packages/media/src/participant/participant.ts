import {
  type ConsumerId,
  type DataConsumerId,
  type DataProducerId,
  type DtlsParameters,
  type IceParameters,
  type MediaKind,
  type MediaSource,
  MeridianError,
  type ProducerId,
  type RtpCapabilities,
  type RtpParameters,
  type SctpStreamParameters,
  type SessionId,
  type TransportId,
  type TransportOptions,
} from '@meridian/protocol';
import type { types } from 'mediasoup';
import { Emitter } from '../emitter.ts';
import type { MediaLogger } from '../options.ts';
import type { OpenedConsumer, OpenedDataConsumer, ParticipantMedia, ParticipantStats } from '../ports.ts';
import type { Registry, Release, RoomProducer } from '../room/entries.ts';
import { participantStats, transportStat } from '../stats/participant-stats.ts';
import { fromIceParameters, toDtlsParameters, toRtpCapabilities, transportOptions } from '../wire.ts';
import type { PlacedRouter } from '../workers/slot.ts';
import { Guard, type ParticipantEvents, type Tell } from './events.ts';
import { Publications } from './publications.ts';
import { Subscriptions } from './subscriptions.ts';
import { watchTransport } from './transport-state.ts';

export interface ParticipantOptions {
  readonly sessionId: SessionId;
  readonly rtpCapabilities: RtpCapabilities;
  readonly placed: PlacedRouter;
  readonly send: types.WebRtcTransport;
  readonly recv: types.WebRtcTransport;
  readonly registry: Registry;
  readonly logger: MediaLogger;
  readonly onClosed: (participant: Participant) => void;
  /** Gives the place on the router back. */
  readonly leave: Release;
}

/** One participant's two transports and all that runs over them. */
export class Participant implements ParticipantMedia {
  readonly sessionId: SessionId;
  readonly sendTransport: TransportOptions;
  readonly recvTransport: TransportOptions;
  readonly placed: PlacedRouter;
  readonly #send: types.WebRtcTransport;
  readonly #recv: types.WebRtcTransport;
  readonly #events: Emitter<ParticipantEvents>;
  readonly #guard = new Guard(() => this.#closed);
  readonly #publications: Publications;
  readonly #subscriptions: Subscriptions;
  readonly #onClosed: (participant: Participant) => void;
  readonly #leave: Release;
  #closed = false;

  constructor(options: ParticipantOptions) {
    const { sessionId, placed, send, recv, registry, logger } = options;
    this.sessionId = sessionId;
    this.placed = placed;
    this.#send = send;
    this.#recv = recv;
    this.#onClosed = options.onClosed;
    this.#leave = options.leave;
    this.#events = new Emitter((error) => logger.error({ sessionId, err: error }, 'a participant listener failed'));
    // Who closes the participant needs no events of what closes with it.
    const tell: Tell<ParticipantEvents> = (event, ...args) => {
      if (!this.#closed) this.#events.emit(event, ...args);
    };
    const shared = { sessionId, placed, registry, tell, guard: this.#guard };
    this.#publications = new Publications({ ...shared, transport: send });
    this.#subscriptions = new Subscriptions({
      ...shared,
      transport: recv,
      capabilities: toRtpCapabilities(options.rtpCapabilities),
    });
    this.sendTransport = transportOptions(send);
    this.recvTransport = transportOptions(recv);
    watchTransport(send, (state) => tell('transport-state', { transport: 'send', state }));
    watchTransport(recv, (state) => tell('transport-state', { transport: 'recv', state }));
  }

  get closed(): boolean {
    return this.#closed;
  }

  on<E extends keyof ParticipantEvents>(event: E, listener: (...args: ParticipantEvents[E]) => void): () => void {
    return this.#events.on(event, listener);
  }

  async connect(transportId: TransportId, dtlsParameters: DtlsParameters): Promise<void> {
    const transport = this.#transport(transportId);
    await this.#guard.asked('connect', transport.connect({ dtlsParameters: toDtlsParameters(dtlsParameters) }));
  }

  async restartIce(transportId: TransportId): Promise<IceParameters> {
    return fromIceParameters(await this.#guard.asked('restart ICE', this.#transport(transportId).restartIce()));
  }

  async produce(options: {
    transportId: TransportId;
    kind: MediaKind;
    source: MediaSource;
    rtpParameters: RtpParameters;
    paused: boolean;
  }): Promise<ProducerId> {
    this.#assertSending(options.transportId);
    return this.#publications.produce(options);
  }

  closeProducer(producerId: ProducerId): void {
    this.#publications.close(producerId);
  }

  pauseProducer(producerId: ProducerId): Promise<void> {
    return this.#publications.pause(producerId);
  }

  resumeProducer(producerId: ProducerId): Promise<void> {
    return this.#publications.resume(producerId);
  }

  consume(producerId: ProducerId): Promise<OpenedConsumer> {
    return this.#subscriptions.consume(producerId);
  }

  closeConsumer(consumerId: ConsumerId): void {
    this.#subscriptions.close(consumerId);
  }

  pauseConsumer(consumerId: ConsumerId): Promise<void> {
    return this.#subscriptions.pause(consumerId);
  }

  resumeConsumer(consumerId: ConsumerId): Promise<void> {
    return this.#subscriptions.resume(consumerId);
  }

  setLayers(consumerId: ConsumerId, layers: { spatialLayer: number; temporalLayer?: number }): Promise<void> {
    return this.#subscriptions.setLayers(consumerId, layers);
  }

  setPriority(consumerId: ConsumerId, priority: number): Promise<void> {
    return this.#subscriptions.setPriority(consumerId, priority);
  }

  requestKeyFrame(consumerId: ConsumerId): Promise<void> {
    return this.#subscriptions.requestKeyFrame(consumerId);
  }

  async produceData(options: {
    transportId: TransportId;
    label: string;
    protocol: string;
    sctpStreamParameters: SctpStreamParameters;
  }): Promise<DataProducerId> {
    this.#assertSending(options.transportId);
    return this.#publications.produceData(options);
  }

  closeDataProducer(dataProducerId: DataProducerId): void {
    this.#publications.closeData(dataProducerId);
  }

  consumeData(dataProducerId: DataProducerId): Promise<OpenedDataConsumer> {
    return this.#subscriptions.consumeData(dataProducerId);
  }

  closeDataConsumer(dataConsumerId: DataConsumerId): void {
    this.#subscriptions.closeData(dataConsumerId);
  }

  async stats(): Promise<ParticipantStats> {
    this.#guard.assertOpen();
    return participantStats({
      send: this.#send,
      recv: this.#recv,
      producers: this.producers.map((entry) => entry.producer),
      consumers: this.#subscriptions.consumers,
    });
  }

  async incomingBitrate(): Promise<number | undefined> {
    this.#guard.assertOpen();
    return (await transportStat(this.#send))?.recvBitrate;
  }

  /** For the engine's collect. */
  get producers(): readonly RoomProducer[] {
    return this.#publications.producers;
  }

  get consumers(): readonly types.Consumer[] {
    return [...this.#subscriptions.consumers.values()];
  }

  /** Also when the worker died: mediasoup has closed everything then, and what it told went out before. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    // Closing the transports closes all that runs over them.
    this.#send.close();
    this.#recv.close();
    this.#leave();
    this.#onClosed(this);
    this.#events.emit('closed');
    this.#events.close();
  }

  #transport(transportId: TransportId): types.WebRtcTransport {
    this.#guard.assertOpen();
    if (transportId === this.#send.id) return this.#send;
    if (transportId === this.#recv.id) return this.#recv;
    throw new MeridianError('transport-not-found', { details: { transportId } });
  }

  #assertSending(transportId: TransportId): void {
    if (this.#transport(transportId) === this.#send) return;
    throw new MeridianError('transport-not-found', {
      message: 'Publishing goes over the send transport.',
      details: { transportId },
    });
  }
}
