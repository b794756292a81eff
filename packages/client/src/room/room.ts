import {
  assertNever,
  type Grants,
  type MediaSource,
  type NodeId,
  type Participant,
  type PlacementDecision,
  type ProducerId,
  type ProducerInfo,
  type Region,
  type RoomView,
  type SessionId,
} from '@meridian/protocol';
import type { Context } from '../context.ts';
import { Emitter } from '../emitter.ts';
import { ClientError, type SdkError, toSdkError } from '../errors.ts';
import type { VideoCodec } from '../media/encodings.ts';
import type { Shown } from '../media/layers.ts';
import type { RemoteTrack } from '../media/receiver.ts';
import { type RoomStats, StatsSampler } from '../stats/sampler.ts';
import type { Attached } from './attach.ts';
import type { ActiveSpeakers, Attachment } from './attachment.ts';
import { RoomChat } from './chat.ts';
import type { RoomEnd, RoomEvents } from './events.ts';
import { IncomingMedia } from './incoming-media.ts';
import { type LocalPublication, Publications, type PublishOptions } from './publications.ts';
import type { RosterChange } from './roster.ts';
import type { JoinTimings, Stopwatch } from './timings.ts';
import { Upkeep, type UpkeepHost } from './upkeep.ts';

/** Where the room stands. */
export type RoomPhase =
  | { readonly name: 'connected' }
  | { readonly name: 'reconnecting'; readonly attempt: number; readonly cause: SdkError }
  | { readonly name: 'ended'; readonly end: RoomEnd };

export interface RoomOptions {
  readonly context: Context;
  readonly attached: Attached;
  readonly rtts: readonly { readonly nodeId: NodeId; readonly rttMs: number }[];
  readonly autoSubscribe: boolean;
  /** Data channels that are opened at once, so that a first message finds everybody listening. */
  readonly dataLabels: readonly string[];
  /** Of what is published without saying in which. */
  readonly videoCodec: VideoCodec | undefined;
  readonly watch: Stopwatch;
}

/** Where we are attached now. */
export interface Whereabouts {
  readonly nodeId: NodeId;
  readonly region: Region;
  readonly decision: PlacementDecision;
}

/**
 * A room one is in. It stays the same object over reconnects and moves from node to node; `ended` is
 * its last event. Made by `join`.
 */
export class Room extends Emitter<RoomEvents> {
  readonly #upkeep: Upkeep;
  readonly #incoming: IncomingMedia;
  /** Lines of chat: `chat.lines`, `chat.send`, `chat.loadOlder`. */
  readonly chat: RoomChat;
  readonly #publications: Publications;
  readonly #sampler: StatsSampler;
  readonly #watch: Stopwatch;
  readonly #dataLabels: readonly string[];
  readonly #autoSubscribe: boolean;
  #attached: Attached;
  #speakers: ActiveSpeakers = { speakers: [], dominant: null };
  #changeAnnounced = false;

  constructor(options: RoomOptions) {
    super();
    const { attached, context } = options;
    this.#attached = attached;
    this.#watch = options.watch;
    this.#dataLabels = options.dataLabels;
    this.#sampler = new StatsSampler(context.runtime.now);
    this.#incoming = new IncomingMedia({
      runtime: context.runtime,
      events: {
        onAdded: (track) => this.#tell('track-added', track),
        onReplaced: (before, after) => this.#tell('track-replaced', { before, after }),
        onRemoved: (track) => this.#tell('track-removed', track),
        onFlowing: () => this.#watch.mark('first-media'),
      },
      isQuiet: (track) => this.#isQuiet(track),
      isSuperseded: ({ sessionId, source, producerId }) => {
        const producer = this.producerOf(sessionId, source);
        return producer !== undefined && producer.producerId !== producerId;
      },
      isReplaced: ({ producerId }) => this.#upkeep.rosters.some((roster) => roster.isReplaced(producerId)),
      isLeft: (track) => this.#upkeep.leaving?.receiver.tracks.includes(track) === true,
    });
    this.#publications = new Publications(
      {
        onChanged: () => this.#changed(),
        onEnded: (source) => this.#onLocalEnded(source),
        onTrouble: (error) => this.emit('trouble', error),
      },
      options.videoCodec,
    );
    const { autoSubscribe, rtts } = options;
    this.#autoSubscribe = autoSubscribe;
    this.#upkeep = new Upkeep({
      context,
      attached,
      autoSubscribe,
      rtts,
      sizeOf: (track) => this.#incoming.sizeOf(track),
      host: this.#host(),
    });
    this.chat = new RoomChat({
      context,
      upkeep: this.#upkeep,
      onLines: (fresh) => {
        for (const message of fresh) this.emit('chat', message);
        this.#changed();
      },
    });
    this.#upkeep.start();
  }

  // what holds now

  get phase(): RoomPhase {
    const { state } = this.#upkeep;
    switch (state.name) {
      case 'connected':
        return { name: 'connected' };
      case 'suspended':
        return state.isShown ? { name: 'reconnecting', attempt: 0, cause: state.cause } : { name: 'connected' };
      case 'reconnecting':
        return { name: 'reconnecting', attempt: state.attempt, cause: state.cause };
      case 'ended':
        return { name: 'ended', end: state.end };
      default:
        return assertNever(state);
    }
  }

  /** The room as it was at the (latest) join. */
  get info(): RoomView {
    return this.#attached.place.room;
  }

  get grants(): Grants {
    return this.#attached.joined.grants;
  }

  /** Ourselves, as the others see us. */
  get self(): Participant {
    const { self } = this.#attached.joined;
    return this.#upkeep.roster.participant(self.sessionId) ?? self;
  }

  get whereabouts(): Whereabouts {
    const { decision } = this.#attached.session;
    return { nodeId: decision.nodeId, region: decision.region, decision };
  }

  /** Everybody, ourselves included, in order of arrival. */
  get participants(): readonly Participant[] {
    return this.#upkeep.roster.participants;
  }

  /** What somebody else publishes. Our own is in `publications`. */
  producerOf(sessionId: SessionId, source: MediaSource): ProducerInfo | undefined {
    return this.#upkeep.roster.producerOf(sessionId, source);
  }

  get producers(): readonly ProducerInfo[] {
    return this.#upkeep.roster.producers;
  }

  /** Media that comes in, by producer. */
  get tracks(): ReadonlyMap<ProducerId, RemoteTrack> {
    return this.#incoming.tracks;
  }

  /** Somebody's camera, microphone or screen, over whichever node it comes. */
  trackOf(sessionId: SessionId, source: MediaSource): RemoteTrack | undefined {
    return this.#incoming.trackOf(sessionId, source);
  }

  get publications(): readonly LocalPublication[] {
    return this.#publications.list;
  }

  publication(source: MediaSource): LocalPublication | undefined {
    return this.#publications.get(source);
  }

  get activeSpeakers(): ActiveSpeakers {
    return this.#speakers;
  }

  /** How long the join took, step by step. */
  get timings(): JoinTimings {
    return this.#watch.read();
  }

  // what we send

  /**
   * Publishes a track; it is published again after every reconnect until `unpublish`.
   * @throws what the node answered; while reconnecting it returns at once and the track follows
   */
  publish(source: MediaSource, track: MediaStreamTrack, options: PublishOptions = {}): Promise<void> {
    this.#mustBeIn();
    return this.#publications.publish(source, track, options);
  }

  async unpublish(source: MediaSource): Promise<void> {
    await this.#publications.unpublish(source);
  }

  /** @throws ClientError `not-published` */
  mute(source: MediaSource): Promise<void> {
    return this.#publications.setMuted(source, true);
  }

  /** @throws ClientError `not-published` */
  unmute(source: MediaSource): Promise<void> {
    return this.#publications.setMuted(source, false);
  }

  /**
   * Sends from another device, without the others noticing more than a new picture. Null switches the
   * device off and keeps the place: with `mute` before it, that is how a camera is turned off.
   * @throws ClientError `not-published`
   */
  replaceTrack(source: MediaSource, track: MediaStreamTrack | null): Promise<void> {
    return this.#publications.replaceTrack(source, track);
  }

  /** A message to everybody over data channels: quick, in order, not kept. @throws ClientError `data-backlog` */
  sendData(label: string, payload: string | Uint8Array<ArrayBuffer>, signal?: AbortSignal): Promise<void> {
    return this.#upkeep.sendData(label, payload, signal);
  }

  // what we receive

  /** Asks for one producer's media; only needed when joined with `autoSubscribe: false`. */
  async subscribe(producerId: ProducerId, signal?: AbortSignal): Promise<void> {
    const { attached, receiver } = await this.#upkeep.attachment(signal);
    await receiver.open(await attached.connection.request('subscribe', { producerId }, { signal }));
  }

  async unsubscribe(producerId: ProducerId, signal?: AbortSignal): Promise<void> {
    const { attached, receiver } = await this.#upkeep.attachment(signal);
    const incoming = receiver.consumerOf(producerId);
    if (incoming === undefined) return;
    receiver.closed(incoming.consumerId);
    await attached.connection.request('unsubscribe', { consumerId: incoming.consumerId }, { signal });
  }

  /**
   * Says in which size a video is shown, in device pixels, or that nobody sees it. The node then sends
   * the layer that fits, or nothing. It is a source's, not a track's: kept over reconnects and moves.
   * @param what a producer, or somebody's source
   */
  setShown(what: ProducerId | { readonly sessionId: SessionId; readonly source: MediaSource }, shown: Shown): void {
    const roster = this.#upkeep.roster;
    const producer = typeof what === 'string' ? roster.producer(what) : roster.producerOf(what.sessionId, what.source);
    if (producer === undefined) return;
    const { sessionId, source } = producer;
    this.#incoming.setSize(producer, shown);
    for (const { receiver } of this.#upkeep.receiving) void receiver.shownChanged(sessionId, source);
  }

  /** One look at the quality of the call; rates are against the look before. */
  async stats(signal?: AbortSignal): Promise<RoomStats> {
    const { attached, sender, receiver, sessionId } = await this.#upkeep.attachment(signal);
    return this.#sampler.sample({
      sessionId,
      nodeId: attached.session.decision.nodeId,
      signallingRttMs: attached.connection.rttMs,
      participants: this.#upkeep.roster.participants,
      tracks: receiver.tracks,
      sendStats: () => sender.transport.getStats(),
      receiveStats: () => receiver.transport.getStats(),
      nodeStats: () => attached.connection.request('get-stats', {}, { signal, withinMs: 3_000 }),
    });
  }

  /**
   * Goes to another node while the call goes on, as it happens by itself when this one is about to stop: joins there,
   * sends and receives there, and leaves here when nothing is missing any more.
   * @param withinMs it is tried again and again for so long
   * @throws why the last attempt failed, such as `no-healthy-node`; the call goes on where it was
   */
  async moveElsewhere(withinMs = 15_000, signal?: AbortSignal): Promise<Whereabouts> {
    await this.#upkeep.move(withinMs, signal);
    return this.whereabouts;
  }

  // what moderators may do

  /** @throws MeridianError `forbidden` */
  async kick(sessionId: SessionId, signal?: AbortSignal): Promise<void> {
    await this.#upkeep.request('kick', { sessionId }, { signal });
  }

  /** Ends the room for everybody. @throws MeridianError `forbidden` */
  async endForAll(signal?: AbortSignal): Promise<void> {
    await this.#upkeep.request('end-room', {}, { signal });
  }

  /** Idempotent. Stops what was published, closes everything; resolves when the node has heard it. */
  leave(): Promise<void> {
    return this.#upkeep.leave();
  }

  // what we are told

  #host(): UpkeepHost {
    return {
      onAttached: (attachment) => this.#onAttached(attachment),
      onDetached: () => {
        this.#publications.suspend();
        this.#speakers = { speakers: [], dominant: null };
      },
      // What the stay before still played and nobody sends any more goes now.
      onSettled: ({ receiver }) => this.#incoming.keepOnly(receiver.tracks),
      onStaged: (next, carriedBps) => this.#onStaged(next, carriedBps),
      onUnstaged: ({ sender }) => this.#publications.giveUp(sender),
      relyOn: (tracks) => this.#incoming.relyOn(tracks),
      onResumed: (afterMs) => {
        this.#publications.retry();
        this.#tell('resumed', { afterMs });
      },
      onMoved: (attachment, afterMs) => {
        const { nodeId, region } = attachment.attached.session.decision;
        this.#tell('moved', { nodeId, region, afterMs });
      },
      onReconnecting: (waiting) => {
        this.emit('reconnecting', waiting);
        this.#changed();
      },
      onReconnected: (attachment, afterMs) => {
        const { nodeId, region } = attachment.attached.session.decision;
        this.emit('reconnected', { nodeId, region, afterMs });
        this.chat.catchUp().catch((error: unknown) => this.emit('trouble', toSdkError(error)));
      },
      onEnded: (end) => this.#onEnded(end),
      onRoster: (changes) => this.#onRoster(changes),
      onTrack: (track, flow) => this.#incoming.add(track, flow),
      onTrackGone: (track) => this.#incoming.drop(track),
      onData: (message) => this.emit('data', message),
      onChat: (message) => this.chat.receive(message),
      onSpeakers: (speakers) => {
        this.#speakers = speakers;
        this.emit('active-speakers', speakers);
        this.#changed();
      },
      onRelayTrouble: (trouble) => this.emit('relay-trouble', trouble),
      onTrouble: (error) => this.emit('trouble', error),
      onConnected: (direction) => this.#watch.mark(direction === 'send' ? 'send-connected' : 'receive-connected'),
    };
  }

  #onAttached(attachment: Attachment): void {
    this.#attached = attachment.attached;
    this.#publications.use(attachment.sender);
    this.#openChannels(attachment, this.#dataLabels);
    this.#changed();
  }

  /** Sends at the next node what is sent at this one. */
  async #onStaged(next: Attachment, carriedBps: Promise<number | undefined>): Promise<void> {
    const { current } = this.#upkeep;
    const labels = new Set([...this.#dataLabels, ...(current?.sender.channelLabels ?? [])]);
    this.#openChannels(next, [...labels]);
    const missing = this.#autoSubscribe ? [] : (current?.receiver.tracks ?? []);
    await Promise.all([
      this.#publications.publishAlso(next.sender, carriedBps),
      ...missing.map(async ({ producerId }) => {
        await next.receiver.open(await next.attached.connection.request('subscribe', { producerId }));
      }),
    ]);
  }

  #openChannels(attachment: Attachment, labels: readonly string[]): void {
    for (const label of labels) {
      attachment.sender.openChannel(label).catch((error: unknown) => {
        if (this.#upkeep.current === attachment) this.emit('trouble', toSdkError(error));
      });
    }
  }

  #isQuiet({ sessionId, source, producerId }: RemoteTrack): boolean {
    const producer = this.#upkeep.roster.producer(producerId) ?? this.producerOf(sessionId, source);
    return producer?.paused === true || this.#incoming.sizeOf({ sessionId, source }) === 'hidden';
  }

  #onRoster(changes: readonly RosterChange[]): void {
    for (const change of changes) {
      switch (change.type) {
        case 'participant-joined':
        case 'participant-updated':
          this.emit(change.type, change.participant);
          break;
        case 'participant-left':
          this.emit(change.type, { participant: change.participant, reason: change.reason });
          break;
        case 'producer-closed':
          this.#incoming.forget(change.producer);
          this.emit(change.type, change.producer);
          break;
        case 'producer-replaced':
          this.emit(change.type, { before: change.before, producer: change.producer });
          break;
        case 'producer-updated':
          if (change.producer.paused) this.#incoming.quiet(change.producer);
          this.emit(change.type, change.producer);
          break;
        case 'producer-opened':
          this.emit(change.type, change.producer);
          break;
        default:
          assertNever(change);
      }
    }
    this.#changed();
  }

  #onLocalEnded(source: MediaSource): void {
    if (source === 'screen' || source === 'screen-audio') {
      this.#publications.unpublish(source).catch((error: unknown) => this.emit('trouble', toSdkError(error)));
    }
    this.emit('local-track-ended', { source });
    this.#changed();
  }

  #onEnded(end: RoomEnd): void {
    this.#publications.close();
    this.#incoming.keepOnly([]);
    this.#changeAnnounced = true;
    this.emit('changed', undefined);
    this.emit('ended', end);
    this.removeAllListeners();
  }

  #mustBeIn(): void {
    const { phase } = this;
    if (phase.name === 'ended') throw phase.end.error ?? new ClientError('room-left');
  }

  #tell<E extends keyof RoomEvents>(event: E, value: RoomEvents[E]): void {
    this.emit(event, value);
    this.#changed();
  }

  /** Listeners hear once of all that changed in the same turn. */
  #changed(): void {
    if (this.#changeAnnounced) return;
    this.#changeAnnounced = true;
    queueMicrotask(() => {
      if (this.#upkeep.state.name === 'ended') return;
      this.#changeAnnounced = false;
      this.emit('changed', undefined);
    });
  }
}
