import { type DataProducerId, MeridianError, type ProducerId } from '@meridian/protocol';
import type { types } from 'mediasoup';
import { mediaFailure } from '../failures.ts';
import type { Registry, RoomDataProducer, RoomProducer } from '../room/entries.ts';
import type { PlacedRouter } from '../workers/slot.ts';
import type { DirectTransports } from './direct-transports.ts';
import type { Sealer } from './sealing.ts';
import type { Stream } from './streams.ts';

/** SCTP payload protocol identifier of a binary message (RFC 8831, 8). */
const PPID_BINARY = 53;

export interface Offer extends Stream {
  readonly entry: RoomProducer;
  readonly consumer: types.Consumer;
}

export interface DataOffer extends Stream {
  readonly entry: RoomDataProducer;
  readonly consumer: types.DataConsumer;
}

export interface OriginOptions {
  readonly pipe: types.PipeTransport;
  readonly placed: PlacedRouter;
  readonly registry: Registry;
  readonly direct: DirectTransports;
  readonly sealer: Sealer;
}

/** Puts what was published on this node onto the pipe. */
export class Origin {
  readonly #pipe: types.PipeTransport;
  readonly #placed: PlacedRouter;
  readonly #registry: Registry;
  readonly #direct: DirectTransports;
  readonly #sealer: Sealer;

  constructor(options: OriginOptions) {
    this.#pipe = options.pipe;
    this.#placed = options.placed;
    this.#registry = options.registry;
    this.#direct = options.direct;
    this.#sealer = options.sealer;
  }

  /** @throws MeridianError `producer-not-found`, `relay-failed`, `worker-died` */
  async offer(
    producerId: ProducerId,
    on: { paused: () => void; resumed: () => void; closed: (offer: Offer) => void },
  ): Promise<Offer> {
    const entry = this.#registry.producer(producerId);
    // What came by a relay is for its own origin to offer: links are never chained.
    if (entry?.origin !== 'here') throw new MeridianError('producer-not-found', { details: { producerId } });
    const release = await this.#registry.bring(entry, this.#placed);
    try {
      const consumer = await this.#pipe.consume({ producerId });
      const offer: Offer = { entry, consumer, close: () => consumer.close() };
      consumer.observer.once('close', release);
      consumer.on('producerpause', on.paused);
      consumer.on('producerresume', on.resumed);
      consumer.once('producerclose', () => on.closed(offer));
      this.#assertAlive(entry, offer, [consumer]);
      return offer;
    } catch (thrown) {
      release();
      throw failure(entry, thrown);
    }
  }

  /**
   * Data is read by this process, sealed, and sent on over SCTP: see sealing.ts.
   * @throws MeridianError `producer-not-found`, `relay-failed`, `worker-died`
   */
  async offerData(dataProducerId: DataProducerId, closed: (offer: DataOffer) => void): Promise<DataOffer> {
    const entry = this.#registry.dataProducer(dataProducerId);
    if (entry?.origin !== 'here') throw new MeridianError('producer-not-found', { details: { dataProducerId } });
    const opened: Stream[] = [];
    const close = () => {
      for (const part of opened.splice(0)) part.close();
    };
    try {
      const [from, to] = await Promise.all([this.#direct.on(entry.home), this.#direct.on(this.#placed)]);
      const sealed = await to.produceData({ label: entry.producer.label, protocol: entry.producer.protocol });
      opened.push(sealed);
      // mediasoup gives each data consumer of a pipe a SCTP stream id of its own.
      const consumer = await this.#pipe.consumeData({ dataProducerId: sealed.id, ...entry.delivery });
      opened.push(consumer);
      const source = await from.consumeData({ dataProducerId });
      opened.push(source);
      const offer: DataOffer = { entry, consumer, close };
      source.on('message', (message, ppid) => {
        if (!sealed.closed) sealed.send(this.#sealer.seal(dataProducerId, { message, ppid }), PPID_BINARY);
      });
      this.#assertAlive(entry, offer, [sealed, consumer, source]);
      source.observer.once('close', () => {
        close();
        closed(offer);
      });
      return offer;
    } catch (thrown) {
      close();
      throw failure(entry, thrown);
    }
  }

  #assertAlive(
    entry: RoomProducer | RoomDataProducer,
    offer: Stream,
    parts: readonly { readonly closed: boolean }[],
  ): void {
    if (!entry.producer.closed && !this.#pipe.closed && parts.every((part) => !part.closed)) return;
    offer.close();
    throw new MeridianError('producer-not-found', { details: { producerId: entry.id } });
  }
}

const failure = (entry: RoomProducer | RoomDataProducer, thrown: unknown): MeridianError =>
  entry.producer.closed
    ? new MeridianError('producer-not-found', { cause: thrown, details: { producerId: entry.id } })
    : mediaFailure(thrown, 'offer', { rejected: 'relay-failed', otherwise: 'relay-failed' });
