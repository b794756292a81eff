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
import { Emitter } from './emitter.ts';
import { closedError, mediaFailure } from './failures.ts';
import type { MediaLogger } from './options.ts';
import type { RelayEnd, RelayEndStats } from './ports.ts';
import type { Release, RoomDataProducer, RoomProducer } from './room-routers.ts';
import { relayEndStats } from './stats/relay-end-stats.ts';
import {
  fromRtpParameters,
  fromSctpStreamParameters,
  relayEndpoint,
  toRtpParameters,
  toSctpStreamParameters,
} from './wire.ts';
import type { PlacedRouter } from './worker-pool.ts';

type Events = {
  'producer-paused': [ProducerId];
  'producer-resumed': [ProducerId];
  'producer-closed': [ProducerId];
  'data-producer-closed': [DataProducerId];
  closed: [];
};

/** What a relay end needs of its room. */
export interface RelayRoom {
  readonly logger: MediaLogger;
  producer(id: ProducerId): RoomProducer | undefined;
  dataProducer(id: DataProducerId): RoomDataProducer | undefined;
  published(entry: RoomProducer | RoomDataProducer): void;
  unpublished(entry: RoomProducer | RoomDataProducer): void;
  bring(entry: RoomProducer | RoomDataProducer, target: PlacedRouter): Promise<Release>;
  relayEndClosed(end: MediaRelayEnd): void;
}

/** A stream on its way onto or off the pipe: several may ask for it while it is being opened. */
interface Running<T> {
  readonly opened: Promise<T>;
  /** Set as soon as it is open. */
  stream?: T;
  /** Taken off while it was being opened. */
  dropped: boolean;
}

interface Offered {
  readonly entry: RoomProducer;
  readonly consumer: types.Consumer;
}

interface OfferedData {
  readonly entry: RoomDataProducer;
  readonly consumer: types.DataConsumer;
}

interface Stream {
  close(): void;
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
  readonly placed: PlacedRouter;
  readonly #pipe: types.PipeTransport;
  readonly #room: RelayRoom;
  readonly #events: Emitter<Events>;
  readonly #offered = new Map<ProducerId, Running<Offered & Stream>>();
  readonly #offeredData = new Map<DataProducerId, Running<OfferedData & Stream>>();
  readonly #accepted = new Map<ProducerId, Running<RoomProducer & Stream>>();
  readonly #acceptedData = new Map<DataProducerId, Running<RoomDataProducer & Stream>>();
  readonly #unconnected: NodeJS.Timeout;
  #connecting: Promise<void> | undefined;
  #closed = false;

  constructor(options: {
    linkId: LinkId;
    role: 'puller' | 'origin';
    pipe: types.PipeTransport;
    placed: PlacedRouter;
    room: RelayRoom;
    connectTimeoutMs: number;
  }) {
    this.linkId = options.linkId;
    this.role = options.role;
    this.placed = options.placed;
    this.roomId = options.placed.roomId;
    this.#pipe = options.pipe;
    this.#room = options.room;
    this.endpoint = relayEndpoint(this.#pipe);
    this.#events = new Emitter((error) =>
      options.room.logger.error({ linkId: this.linkId, err: error }, 'a listener of a relay end failed'),
    );
    this.#pipe.observer.once('close', () => this.close());
    this.#unconnected = setTimeout(() => {
      this.#room.logger.warn({ linkId: this.linkId, role: this.role }, 'relay end closed: it was never connected');
      this.close();
    }, options.connectTimeoutMs);
    this.#unconnected.unref();
  }

  get closed(): boolean {
    return this.#closed;
  }

  get producerIds(): readonly ProducerId[] {
    return [...this.#offered.keys(), ...this.#accepted.keys()];
  }

  get dataProducerIds(): readonly DataProducerId[] {
    return [...this.#offeredData.keys(), ...this.#acceptedData.keys()];
  }

  on<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): () => void {
    return this.#events.on(event, listener);
  }

  connect(remote: RelayEndpoint): Promise<void> {
    this.#assertOpen();
    if (this.#connecting !== undefined) {
      throw new MeridianError('relay-failed', { message: 'This relay end has its peer already.' });
    }
    this.#connecting = this.#connect(remote);
    return this.#connecting;
  }

  async offer(producerId: ProducerId): Promise<RelayedProducer> {
    this.#assert('origin');
    const { entry, consumer } = await this.#running(this.#offered, producerId, () => this.#openOffer(producerId));
    return {
      producerId,
      sessionId: entry.sessionId,
      kind: entry.kind,
      source: entry.source,
      rtpParameters: fromRtpParameters(consumer.rtpParameters),
      paused: entry.producer.paused,
    };
  }

  async offerData(dataProducerId: DataProducerId): Promise<RelayedDataProducer> {
    this.#assert('origin');
    const { entry, consumer } = await this.#running(this.#offeredData, dataProducerId, () =>
      this.#openDataOffer(dataProducerId),
    );
    return {
      dataProducerId,
      sessionId: entry.sessionId,
      sctpStreamParameters: fromSctpStreamParameters(consumer.sctpStreamParameters),
      label: consumer.label,
      protocol: consumer.protocol,
    };
  }

  withdraw(producerId: ProducerId): void {
    this.#assert('origin');
    this.#take(this.#offered, producerId);
  }

  withdrawData(dataProducerId: DataProducerId): void {
    this.#assert('origin');
    this.#take(this.#offeredData, dataProducerId);
  }

  async accept(relayed: RelayedProducer): Promise<void> {
    this.#assert('puller');
    await this.#running(this.#accepted, relayed.producerId, () => this.#openAccepted(relayed));
  }

  async acceptData(relayed: RelayedDataProducer): Promise<void> {
    this.#assert('puller');
    await this.#running(this.#acceptedData, relayed.dataProducerId, () => this.#openAcceptedData(relayed));
  }

  drop(producerId: ProducerId): void {
    this.#assert('puller');
    this.#take(this.#accepted, producerId);
  }

  dropData(dataProducerId: DataProducerId): void {
    this.#assert('puller');
    this.#take(this.#acceptedData, dataProducerId);
  }

  async setPaused(producerId: ProducerId, paused: boolean): Promise<void> {
    this.#assert('puller');
    const running = this.#accepted.get(producerId);
    if (running === undefined) throw new MeridianError('producer-not-found', { details: { producerId } });
    // mediasoup keeps the order of what is asked, so the last one asked wins.
    const { producer } = running.stream ?? (await running.opened);
    await (paused ? producer.pause() : producer.resume()).catch((thrown: unknown) => {
      if (producer.closed) throw new MeridianError('producer-not-found', { cause: thrown });
      throw mediaFailure(thrown, 'pause');
    });
  }

  async stats(): Promise<RelayEndStats> {
    this.#assertOpen();
    return relayEndStats({ pipe: this.#pipe, producers: this.producers, consumers: this.consumers });
  }

  /** For the engine's collect. */
  get producers(): readonly types.Producer[] {
    return [...this.#accepted.values()].flatMap(({ stream }) => (stream === undefined ? [] : [stream.producer]));
  }

  get consumers(): readonly types.Consumer[] {
    return [...this.#offered.values()].flatMap(({ stream }) => (stream === undefined ? [] : [stream.consumer]));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#unconnected);
    for (const streams of [this.#offered, this.#offeredData, this.#accepted, this.#acceptedData]) {
      for (const running of streams.values()) {
        running.dropped = true;
        running.stream?.close();
      }
      streams.clear();
    }
    this.#pipe.close();
    this.#room.relayEndClosed(this);
    this.#events.emit('closed');
    this.#events.close();
  }

  async #connect(remote: RelayEndpoint): Promise<void> {
    try {
      const ip = isIP(remote.ip) ? remote.ip : (await lookup(remote.ip)).address;
      if (!this.#closed) await this.#pipe.connect({ ip, port: remote.port, srtpParameters: remote.srtpParameters });
    } catch (thrown) {
      if (this.#closed) throw closedError('relay end');
      // A pipe that did not connect is of no use to anybody.
      this.close();
      throw mediaFailure(thrown, 'the relay end did not connect', {
        rejected: 'relay-failed',
        otherwise: 'relay-failed',
      });
    }
    if (this.#closed) throw closedError('relay end');
    clearTimeout(this.#unconnected);
  }

  /** The running stream of this id, or a new one; an attempt that fails is forgotten. */
  async #running<Id, T extends Stream>(streams: Map<Id, Running<T>>, id: Id, open: () => Promise<T>): Promise<T> {
    const existing = streams.get(id);
    if (existing !== undefined) return existing.opened;
    const running: Running<T> = {
      dropped: false,
      opened: open().then(
        (stream) => {
          if (running.dropped) {
            stream.close();
            throw new MeridianError(this.#closed ? 'closed' : 'producer-not-found');
          }
          running.stream = stream;
          return stream;
        },
        (thrown: unknown) => {
          if (streams.get(id) === running) streams.delete(id);
          throw this.#closed ? closedError('relay end') : thrown;
        },
      ),
    };
    streams.set(id, running);
    return running.opened;
  }

  #take<Id, T extends Stream>(streams: Map<Id, Running<T>>, id: Id): void {
    const running = streams.get(id);
    if (running === undefined) return;
    streams.delete(id);
    running.dropped = true;
    running.stream?.close();
  }

  /** A stream ended by itself. @returns false when it had been taken off before. */
  #ended<Id, T extends Stream>(streams: Map<Id, Running<T>>, id: Id, stream: object): boolean {
    const running = streams.get(id);
    if (running === undefined || (running.stream !== undefined && running.stream !== stream)) return false;
    running.dropped = true;
    streams.delete(id);
    return true;
  }

  async #openOffer(producerId: ProducerId): Promise<Offered & Stream> {
    const entry = this.#room.producer(producerId);
    if (entry === undefined || entry.origin !== 'here') {
      throw new MeridianError('producer-not-found', { details: { producerId } });
    }
    const release = await this.#room.bring(entry, this.placed);
    try {
      const consumer = await this.#pipe.consume({ producerId }).catch((thrown: unknown) => {
        if (entry.producer.closed) throw new MeridianError('producer-not-found', { cause: thrown });
        throw mediaFailure(thrown, 'offer', { otherwise: 'relay-failed' });
      });
      if (consumer.closed || entry.producer.closed || this.#closed) {
        consumer.close();
        throw new MeridianError(this.#closed ? 'closed' : 'producer-not-found');
      }
      const offered = { entry, consumer, close: () => consumer.close() };
      consumer.observer.once('close', release);
      consumer.on('producerpause', () => this.#events.emit('producer-paused', producerId));
      consumer.on('producerresume', () => this.#events.emit('producer-resumed', producerId));
      consumer.once('producerclose', () => {
        if (this.#ended(this.#offered, producerId, offered)) this.#events.emit('producer-closed', producerId);
      });
      return offered;
    } catch (thrown) {
      release();
      throw thrown;
    }
  }

  async #openDataOffer(dataProducerId: DataProducerId): Promise<OfferedData & Stream> {
    const entry = this.#room.dataProducer(dataProducerId);
    if (entry === undefined || entry.origin !== 'here') {
      throw new MeridianError('producer-not-found', { details: { dataProducerId } });
    }
    const release = await this.#room.bring(entry, this.placed);
    try {
      // mediasoup gives each data consumer of a pipe its own SCTP stream id.
      const consumer = await this.#pipe.consumeData({ dataProducerId }).catch((thrown: unknown) => {
        if (entry.producer.closed) throw new MeridianError('producer-not-found', { cause: thrown });
        throw mediaFailure(thrown, 'offer data', { otherwise: 'relay-failed' });
      });
      if (consumer.closed || entry.producer.closed || this.#closed) {
        consumer.close();
        throw new MeridianError(this.#closed ? 'closed' : 'producer-not-found');
      }
      const offered = { entry, consumer, close: () => consumer.close() };
      consumer.observer.once('close', release);
      consumer.once('dataproducerclose', () => {
        if (this.#ended(this.#offeredData, dataProducerId, offered)) {
          this.#events.emit('data-producer-closed', dataProducerId);
        }
      });
      return offered;
    } catch (thrown) {
      release();
      throw thrown;
    }
  }

  async #openAccepted(relayed: RelayedProducer): Promise<RoomProducer & Stream> {
    const { producerId, sessionId, kind, source, paused } = relayed;
    if (this.#room.producer(producerId) !== undefined) {
      throw new MeridianError('relay-failed', { message: 'This producer is here already.', details: { producerId } });
    }
    const producer = await this.#pipe
      .produce({ id: producerId, kind, rtpParameters: toRtpParameters(relayed.rtpParameters), paused })
      .catch((thrown: unknown) => {
        throw mediaFailure(thrown, 'accept', { otherwise: 'relay-failed' });
      });
    if (producer.closed || this.#closed) {
      producer.close();
      throw closedError('relay end');
    }
    const entry: RoomProducer & Stream = {
      type: 'media',
      id: producerId,
      sessionId,
      kind,
      source,
      origin: 'elsewhere',
      home: this.placed,
      producer,
      close: () => producer.close(),
    };
    producer.observer.once('close', () => {
      this.#ended(this.#accepted, producerId, entry);
      this.#room.unpublished(entry);
    });
    this.#room.published(entry);
    return entry;
  }

  async #openAcceptedData(relayed: RelayedDataProducer): Promise<RoomDataProducer & Stream> {
    const { dataProducerId, sessionId, label, protocol } = relayed;
    if (this.#room.dataProducer(dataProducerId) !== undefined) {
      throw new MeridianError('relay-failed', {
        message: 'This data producer is here already.',
        details: { dataProducerId },
      });
    }
    const producer = await this.#pipe
      .produceData({
        id: dataProducerId,
        label,
        protocol,
        sctpStreamParameters: toSctpStreamParameters(relayed.sctpStreamParameters),
      })
      .catch((thrown: unknown) => {
        throw mediaFailure(thrown, 'accept data', { otherwise: 'relay-failed' });
      });
    if (producer.closed || this.#closed) {
      producer.close();
      throw closedError('relay end');
    }
    const { streamId: _, ...delivery } = relayed.sctpStreamParameters;
    const entry: RoomDataProducer & Stream = {
      type: 'data',
      id: dataProducerId,
      sessionId,
      origin: 'elsewhere',
      home: this.placed,
      producer,
      delivery,
      close: () => producer.close(),
    };
    producer.observer.once('close', () => {
      this.#ended(this.#acceptedData, dataProducerId, entry);
      this.#room.unpublished(entry);
    });
    this.#room.published(entry);
    return entry;
  }

  #assert(role: 'puller' | 'origin'): void {
    this.#assertOpen();
    if (this.role !== role) {
      throw new MeridianError('internal', { message: `Only the ${role}'s end of a relay link does this.` });
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError('relay end');
  }
}
