import type { ActiveSpeakers, ParticipantMedia } from '@meridian/media';
import type {
  ConsumerId,
  ConsumerOptions,
  DataConsumerId,
  DataConsumerOptions,
  DataProducerId,
  DataProducerInfo,
  EndReason,
  Epoch,
  Grants,
  NodeId,
  NotificationData,
  NotificationName,
  Participant,
  ProducerId,
  ProducerInfo,
  RoomEvent,
  RoomId,
} from '@meridian/protocol';
import { assertNever, isMeridianError, MeridianError } from '@meridian/protocol';
import type { Cancel, Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import { dataItem, mediaItem, type RelayItem } from '../relay/relay-item.ts';
import type { Pull } from '../relay/wants.ts';
import { type EncodedNotification, encodeNotification } from '../signalling/outbox.ts';
import { KnownConsumers } from './known-consumers.ts';
import { Published } from './published.ts';
import { Subscriptions } from './subscriptions.ts';
import { TransportHealth } from './transport-health.ts';

/** What a participant sees of the room it is in. */
export interface RoomView {
  readonly roomId: RoomId;
  readonly producers: readonly ProducerInfo[];
  readonly dataProducers: readonly DataProducerInfo[];
  producer(producerId: ProducerId): ProducerInfo | undefined;
  dataProducer(dataProducerId: DataProducerId): DataProducerInfo | undefined;
  remove(participant: LocalParticipant): void;
  /** See NodeRoom. */
  tellHere(event: RoomEvent): void;
}

export interface LocalParticipantOptions {
  readonly self: Participant;
  readonly grants: Grants;
  readonly autoSubscribe: boolean;
  readonly room: RoomView;
  readonly media: ParticipantMedia;
  readonly nodeId: NodeId;
  readonly pull: (origin: NodeId, item: RelayItem) => Pull;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly transportGraceMs: number;
  /** Streams it may receive at once. */
  readonly maxConsumers: number;
  readonly send: (notification: EncodedNotification) => void;
  /** Its media or its transports are gone: the participant cannot go on. */
  readonly onMediaEnded: (reason: EndReason) => void;
  /** A stream closed by itself (its transport went): the room's state has to hear of it. */
  readonly onProducerEnded: (producerId: ProducerId) => void;
  readonly onDataProducerEnded: (dataProducerId: DataProducerId) => void;
  /** Milliseconds from the join to the first consumer. */
  readonly onFirstConsumer: (ms: number) => void;
}

/** Part of every call, and no trouble. */
const USUAL_FAILURES = ['producer-not-found', 'closed', 'too-many-consumers'] as const;

/** A participant on this node: what it publishes and receives, and what it is told. */
export class LocalParticipant {
  readonly grants: Grants;
  readonly media: ParticipantMedia;
  readonly room: RoomView;
  readonly published: Published;
  readonly subscriptions: Subscriptions<ProducerId, ProducerInfo, ConsumerOptions>;
  readonly dataSubscriptions: Subscriptions<DataProducerId, DataProducerInfo, DataConsumerOptions>;
  readonly #options: LocalParticipantOptions;
  readonly #consumers = new KnownConsumers<ConsumerId, ProducerId, ConsumerOptions>();
  readonly #dataConsumers = new KnownConsumers<DataConsumerId, DataProducerId, DataConsumerOptions>();
  readonly #undo: Cancel[] = [];
  readonly #joinedAtMs: number;
  readonly #health: TransportHealth;
  /** Of the attachment that joined: what is said of it or of a later one concerns this participant. */
  readonly #firstEpoch: Epoch;
  #self: Participant;
  #started = false;
  /** What happens before the join is answered: the answer does not hold it, so it is told after it. */
  readonly #early: EncodedNotification[] = [];
  #firstConsumerSeen = false;
  #closed = false;

  constructor(options: LocalParticipantOptions) {
    this.#options = options;
    this.#self = options.self;
    this.#firstEpoch = options.self.epoch;
    this.grants = options.grants;
    this.media = options.media;
    this.room = options.room;
    this.published = new Published();
    this.#joinedAtMs = options.clock.now();
    this.#health = new TransportHealth({
      clock: options.clock,
      graceMs: options.transportGraceMs,
      onDead: () => options.onMediaEnded('transport-failed'),
    });
    this.subscriptions = this.#mediaSubscriptions();
    this.dataSubscriptions = this.#dataSubscriptions();
    this.#listen();
  }

  get self(): Participant {
    return this.#self;
  }

  get roomId(): RoomId {
    return this.room.roomId;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The join was answered: from now on it receives by itself, if it asked for that. */
  start(): void {
    if (this.#closed || this.#started) return;
    this.#started = true;
    for (const notification of this.#early.splice(0)) this.#options.send(notification);
    for (const { producerId } of this.room.producers) this.#follow(producerId);
    for (const { dataProducerId } of this.room.dataProducers) this.#followData(dataProducerId);
  }

  /** Was it this participant's, before or after a resume? */
  wasOf(epoch: Epoch): boolean {
    return epoch >= this.#firstEpoch && epoch <= this.#self.epoch;
  }

  /** A newer connection goes on with it. */
  resumed(epoch: Epoch): void {
    this.#self = { ...this.#self, epoch, connection: 'connected' };
    // Without a connection nobody could restart ICE.
    this.#health.renew();
  }

  /** How the others see its connection. */
  showAs(connection: Participant['connection']): void {
    this.#self = { ...this.#self, connection };
  }

  notify<N extends NotificationName>(event: N, data: NotificationData<N>): void {
    if (!this.#closed) this.#tell(encodeNotification(event, data));
  }

  sendEncoded(notification: EncodedNotification): void {
    if (!this.#closed) this.#tell(notification);
  }

  /** A change of the room's state, with the notification that all who hear of it share. */
  roomChanged(change: RoomEvent, notification: EncodedNotification | undefined): void {
    if (this.#closed) return;
    if (notification !== undefined && !this.#isOwnDoing(change)) this.#tell(notification);
    switch (change.type) {
      case 'producer-opened':
        this.#follow(change.producer.producerId);
        break;
      case 'data-producer-opened':
        this.#followData(change.dataProducer.dataProducerId);
        break;
      case 'producer-closed':
        this.subscriptions.forget(change.producerId);
        break;
      case 'data-producer-closed':
        this.dataSubscriptions.forget(change.dataProducerId);
        break;
      case 'participant-joined':
      case 'participant-left':
      case 'participant-updated':
      case 'producer-updated':
      case 'room-ended':
        break;
      default:
        assertNever(change);
    }
  }

  speakersChanged(notification: EncodedNotification): void {
    if (!this.#closed && this.grants.subscribe) this.#tell(notification);
  }

  relayTrouble(nodeId: NodeId, code: string): void {
    if (this.subscriptions.concerns(nodeId) || this.dataSubscriptions.concerns(nodeId)) {
      this.notify('relay-trouble', { nodeId, code });
    }
  }

  /** @throws MeridianError `consumer-not-found` */
  producerOf(consumerId: ConsumerId): ProducerId {
    return this.#consumers.producerOf(consumerId);
  }

  /** @throws MeridianError `consumer-not-found` */
  dataProducerOf(dataConsumerId: DataConsumerId): DataProducerId {
    return this.#dataConsumers.producerOf(dataConsumerId);
  }

  /**
   * What a request is answered with: this subscription as it is now. From now on the page knows of it.
   * @throws MeridianError `closed` when it has ended meanwhile
   */
  answerWith({ consumerId }: ConsumerOptions): ConsumerOptions {
    const opened = this.#consumers.tell(consumerId);
    if (opened === undefined) throw new MeridianError('closed');
    return opened;
  }

  /** As `answerWith`. @throws MeridianError `closed` */
  answerWithData({ dataConsumerId }: DataConsumerOptions): DataConsumerOptions {
    const opened = this.#dataConsumers.tell(dataConsumerId);
    if (opened === undefined) throw new MeridianError('closed');
    return opened;
  }

  /** Leaves the room on this node: media, subscriptions, claims on relays. Idempotent, synchronous. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const undo of this.#undo) undo();
    this.subscriptions.close();
    this.dataSubscriptions.close();
    this.room.remove(this);
    this.media.close();
  }

  #tell(notification: EncodedNotification): void {
    if (this.#started) this.#options.send(notification);
    else this.#early.push(notification);
  }

  #isOwnDoing(change: RoomEvent): boolean {
    const { sessionId } = this.self;
    switch (change.type) {
      case 'producer-opened':
        return change.producer.sessionId === sessionId;
      case 'data-producer-opened':
        return change.dataProducer.sessionId === sessionId;
      case 'producer-closed':
      case 'data-producer-closed':
        return change.sessionId === sessionId;
      case 'participant-joined':
        return change.participant.sessionId === sessionId;
      case 'producer-updated':
        return this.published.producer(change.producerId) !== undefined;
      case 'participant-left':
        return change.sessionId === sessionId;
      case 'participant-updated':
      case 'room-ended':
        return false;
      default:
        return assertNever(change);
    }
  }

  #follow(producerId: ProducerId): void {
    if (!this.#started || !this.#options.autoSubscribe || !this.grants.subscribe) return;
    if (this.room.producer(producerId)?.sessionId === this.self.sessionId) return;
    this.subscriptions.follow(producerId);
  }

  #followData(dataProducerId: DataProducerId): void {
    if (!this.#started || !this.#options.autoSubscribe || !this.grants.subscribe) return;
    if (this.room.dataProducer(dataProducerId)?.sessionId === this.self.sessionId) return;
    this.dataSubscriptions.follow(dataProducerId);
  }

  #mediaSubscriptions() {
    const { media, nodeId, pull, clock, random, room } = this.#options;
    return new Subscriptions<ProducerId, ProducerInfo, ConsumerOptions>({
      most: this.#options.maxConsumers,
      clock,
      random,
      onFailure: (producerId, error) => this.#logFailure({ producerId }, error),
      source: {
        find: (producerId) => room.producer(producerId),
        isLocal: (info) => info.nodeId === nodeId,
        pull: (producerId, info) => pull(info.nodeId, mediaItem(producerId)),
        consume: async (producerId, { sessionId, source }) => {
          const opened = { ...(await media.consume(producerId)), sessionId, source };
          this.#consumers.made(opened.consumerId, producerId, opened);
          if (!this.#firstConsumerSeen) {
            this.#firstConsumerSeen = true;
            this.#options.onFirstConsumer(clock.now() - this.#joinedAtMs);
          }
          return opened;
        },
        close: ({ consumerId }) => {
          if (!media.closed) media.closeConsumer(consumerId);
          this.#consumerGone(consumerId);
        },
        announce: ({ consumerId }) => {
          const opened = this.#consumers.tell(consumerId);
          if (opened !== undefined) this.notify('consumer-opened', opened);
        },
      },
    });
  }

  #dataSubscriptions() {
    const { media, nodeId, pull, clock, random, room } = this.#options;
    return new Subscriptions<DataProducerId, DataProducerInfo, DataConsumerOptions>({
      most: this.#options.maxConsumers,
      clock,
      random,
      onFailure: (dataProducerId, error) => this.#logFailure({ dataProducerId }, error),
      source: {
        find: (dataProducerId) => room.dataProducer(dataProducerId),
        isLocal: (info) => info.nodeId === nodeId,
        pull: (dataProducerId, info) => pull(info.nodeId, dataItem(dataProducerId)),
        consume: async (dataProducerId, { sessionId }) => {
          const opened = { ...(await media.consumeData(dataProducerId)), sessionId };
          this.#dataConsumers.made(opened.dataConsumerId, dataProducerId, opened);
          return opened;
        },
        close: ({ dataConsumerId }) => {
          if (!media.closed) media.closeDataConsumer(dataConsumerId);
          this.#dataConsumerGone(dataConsumerId);
        },
        announce: ({ dataConsumerId }) => {
          const opened = this.#dataConsumers.tell(dataConsumerId);
          if (opened !== undefined) this.notify('data-consumer-opened', opened);
        },
      },
    });
  }

  #consumerGone(consumerId: ConsumerId): void {
    if (this.#consumers.gone(consumerId)) this.notify('consumer-closed', { consumerId });
  }

  #dataConsumerGone(dataConsumerId: DataConsumerId): void {
    if (this.#dataConsumers.gone(dataConsumerId)) this.notify('data-consumer-closed', { dataConsumerId });
  }

  #logFailure(what: object, error: unknown): void {
    const usual = USUAL_FAILURES.some((code) => isMeridianError(error, code));
    this.#options.log[usual ? 'debug' : 'warn']({ ...what, err: error }, 'a subscription failed');
  }

  #listen(): void {
    const { media, onMediaEnded, onProducerEnded, onDataProducerEnded } = this.#options;
    const health = this.#health;
    this.#undo.push(
      () => health.close(),
      media.on('transport-state', ({ transport, state }) => health.update(transport, state)),
      media.on('consumer-closed', ({ consumerId, producerId }) => {
        this.#consumerGone(consumerId);
        this.subscriptions.consumerClosed(producerId, (opened) => opened.consumerId === consumerId);
      }),
      media.on('data-consumer-closed', ({ dataConsumerId, dataProducerId }) => {
        this.#dataConsumerGone(dataConsumerId);
        this.dataSubscriptions.consumerClosed(dataProducerId, (opened) => opened.dataConsumerId === dataConsumerId);
      }),
      media.on('consumer-updated', (data) => {
        const { consumerId, producerPaused } = data;
        if (this.#consumers.changed(consumerId, { producerPaused })) this.notify('consumer-updated', data);
      }),
      media.on('consumer-layers', (data) => {
        if (this.#consumers.isTold(data.consumerId)) this.notify('consumer-layers', data);
      }),
      media.on('consumer-score', (data) => {
        if (this.#consumers.isTold(data.consumerId)) this.notify('consumer-score', data);
      }),
      media.on('producer-closed', ({ producerId }) => {
        if (this.published.removeProducer(producerId)) onProducerEnded(producerId);
      }),
      media.on('data-producer-closed', ({ dataProducerId }) => {
        if (this.published.removeDataProducer(dataProducerId)) onDataProducerEnded(dataProducerId);
      }),
      // Not by us: `close` has taken this listener away by then.
      media.on('closed', () => onMediaEnded('worker-died')),
    );
  }
}

/** Written once, sent to everybody in the room. */
export function encodeSpeakers({ speakers, dominant }: ActiveSpeakers): EncodedNotification {
  return encodeNotification('active-speakers', { speakers: [...speakers], dominant });
}
