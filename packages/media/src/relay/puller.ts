import {
  type LinkId,
  MeridianError,
  type RelayedDataProducer,
  type RelayedProducer,
  type SrtpParameters,
} from '@meridian/protocol';
import type { types } from 'mediasoup';
import { mediaFailure } from '../failures.ts';
import { deliveryOf, type Registry, type RoomDataProducer, type RoomProducer } from '../room/entries.ts';
import { toRtpParameters, toSctpStreamParameters } from '../wire.ts';
import type { PlacedRouter } from '../workers/slot.ts';
import type { DirectTransports } from './direct-transports.ts';
import { sealingKey, Unsealer } from './sealing.ts';
import type { Stream } from './streams.ts';

export interface Acceptance extends Stream {
  readonly entry: RoomProducer;
}

export interface DataAcceptance extends Stream {
  readonly entry: RoomDataProducer;
}

export interface PullerOptions {
  readonly linkId: LinkId;
  readonly pipe: types.PipeTransport;
  readonly placed: PlacedRouter;
  readonly registry: Registry;
  readonly direct: DirectTransports;
  /** A data message that did not open: damaged, forged or repeated on the way. */
  readonly onRejected: () => void;
}

/** Takes what comes over the pipe and makes it consumable here under its own id. */
export class Puller {
  readonly #linkId: LinkId;
  readonly #pipe: types.PipeTransport;
  readonly #placed: PlacedRouter;
  readonly #registry: Registry;
  readonly #direct: DirectTransports;
  readonly #onRejected: () => void;

  constructor(options: PullerOptions) {
    this.#linkId = options.linkId;
    this.#pipe = options.pipe;
    this.#placed = options.placed;
    this.#registry = options.registry;
    this.#direct = options.direct;
    this.#onRejected = options.onRejected;
  }

  /** @throws MeridianError `relay-failed`, `worker-died` */
  async accept(relayed: RelayedProducer, closed: (acceptance: Acceptance) => void): Promise<Acceptance> {
    const { producerId: id, sessionId, kind, source, paused } = relayed;
    if (this.#registry.producer(id) !== undefined) throw hereAlready(id);
    const producer = await this.#pipe
      .produce({ id, kind, paused, rtpParameters: toRtpParameters(relayed.rtpParameters) })
      .catch((thrown: unknown) => {
        throw failure(thrown);
      });
    this.#assertAlive(producer);
    const entry: RoomProducer = {
      type: 'media',
      id,
      sessionId,
      kind,
      source,
      origin: 'elsewhere',
      home: this.#placed,
      producer,
    };
    const acceptance: Acceptance = { entry, close: () => producer.close() };
    producer.observer.once('close', () => {
      this.#registry.unpublished(entry);
      closed(acceptance);
    });
    this.#registry.published(entry);
    return acceptance;
  }

  /** @param origin the SRTP parameters of the other end. @throws MeridianError `relay-failed`, `worker-died` */
  async acceptData(
    relayed: RelayedDataProducer,
    origin: SrtpParameters,
    closed: (acceptance: DataAcceptance) => void,
  ): Promise<DataAcceptance> {
    const { dataProducerId: id, sessionId, label, protocol, sctpStreamParameters } = relayed;
    if (this.#registry.dataProducer(id) !== undefined) throw hereAlready(id);
    const opened: Stream[] = [];
    const close = () => {
      for (const part of opened.splice(0)) part.close();
    };
    try {
      const direct = await this.#direct.on(this.#placed);
      const sealed = await this.#pipe.produceData({
        sctpStreamParameters: toSctpStreamParameters(sctpStreamParameters),
      });
      opened.push(sealed);
      const producer = await direct.produceData({ id, label, protocol });
      opened.push(producer);
      const source = await direct.consumeData({ dataProducerId: sealed.id });
      opened.push(source);
      this.#assertAlive(sealed, producer, source);
      const unsealer = new Unsealer(sealingKey(this.#linkId, origin), id);
      source.on('message', (frame) => {
        const opened = unsealer.open(frame);
        if (opened === undefined) this.#onRejected();
        else if (!producer.closed) producer.send(opened.message, opened.ppid);
      });
      const entry: RoomDataProducer = {
        type: 'data',
        id,
        sessionId,
        origin: 'elsewhere',
        home: this.#placed,
        producer,
        delivery: deliveryOf(sctpStreamParameters),
      };
      const acceptance: DataAcceptance = { entry, close };
      producer.observer.once('close', () => {
        close();
        this.#registry.unpublished(entry);
        closed(acceptance);
      });
      this.#registry.published(entry);
      return acceptance;
    } catch (thrown) {
      close();
      throw failure(thrown);
    }
  }

  #assertAlive(...parts: { readonly closed: boolean; close(): void }[]): void {
    if (!this.#pipe.closed && parts.every((part) => !part.closed)) return;
    for (const part of parts) part.close();
    throw new MeridianError('relay-failed', { message: 'The relay link closed meanwhile.' });
  }
}

const failure = (thrown: unknown): MeridianError =>
  mediaFailure(thrown, 'accept', { rejected: 'relay-failed', otherwise: 'relay-failed' });

const hereAlready = (id: string): MeridianError =>
  new MeridianError('relay-failed', { message: 'This producer is here already.', details: { producerId: id } });
