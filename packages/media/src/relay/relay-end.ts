import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
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
import type { types } from 'mediasoup';
import { Emitter } from '../emitter.ts';
import { closedError, mediaFailure } from '../failures.ts';
import type { MediaLogger } from '../options.ts';
import type { RelayEnd, RelayEndStats } from '../ports.ts';
import type { Registry } from '../room/entries.ts';
import { relayEndStats } from '../stats/relay-end-stats.ts';
import { fromRtpParameters, fromSctpStreamParameters, relayEndpoint } from '../wire.ts';
import type { PlacedRouter } from '../workers/slot.ts';
import { DirectTransports } from './direct-transports.ts';
import { type DataOffer, type Offer, Origin } from './origin.ts';
import { type Acceptance, type DataAcceptance, Puller } from './puller.ts';
import { Sealer, sealingKey } from './sealing.ts';
import { Streams } from './streams.ts';

type Events = {
  'producer-paused': [ProducerId];
  'producer-resumed': [ProducerId];
  'producer-closed': [ProducerId];
  'data-producer-closed': [DataProducerId];
  closed: [];
};

export interface RelayEndOptions {
  readonly linkId: LinkId;
  readonly role: 'puller' | 'origin';
  readonly pipe: types.PipeTransport;
  readonly placed: PlacedRouter;
  readonly registry: Registry;
  readonly logger: MediaLogger;
  readonly connectTimeoutMs: number;
  readonly maxDataMessageBytes: number;
  readonly onClosed: (end: MediaRelayEnd) => void;
}

/**
 * One half of a relay link. All that runs over it hangs on the pipe transport: when that closes (by
 * `close`, with the router, with the worker) everything goes, and `closed` is told once.
 */
export class MediaRelayEnd implements RelayEnd {
  readonly linkId: LinkId;
  readonly roomId: RoomId;
  readonly role: 'puller' | 'origin';
  readonly endpoint: RelayEndpoint;
  readonly #pipe: types.PipeTransport;
  readonly #logger: MediaLogger;
  readonly #events: Emitter<Events>;
  readonly #onClosed: (end: MediaRelayEnd) => void;
  readonly #direct: DirectTransports;
  readonly #origin: Origin;
  readonly #puller: Puller;
  readonly #offers = new Streams<ProducerId, Offer>(() => this.#assertOpen());
  readonly #dataOffers = new Streams<DataProducerId, DataOffer>(() => this.#assertOpen());
  readonly #acceptances = new Streams<ProducerId, Acceptance>(() => this.#assertOpen());
  readonly #dataAcceptances = new Streams<DataProducerId, DataAcceptance>(() => this.#assertOpen());
  readonly #unconnected: NodeJS.Timeout;
  #remote: RelayEndpoint | undefined;
  #closed = false;

  constructor(options: RelayEndOptions) {
    const { linkId, role, pipe, placed, registry, logger, connectTimeoutMs } = options;
    this.linkId = linkId;
    this.roomId = placed.roomId;
    this.role = role;
    this.#pipe = pipe;
    this.#logger = logger;
    this.#onClosed = options.onClosed;
    this.endpoint = relayEndpoint(pipe);
    this.#events = new Emitter((error) => logger.error({ linkId, err: error }, 'a relay end listener failed'));
    this.#direct = new DirectTransports(options.maxDataMessageBytes);
    const shared = { linkId, pipe, placed, registry, direct: this.#direct };
    this.#origin = new Origin({ ...shared, sealer: new Sealer(sealingKey(linkId, this.endpoint.srtpParameters)) });
    this.#puller = new Puller({
      ...shared,
      onRejected: () => logger.debug({ linkId }, 'a relayed data message was damaged, forged or repeated'),
    });
    pipe.observer.once('close', () => this.close());
    this.#unconnected = setTimeout(() => {
      logger.warn({ linkId, role }, 'relay end closed: it was never connected');
      this.close();
    }, connectTimeoutMs);
    this.#unconnected.unref();
  }

  get closed(): boolean {
    return this.#closed;
  }

  get producerIds(): readonly ProducerId[] {
    return [...this.#offers.ids, ...this.#acceptances.ids];
  }

  get dataProducerIds(): readonly DataProducerId[] {
    return [...this.#dataOffers.ids, ...this.#dataAcceptances.ids];
  }

  on<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): () => void {
    return this.#events.on(event, listener);
  }

  async connect(remote: RelayEndpoint): Promise<void> {
    this.#assertOpen();
    if (this.#remote !== undefined) {
      throw new MeridianError('relay-failed', { message: 'This relay end has its peer already.' });
    }
    this.#remote = remote;
    try {
      // mediasoup takes addresses only; a node may announce a name.
      const ip = isIP(remote.ip) ? remote.ip : (await lookup(remote.ip)).address;
      this.#assertOpen();
      await this.#pipe.connect({ ip, port: remote.port, srtpParameters: remote.srtpParameters });
      this.#assertOpen();
    } catch (thrown) {
      this.#assertOpen();
      // A pipe that did not connect is of no use to anybody.
      this.close();
      throw mediaFailure(thrown, 'the relay did not connect', { rejected: 'relay-failed', otherwise: 'relay-failed' });
    }
    clearTimeout(this.#unconnected);
    this.#logger.debug(
      { linkId: this.linkId, role: this.role, remote: remote.ip, port: remote.port },
      'relay connected',
    );
  }

  async offer(producerId: ProducerId): Promise<RelayedProducer> {
    this.#assertRole('origin');
    const { entry, consumer } = await this.#offers.ensure(producerId, () =>
      this.#origin.offer(producerId, {
        paused: () => this.#events.emit('producer-paused', producerId),
        resumed: () => this.#events.emit('producer-resumed', producerId),
        closed: (offer) => {
          if (this.#offers.ended(producerId, offer)) this.#events.emit('producer-closed', producerId);
        },
      }),
    );
    // mediasoup tells the pipe of a producer's end only after a round trip.
    if (entry.producer.closed) throw new MeridianError('producer-not-found', { details: { producerId } });
    return {
      producerId,
      sessionId: entry.sessionId,
      kind: entry.kind,
      source: entry.source,
      rtpParameters: fromRtpParameters(consumer.rtpParameters),
      paused: consumer.producerPaused,
    };
  }

  async offerData(dataProducerId: DataProducerId): Promise<RelayedDataProducer> {
    this.#assertRole('origin');
    const { entry, consumer } = await this.#dataOffers.ensure(dataProducerId, () =>
      this.#origin.offerData(dataProducerId, (offer) => {
        if (this.#dataOffers.ended(dataProducerId, offer)) this.#events.emit('data-producer-closed', dataProducerId);
      }),
    );
    if (entry.producer.closed) throw new MeridianError('producer-not-found', { details: { dataProducerId } });
    return {
      dataProducerId,
      sessionId: entry.sessionId,
      sctpStreamParameters: fromSctpStreamParameters(consumer.sctpStreamParameters),
      label: consumer.label,
      protocol: consumer.protocol,
    };
  }

  withdraw(producerId: ProducerId): void {
    this.#assertRole('origin');
    this.#offers.take(producerId);
  }

  withdrawData(dataProducerId: DataProducerId): void {
    this.#assertRole('origin');
    this.#dataOffers.take(dataProducerId);
  }

  async accept(relayed: RelayedProducer): Promise<void> {
    this.#assertRole('puller');
    const { producerId } = relayed;
    await this.#acceptances.ensure(producerId, () =>
      this.#puller.accept(relayed, (acceptance) => this.#acceptances.ended(producerId, acceptance)),
    );
  }

  async acceptData(relayed: RelayedDataProducer): Promise<void> {
    this.#assertRole('puller');
    const remote = this.#remote;
    if (remote === undefined) throw new MeridianError('relay-failed', { message: 'Connect the relay end first.' });
    const { dataProducerId } = relayed;
    await this.#dataAcceptances.ensure(dataProducerId, () =>
      this.#puller.acceptData(relayed, remote.srtpParameters, (acceptance) =>
        this.#dataAcceptances.ended(dataProducerId, acceptance),
      ),
    );
  }

  drop(producerId: ProducerId): void {
    this.#assertRole('puller');
    this.#acceptances.take(producerId);
  }

  dropData(dataProducerId: DataProducerId): void {
    this.#assertRole('puller');
    this.#dataAcceptances.take(dataProducerId);
  }

  async setPaused(producerId: ProducerId, paused: boolean): Promise<void> {
    this.#assertRole('puller');
    const opened = this.#acceptances.get(producerId);
    if (opened === undefined) throw new MeridianError('producer-not-found', { details: { producerId } });
    const { producer } = (await opened).entry;
    try {
      // mediasoup keeps the order of what it is asked, so the last one wins.
      await (paused ? producer.pause() : producer.resume());
    } catch (thrown) {
      this.#assertOpen();
      if (producer.closed) throw new MeridianError('producer-not-found', { cause: thrown, details: { producerId } });
      throw mediaFailure(thrown, 'pause', { otherwise: 'relay-failed' });
    }
  }

  async stats(): Promise<RelayEndStats> {
    this.#assertOpen();
    return relayEndStats({
      pipe: this.#pipe,
      producers: this.producers.map((entry) => entry.producer),
      consumers: this.consumers,
    });
  }

  async traffic(): Promise<{ bytesSent: number; bytesReceived: number }> {
    this.#assertOpen();
    try {
      const [pipe] = await this.#pipe.getStats();
      return { bytesSent: pipe?.bytesSent ?? 0, bytesReceived: pipe?.bytesReceived ?? 0 };
    } catch (thrown) {
      this.#assertOpen();
      throw mediaFailure(thrown, 'no figures of the pipe', { otherwise: 'relay-failed' });
    }
  }

  /** For the engine's collect. */
  get producers() {
    return this.#acceptances.all.map((acceptance) => acceptance.entry);
  }

  get consumers(): readonly types.Consumer[] {
    return this.#offers.all.map((offer) => offer.consumer);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#unconnected);
    this.#offers.takeAll();
    this.#dataOffers.takeAll();
    this.#acceptances.takeAll();
    this.#dataAcceptances.takeAll();
    this.#direct.close();
    this.#pipe.close();
    this.#onClosed(this);
    this.#events.emit('closed');
    this.#events.close();
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
