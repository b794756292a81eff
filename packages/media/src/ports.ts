import type {
  ConsumerId,
  ConsumerType,
  DataConsumerId,
  DataProducerId,
  DtlsParameters,
  IceParameters,
  LinkId,
  MediaKind,
  MediaSource,
  ProducerId,
  RelayEndpoint,
  RelayedDataProducer,
  RelayedProducer,
  RoomId,
  RtpCapabilities,
  RtpParameters,
  SctpStreamParameters,
  SessionId,
  TransportId,
  TransportOptions,
} from '@meridian/protocol';

/**
 * The node's media, as the signalling sees it. One implementation stands on mediasoup; tests of the
 * signalling may pass another. Calling a method of something closed throws MeridianError `closed`.
 * `close()` is idempotent and synchronous; a parent closes its children; `on` returns its undoing.
 */
export interface Emits<Events extends Record<string, readonly unknown[]>> {
  on<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): () => void;
}

export interface MediaEngine extends Emits<{ 'worker-died': [{ worker: number; rooms: RoomId[] }] }> {
  /** The same on every router of every node of one version; sent in `welcome`. */
  readonly routerRtpCapabilities: RtpCapabilities;
  /**
   * Single flight per room. A room closes by itself when it has held no participant and no relay end for
   * `emptyRoomLingerMs`; opening it again starts that time anew.
   */
  openRoom(roomId: RoomId): Promise<RoomMedia>;
  room(roomId: RoomId): RoomMedia | undefined;
  load(): MediaLoad;
  /** One pass over workers and transports; for metrics, about every few seconds. */
  collect(): Promise<MediaReport>;
  close(): Promise<void>;
}

export interface MediaLoad {
  readonly workers: number;
  readonly rooms: number;
  readonly producers: number;
  readonly consumers: number;
  readonly transports: number;
  readonly relayEnds: number;
  /** Of the busiest worker, 0 to 1 of one core, over the last measuring interval. */
  readonly workerCpu: number;
}

export type Leg = 'client-up' | 'client-down' | 'relay-in' | 'relay-out';

export interface LegSample {
  readonly leg: Leg;
  readonly kind: MediaKind;
  /** Set on relay legs. */
  readonly linkId?: LinkId;
  readonly rttMs?: number;
  readonly jitterMs?: number;
  /** 0 to 1, of the packets expected since the previous collect. */
  readonly lossFraction?: number;
}

/** Growth since the previous collect, summed by leg and kind; never negative. */
export interface LegTotals {
  readonly leg: Leg;
  readonly kind: MediaKind;
  readonly linkId?: LinkId;
  readonly bytes: number;
  readonly packets: number;
  readonly packetsLost: number;
  readonly retransmitted: number;
  readonly nacks: number;
  readonly plis: number;
  readonly firs: number;
  /** Key frames that arrived; on the legs that come in (`client-up`, `relay-in`) of video. */
  readonly keyFrames?: number;
}

export interface MediaReport {
  readonly workers: readonly {
    readonly index: number;
    readonly pid: number;
    /** User plus system CPU seconds since the worker's start. */
    readonly cpuSeconds: number;
    readonly rssBytes: number;
    readonly routers: number;
    readonly consumers: number;
  }[];
  readonly samples: readonly LegSample[];
  readonly totals: readonly LegTotals[];
  readonly load: MediaLoad;
}

export interface ActiveSpeakers {
  /** Loudest first; volume in dBov, -127 to 0. */
  readonly speakers: readonly { readonly sessionId: SessionId; readonly volume: number }[];
  readonly dominant: SessionId | null;
}

export interface RoomMedia
  extends Emits<{
    /** Not emitted more often than every 300 ms. */
    'active-speakers': [ActiveSpeakers];
    /** The room's worker(s) died or the engine closed; `lost` names the sessions without media now. */
    lost: [{ sessions: SessionId[]; reason: 'worker-died' }];
    closed: [];
  }> {
  readonly roomId: RoomId;
  readonly closed: boolean;
  /** Both transports, on one router chosen by load. */
  openParticipant(options: { sessionId: SessionId; rtpCapabilities: RtpCapabilities }): Promise<ParticipantMedia>;
  participant(sessionId: SessionId): ParticipantMedia | undefined;
  /** Is this producer to be had here (published here or relayed to here)? */
  hasProducer(producerId: ProducerId): boolean;
  hasDataProducer(dataProducerId: DataProducerId): boolean;
  /** This node's half of a relay link in this room; see RelayEnd. */
  openRelayEnd(options: { linkId: LinkId; role: 'puller' | 'origin' }): Promise<RelayEnd>;
  /** Idempotent; closes participants and relay ends. */
  close(): void;
}

export interface OpenedConsumer {
  readonly consumerId: ConsumerId;
  readonly producerId: ProducerId;
  readonly kind: MediaKind;
  readonly type: ConsumerType;
  readonly rtpParameters: RtpParameters;
  readonly producerPaused: boolean;
}

export interface OpenedDataConsumer {
  readonly dataConsumerId: DataConsumerId;
  readonly dataProducerId: DataProducerId;
  readonly label: string;
  readonly protocol: string;
  readonly sctpStreamParameters: SctpStreamParameters;
}

export interface ParticipantMedia
  extends Emits<{
    'producer-closed': [{ producerId: ProducerId; reason: 'transport-closed' | 'worker-died' }];
    'consumer-closed': [{ consumerId: ConsumerId; producerId: ProducerId }];
    'consumer-updated': [{ consumerId: ConsumerId; producerPaused: boolean }];
    'consumer-layers': [{ consumerId: ConsumerId; spatialLayer: number | null; temporalLayer: number | null }];
    'consumer-score': [{ consumerId: ConsumerId; score: number; producerScore: number }];
    'data-producer-closed': [{ dataProducerId: DataProducerId }];
    'data-consumer-closed': [{ dataConsumerId: DataConsumerId; dataProducerId: DataProducerId }];
    /** ICE went `disconnected` or DTLS `failed`/`closed`; `connected` when a transport is up (again). */
    'transport-state': [{ transport: 'send' | 'recv'; state: 'connected' | 'disconnected' | 'failed' }];
    closed: [];
  }> {
  readonly sessionId: SessionId;
  readonly closed: boolean;
  readonly sendTransport: TransportOptions;
  readonly recvTransport: TransportOptions;
  /** @throws `transport-not-found`, `media-rejected` */
  connect(transportId: TransportId, dtlsParameters: DtlsParameters): Promise<void>;
  restartIce(transportId: TransportId): Promise<IceParameters>;
  /** @throws `media-rejected` when mediasoup refuses the parameters. */
  produce(options: {
    transportId: TransportId;
    kind: MediaKind;
    source: MediaSource;
    rtpParameters: RtpParameters;
    paused: boolean;
  }): Promise<ProducerId>;
  closeProducer(producerId: ProducerId): void;
  pauseProducer(producerId: ProducerId): Promise<void>;
  resumeProducer(producerId: ProducerId): Promise<void>;
  /**
   * Starts paused. Nothing is told of the consumer before whoever asked for it has it, so a pause meanwhile is
   * in the answer or told after it. @throws `producer-not-found`, `cannot-consume`
   */
  consume(producerId: ProducerId): Promise<OpenedConsumer>;
  closeConsumer(consumerId: ConsumerId): void;
  pauseConsumer(consumerId: ConsumerId): Promise<void>;
  /** Resuming asks the publisher for a key frame, across relays too. */
  resumeConsumer(consumerId: ConsumerId): Promise<void>;
  setLayers(consumerId: ConsumerId, layers: { spatialLayer: number; temporalLayer?: number }): Promise<void>;
  setPriority(consumerId: ConsumerId, priority: number): Promise<void>;
  requestKeyFrame(consumerId: ConsumerId): Promise<void>;
  produceData(options: {
    transportId: TransportId;
    label: string;
    protocol: string;
    sctpStreamParameters: SctpStreamParameters;
  }): Promise<DataProducerId>;
  closeDataProducer(dataProducerId: DataProducerId): void;
  consumeData(dataProducerId: DataProducerId): Promise<OpenedDataConsumer>;
  closeDataConsumer(dataConsumerId: DataConsumerId): void;
  stats(): Promise<ParticipantStats>;
  /** What it sends now, bit/s; undefined while nothing was measured. Cheaper than `stats`. */
  incomingBitrate(): Promise<number | undefined>;
  close(): void;
}

export interface LegStats {
  readonly rttMs: number | null;
  readonly lossFraction: number | null;
  readonly jitterMs: number | null;
  /** bit/s */
  readonly bitrate: number | null;
}

export interface ParticipantStats {
  readonly up: LegStats;
  readonly down: LegStats;
  readonly availableOutgoingBitrate: number | null;
  readonly consumers: readonly {
    readonly consumerId: ConsumerId;
    readonly score: number;
    readonly spatialLayer: number | null;
    readonly temporalLayer: number | null;
  }[];
}

/**
 * One half of a relay link: a pipe transport with SRTP (AEAD_AES_256_GCM), RTX and SCTP on. Media
 * flows from the origin to the puller. Closing it closes all that runs over it.
 */
export interface RelayEnd
  extends Emits<{
    /** Origin only: mirror these to the puller. */
    'producer-paused': [ProducerId];
    'producer-resumed': [ProducerId];
    'producer-closed': [ProducerId];
    'data-producer-closed': [DataProducerId];
    closed: [];
  }> {
  readonly linkId: LinkId;
  readonly roomId: RoomId;
  readonly role: 'puller' | 'origin';
  readonly closed: boolean;
  readonly endpoint: RelayEndpoint;
  connect(remote: RelayEndpoint): Promise<void>;

  /** Origin: puts a producer that was published here onto the pipe. Idempotent per producer. @throws `producer-not-found` */
  offer(producerId: ProducerId): Promise<RelayedProducer>;
  offerData(dataProducerId: DataProducerId): Promise<RelayedDataProducer>;
  /** Origin: takes it off again. Unknown ids are ignored. */
  withdraw(producerId: ProducerId): void;
  withdrawData(dataProducerId: DataProducerId): void;

  /** Puller: produces under the same id, so that local participants can consume it. Idempotent per producer. */
  accept(relayed: RelayedProducer): Promise<void>;
  acceptData(relayed: RelayedDataProducer): Promise<void>;
  /** Puller: local consumers of it close with `producer-closed` semantics. Unknown ids are ignored. */
  drop(producerId: ProducerId): void;
  dropData(dataProducerId: DataProducerId): void;
  setPaused(producerId: ProducerId, paused: boolean): Promise<void>;

  /** Ids that run over this end now. */
  readonly producerIds: readonly ProducerId[];
  readonly dataProducerIds: readonly DataProducerId[];
  stats(): Promise<RelayEndStats>;
  /** All that went through the pipe so far, RTCP included; cheaper than `stats`. */
  traffic(): Promise<{ readonly bytesSent: number; readonly bytesReceived: number }>;
  close(): void;
}

export interface RelayEndStats {
  readonly rttMs: number | null;
  readonly jitterMs: number | null;
  readonly lossFraction: number | null;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly packetsSent: number;
  readonly packetsReceived: number;
}
