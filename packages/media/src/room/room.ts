import {
  type DataProducerId,
  type LinkId,
  MeridianError,
  type ProducerId,
  type RoomId,
  type RtpCapabilities,
  type SessionId,
} from '@meridian/protocol';
import { Emitter } from '../emitter.ts';
import { closedError, mediaFailure } from '../failures.ts';
import type { MediaLogger, MediaSettings } from '../options.ts';
import { Participant } from '../participant/participant.ts';
import type { ActiveSpeakers, RoomMedia } from '../ports.ts';
import { MediaRelayEnd } from '../relay/relay-end.ts';
import { SEAL_BYTES } from '../relay/sealing.ts';
import type { KeyFrames } from '../stats/key-frames.ts';
import type { WorkerPool } from '../workers/pool.ts';
import type { PlacedRouter } from '../workers/slot.ts';
import type { Registry, Release, RoomDataProducer, RoomEntry, RoomProducer } from './entries.ts';
import { RoomRouters } from './routers.ts';
import { Speakers } from './speakers.ts';
import { createClientTransports, createRelayPipe } from './transports.ts';

type Events = {
  'active-speakers': [ActiveSpeakers];
  lost: [{ sessions: SessionId[]; reason: 'worker-died' }];
  closed: [];
};

/** One room's media on this node. */
export class Room implements RoomMedia, Registry {
  readonly roomId: RoomId;
  readonly logger: MediaLogger;
  readonly #settings: MediaSettings;
  readonly #routers: RoomRouters;
  readonly #events: Emitter<Events>;
  readonly #keyFrames: KeyFrames;
  readonly #onClosed: (room: Room) => void;
  readonly #participants = new Map<SessionId, Participant>();
  readonly #joining = new Set<SessionId>();
  readonly #relayEnds = new Map<LinkId, MediaRelayEnd>();
  readonly #producers = new Map<ProducerId, RoomProducer>();
  readonly #dataProducers = new Map<DataProducerId, RoomDataProducer>();
  /** Microphones held on the primary router for speaker detection. */
  readonly #listened = new Map<RoomProducer, Release>();
  #speakers: Speakers;
  /** Participants and relay ends that are being opened: the room is not empty. */
  #opening = 0;
  #linger: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: {
    first: PlacedRouter;
    pool: WorkerPool;
    settings: MediaSettings;
    keyFrames: KeyFrames;
    onClosed: (room: Room) => void;
  }) {
    this.roomId = options.first.roomId;
    this.logger = options.settings.logger;
    this.#settings = options.settings;
    this.#keyFrames = options.keyFrames;
    this.#onClosed = options.onClosed;
    this.#events = new Emitter((error) =>
      this.logger.error({ roomId: this.roomId, err: error }, 'a listener of a room failed'),
    );
    this.#routers = new RoomRouters({
      first: options.first,
      pool: options.pool,
      settings: options.settings,
      onLost: (placed) => this.#routerLost(placed),
    });
    this.#speakers = this.#newSpeakers(options.first);
    this.touch();
  }

  get closed(): boolean {
    return this.#closed;
  }

  get participants(): readonly Participant[] {
    return [...this.#participants.values()];
  }

  get relayEnds(): readonly MediaRelayEnd[] {
    return [...this.#relayEnds.values()];
  }

  get routers(): readonly PlacedRouter[] {
    return this.#routers.all;
  }

  on<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): () => void {
    return this.#events.on(event, listener);
  }

  participant(sessionId: SessionId): Participant | undefined {
    return this.#participants.get(sessionId);
  }

  hasProducer(producerId: ProducerId): boolean {
    return this.#producers.has(producerId);
  }

  hasDataProducer(dataProducerId: DataProducerId): boolean {
    return this.#dataProducers.has(dataProducerId);
  }

  producer(id: ProducerId): RoomProducer | undefined {
    return this.#producers.get(id);
  }

  dataProducer(id: DataProducerId): RoomDataProducer | undefined {
    return this.#dataProducers.get(id);
  }

  async openParticipant(options: { sessionId: SessionId; rtpCapabilities: RtpCapabilities }): Promise<Participant> {
    this.#assertOpen();
    const { sessionId } = options;
    if (this.#participants.has(sessionId) || this.#joining.has(sessionId)) throw new MeridianError('already-joined');
    this.#joining.add(sessionId);
    return this.#whileOpening(async () => {
      const { placed, leave } = await this.#routers.join(this.#producers.size);
      try {
        const { send, recv } = await createClientTransports(placed, this.#settings);
        if (this.#closed || placed.router.closed) {
          send.close();
          recv.close();
          throw new MeridianError(placed.worker.worker.died ? 'worker-died' : 'closed');
        }
        const participant = new Participant({
          ...options,
          placed,
          send,
          recv,
          leave,
          registry: this,
          logger: this.logger,
          onClosed: (closed) => this.#participantClosed(closed),
        });
        this.#participants.set(sessionId, participant);
        return participant;
      } catch (thrown) {
        leave();
        throw mediaFailure(thrown, 'no transport', { rejected: 'media-unavailable' });
      }
    }).finally(() => this.#joining.delete(sessionId));
  }

  async openRelayEnd(options: { linkId: LinkId; role: 'puller' | 'origin' }): Promise<MediaRelayEnd> {
    this.#assertOpen();
    const { linkId, role } = options;
    if (this.#relayEnds.has(linkId)) {
      throw new MeridianError('relay-failed', { message: 'This relay link is open here already.' });
    }
    return this.#whileOpening(async () => {
      const placed = this.#routers.primary;
      const pipe = await createRelayPipe(placed, this.#settings).catch((thrown: unknown) => {
        throw mediaFailure(thrown, 'no pipe transport', { rejected: 'media-unavailable' });
      });
      if (this.#closed || placed.router.closed || this.#relayEnds.has(linkId)) {
        pipe.close();
        throw placed.worker.worker.died ? new MeridianError('worker-died') : closedError('room');
      }
      const end = new MediaRelayEnd({
        linkId,
        role,
        pipe,
        placed,
        registry: this,
        logger: this.logger,
        connectTimeoutMs: this.#settings.relayConnectTimeoutMs,
        maxDataMessageBytes: this.#settings.maxDataMessageBytes + SEAL_BYTES,
        onClosed: (closed) => this.#relayEndClosed(closed),
      });
      this.#relayEnds.set(linkId, end);
      return end;
    });
  }

  /** Starts the time an empty room may linger anew. */
  touch(): void {
    clearTimeout(this.#linger);
    if (this.#closed) return;
    this.#linger = setTimeout(() => this.#closeIfEmpty(), this.#settings.emptyRoomLingerMs);
    this.#linger.unref();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#linger);
    for (const participant of this.participants) participant.close();
    for (const end of this.relayEnds) end.close();
    this.#speakers.close();
    for (const release of this.#listened.values()) release();
    this.#listened.clear();
    this.#routers.close();
    this.#producers.clear();
    this.#dataProducers.clear();
    this.#onClosed(this);
    this.#events.emit('closed');
    this.#events.close();
  }

  // For participants and relay ends.

  bring(entry: RoomEntry, target: PlacedRouter): Promise<Release> {
    return this.#routers.bring(entry, target);
  }

  published(entry: RoomEntry): void {
    if (entry.type === 'data') {
      this.#dataProducers.set(entry.id, entry);
      return;
    }
    this.#producers.set(entry.id, entry);
    this.#keyFrames.watch(entry.producer);
    if (entry.source === 'microphone') void this.#listen(entry);
  }

  unpublished(entry: RoomEntry): void {
    if (entry.type === 'data') {
      if (this.#dataProducers.get(entry.id) === entry) this.#dataProducers.delete(entry.id);
      return;
    }
    if (this.#producers.get(entry.id) !== entry) return;
    this.#producers.delete(entry.id);
    this.#speakers.remove(entry.id);
    this.#listened.get(entry)?.();
    this.#listened.delete(entry);
  }

  #participantClosed(participant: Participant): void {
    if (this.#participants.get(participant.sessionId) === participant) {
      this.#participants.delete(participant.sessionId);
    }
    this.#lingerIfEmpty();
  }

  #relayEndClosed(end: MediaRelayEnd): void {
    if (this.#relayEnds.get(end.linkId) === end) this.#relayEnds.delete(end.linkId);
    this.#lingerIfEmpty();
  }

  async #whileOpening<T>(open: () => Promise<T>): Promise<T> {
    this.#opening++;
    try {
      return await open();
    } finally {
      this.#opening--;
      this.#lingerIfEmpty();
    }
  }

  get #empty(): boolean {
    return this.#participants.size === 0 && this.#relayEnds.size === 0 && this.#opening === 0;
  }

  #lingerIfEmpty(): void {
    if (this.#empty) this.touch();
  }

  #closeIfEmpty(): void {
    if (this.#empty) this.close();
  }

  #newSpeakers(placed: PlacedRouter): Speakers {
    return new Speakers({
      router: placed.router,
      clock: this.#settings.clock,
      logger: this.logger,
      emit: (speakers) => this.#events.emit('active-speakers', speakers),
    });
  }

  /** Brings a microphone to the primary router, where speakers are detected. */
  async #listen(entry: RoomProducer): Promise<void> {
    const speakers = this.#speakers;
    try {
      const release = await this.#routers.bring(entry, this.#routers.primary);
      if (this.#producers.get(entry.id) !== entry || this.#speakers !== speakers) return release();
      this.#listened.set(entry, release);
    } catch (error) {
      this.logger.debug({ roomId: this.roomId, producerId: entry.id, err: error }, 'a microphone is not listened to');
      return;
    }
    await speakers.add(entry.id, entry.sessionId);
  }

  #routerLost(placed: PlacedRouter): void {
    if (this.#closed) return;
    const lost = this.participants.filter((participant) => participant.placed === placed);
    for (const participant of lost) participant.close();
    this.#events.emit('lost', { sessions: lost.map((participant) => participant.sessionId), reason: 'worker-died' });
    const next = this.#routers.all[0];
    if (next === undefined) this.close();
    // A listener may have closed it too.
    if (next === undefined || this.#closed) return;
    // The primary may have changed: listen to the microphones that are left there.
    this.#speakers.close();
    for (const release of this.#listened.values()) release();
    this.#listened.clear();
    this.#speakers = this.#newSpeakers(next);
    for (const entry of this.#producers.values()) if (entry.source === 'microphone') void this.#listen(entry);
  }

  #assertOpen(): void {
    if (this.#closed) throw closedError('room');
  }
}
