import { z } from 'zod';
import { ChatMessage, ChatText } from './chat.ts';
import { ErrorBody } from './errors.ts';
import {
  ConsumerId,
  DataConsumerId,
  DataProducerId,
  Epoch,
  NodeId,
  ProducerId,
  Region,
  RoomId,
  RoomSlug,
  SessionId,
  TransportId,
} from './ids.ts';
import {
  ConsumerType,
  DtlsParameters,
  IceParameters,
  MediaKind,
  MediaSource,
  RtpCapabilities,
  RtpParameters,
  SctpStreamParameters,
  TransportOptions,
} from './media.ts';
import { DataProducerInfo, EndReason, Participant, ProducerInfo } from './room-state.ts';
import { Grants } from './tokens.ts';

/**
 * The WebSocket sub-protocol. The client offers two values: this one, and `meridian.token.<session
 * token>` - a header, since no token ever travels in a URL. The node answers with this one.
 */
export const SIGNALLING_PROTOCOL = 'meridian.v1';
export const TOKEN_PROTOCOL_PREFIX = 'meridian.token.';
/**
 * A third value where a lost connection is resumed: `meridian.resume.<epoch>.<seq>` with the epoch of the
 * connection before and the number of the last notification that came over it.
 */
export const RESUME_PROTOCOL_PREFIX = 'meridian.resume.';

/** Where a client left off. */
export const ResumePoint = z.object({ epoch: Epoch, seq: z.int().positive() });
export type ResumePoint = z.infer<typeof ResumePoint>;

export function resumeProtocol({ epoch, seq }: ResumePoint): string {
  return `${RESUME_PROTOCOL_PREFIX}${epoch}.${seq}`;
}

/** Undefined for what is no such value. */
export function parseResumeProtocol(value: string): ResumePoint | undefined {
  const numbers = /^meridian\.resume\.(\d{1,16})\.(\d{1,16})$/.exec(value);
  if (numbers === null) return undefined;
  const point = ResumePoint.safeParse({ epoch: Number(numbers[1]), seq: Number(numbers[2]) });
  return point.success ? point.data : undefined;
}

const nothing = z.object({});
const spatialLayer = z.int().min(0).max(7);
const temporalLayer = z.int().min(0).max(7);

/** A consumer as the client opens its half of it. It starts paused: `resume-consumer` when ready. */
export const ConsumerOptions = z.object({
  consumerId: ConsumerId,
  producerId: ProducerId,
  sessionId: SessionId,
  kind: MediaKind,
  source: MediaSource,
  type: ConsumerType,
  rtpParameters: RtpParameters,
  producerPaused: z.boolean(),
});
export type ConsumerOptions = z.infer<typeof ConsumerOptions>;

export const DataConsumerOptions = z.object({
  dataConsumerId: DataConsumerId,
  dataProducerId: DataProducerId,
  sessionId: SessionId,
  label: z.string(),
  protocol: z.string(),
  sctpStreamParameters: SctpStreamParameters,
});
export type DataConsumerOptions = z.infer<typeof DataConsumerOptions>;

const LegStats = z.object({
  /** Round trip time, milliseconds. */
  rttMs: z.number().nullable(),
  lossFraction: z.number().nullable(),
  jitterMs: z.number().nullable(),
  /** Bits per second. */
  bitrate: z.number().nullable(),
});

/** Node-side statistics of one session: what its own legs and the relays behind it look like. */
export const SessionStats = z.object({
  up: LegStats,
  down: LegStats,
  /** Available outgoing bitrate by the node's bandwidth estimation, bit/s. */
  availableOutgoingBitrate: z.number().nullable(),
  relays: z.array(z.object({ nodeId: NodeId, rttMs: z.number().nullable(), lossFraction: z.number().nullable() })),
  consumers: z.array(
    z.object({
      consumerId: ConsumerId,
      score: z.number(),
      spatialLayer: z.int().nullable(),
      temporalLayer: z.int().nullable(),
    }),
  ),
});
export type SessionStats = z.infer<typeof SessionStats>;

/** Requests of a client: method -> what is asked and what is answered. Each has one handler file. */
export const REQUESTS = {
  join: {
    request: z.object({
      roomToken: z.string().min(1).max(4_096),
      /** The room that the client means; a token of another one is refused (`token-room`). */
      room: RoomSlug.optional(),
      rtpCapabilities: RtpCapabilities,
      /** Receive everything that is published without asking for each; default true. */
      autoSubscribe: z.boolean().default(true),
      /**
       * Moves the session's participant here from the node it is on: that one's media goes on beside the new one until
       * the old connection leaves. Without an older participant it is an ordinary join.
       */
      handover: z.boolean().default(false),
    }),
    reply: z.object({
      roomId: RoomId,
      slug: RoomSlug,
      grants: Grants,
      self: Participant,
      revision: z.int().nonnegative(),
      /** Everybody in the room, the joiner included. */
      participants: z.array(Participant),
      producers: z.array(ProducerInfo),
      dataProducers: z.array(DataProducerInfo),
      sendTransport: TransportOptions,
      recvTransport: TransportOptions,
    }),
  },
  /** Ends the session: the reply comes, then the node closes the connection with 1000. */
  leave: {
    request: z.object({
      /**
       * Gives up a move that came here: the participant goes back to the node that it has not left yet. Where there is
       * none (any more), it leaves.
       */
      back: z.boolean().default(false),
    }),
    reply: nothing,
  },
  'connect-transport': {
    request: z.object({ transportId: TransportId, dtlsParameters: DtlsParameters }),
    reply: nothing,
  },
  'restart-ice': {
    request: z.object({ transportId: TransportId }),
    reply: z.object({ iceParameters: IceParameters }),
  },
  publish: {
    request: z.object({
      transportId: TransportId,
      kind: MediaKind,
      source: MediaSource,
      rtpParameters: RtpParameters,
      paused: z.boolean().default(false),
      /** An own producer, maybe on another node, that this one is going to take the place of. */
      replaces: ProducerId.optional(),
    }),
    reply: z.object({ producerId: ProducerId }),
  },
  unpublish: { request: z.object({ producerId: ProducerId }), reply: nothing },
  'pause-producer': { request: z.object({ producerId: ProducerId }), reply: nothing },
  'resume-producer': { request: z.object({ producerId: ProducerId }), reply: nothing },
  subscribe: { request: z.object({ producerId: ProducerId }), reply: ConsumerOptions },
  unsubscribe: { request: z.object({ consumerId: ConsumerId }), reply: nothing },
  'pause-consumer': { request: z.object({ consumerId: ConsumerId }), reply: nothing },
  'resume-consumer': { request: z.object({ consumerId: ConsumerId }), reply: nothing },
  'set-consumer-layers': {
    request: z.object({
      consumerId: ConsumerId,
      spatialLayer,
      temporalLayer: temporalLayer.optional(),
    }),
    reply: nothing,
  },
  'set-consumer-priority': {
    request: z.object({ consumerId: ConsumerId, priority: z.int().min(1).max(255) }),
    reply: nothing,
  },
  'request-keyframe': { request: z.object({ consumerId: ConsumerId }), reply: nothing },
  'publish-data': {
    request: z.object({
      transportId: TransportId,
      label: z.string().max(64),
      protocol: z.string().max(64).default(''),
      sctpStreamParameters: SctpStreamParameters,
    }),
    reply: z.object({ dataProducerId: DataProducerId }),
  },
  'unpublish-data': { request: z.object({ dataProducerId: DataProducerId }), reply: nothing },
  'subscribe-data': {
    request: z.object({ dataProducerId: DataProducerId }),
    reply: DataConsumerOptions,
  },
  'unsubscribe-data': { request: z.object({ dataConsumerId: DataConsumerId }), reply: nothing },
  'send-chat': {
    request: z.object({ text: ChatText }),
    reply: z.object({ message: ChatMessage }),
  },
  'get-stats': { request: nothing, reply: SessionStats },
  kick: { request: z.object({ sessionId: SessionId }), reply: nothing },
  'end-room': { request: nothing, reply: nothing },
} as const;
export type Requests = typeof REQUESTS;
export type RequestMethod = keyof Requests;
export type RequestInput<M extends RequestMethod> = z.input<Requests[M]['request']>;
export type RequestData<M extends RequestMethod> = z.output<Requests[M]['request']>;
export type ReplyData<M extends RequestMethod> = z.output<Requests[M]['reply']>;

/**
 * Notifications of a node. Numbered 1, 2, 3, ..., `welcome` being the first. What a session does itself (its own
 * join, producers and chat lines) is not repeated to it: the reply says it.
 *
 * A resumed connection goes on counting: its `welcome` bears the number that the client named, and what it missed
 * follows. Requests that were not answered are sent again under their ids, which go on rising, before the first ping: the node
 * runs none twice.
 */
export const NOTIFICATIONS = {
  /** First on every connection: the lease is written, `POST /v1/rooms/:slug/join` may be called now. */
  welcome: z.object({
    sessionId: SessionId,
    nodeId: NodeId,
    region: Region,
    epoch: Epoch,
    routerRtpCapabilities: RtpCapabilities,
    /** The client sends a `ping` frame this often; a peer silent for `deadAfterMs` is dead. */
    pingEveryMs: z.int().positive(),
    deadAfterMs: z.int().positive(),
    maxFrameBytes: z.int().positive(),
    /** The participant of the connection before is still in the room, with all its media. */
    resumed: z.boolean(),
    /** How long a lost connection can be resumed, milliseconds; 0 where it cannot. */
    resumeWindowMs: z.int().nonnegative(),
  }),
  /** A newer token of the same session, long before the older one expires. */
  'session-token': z.object({ sessionToken: z.string().max(4_096), expiresAtMs: z.int() }),
  /**
   * The node is about to stop: get a session on another node and join there with `handover`, then leave here. Who is
   * still here when `deadlineMs` have passed is told to rejoin.
   */
  'move-asked': z.object({ reason: z.enum(['draining']), deadlineMs: z.int().nonnegative() }),
  'participant-joined': z.object({ participant: Participant }),
  'participant-left': z.object({ sessionId: SessionId, reason: EndReason }),
  'participant-updated': z.object({ participant: Participant }),
  'producer-opened': z.object({ producer: ProducerInfo }),
  'producer-updated': z.object({ producerId: ProducerId, paused: z.boolean() }),
  'producer-closed': z.object({ producerId: ProducerId, sessionId: SessionId }),
  'data-producer-opened': z.object({ dataProducer: DataProducerInfo }),
  'data-producer-closed': z.object({ dataProducerId: DataProducerId, sessionId: SessionId }),
  'consumer-opened': ConsumerOptions,
  'consumer-updated': z.object({ consumerId: ConsumerId, producerPaused: z.boolean() }),
  'consumer-closed': z.object({ consumerId: ConsumerId }),
  'consumer-layers': z.object({
    consumerId: ConsumerId,
    spatialLayer: z.int().nullable(),
    temporalLayer: z.int().nullable(),
  }),
  'consumer-score': z.object({ consumerId: ConsumerId, score: z.number(), producerScore: z.number() }),
  'data-consumer-opened': DataConsumerOptions,
  'data-consumer-closed': z.object({ dataConsumerId: DataConsumerId }),
  'active-speakers': z.object({
    /** Loudest first; volume in dBov, -127 (silence) to 0. */
    speakers: z.array(z.object({ sessionId: SessionId, volume: z.number() })),
    dominant: SessionId.nullable(),
  }),
  chat: z.object({ message: ChatMessage }),
  /** A producer of another node cannot be had now; it is tried again by the node. */
  'relay-trouble': z.object({ nodeId: NodeId, code: z.string() }),
  /** The session's media is gone (a worker died); the client joins again by itself. */
  'media-lost': z.object({ reason: EndReason }),
  /** Last words before the node closes the connection. */
  'session-ended': z.object({ reason: EndReason, error: ErrorBody }),
} as const;
export type Notifications = typeof NOTIFICATIONS;
export type NotificationName = keyof Notifications;
export type NotificationData<N extends NotificationName> = z.output<Notifications[N]>;

/** What a client sends. `data` is checked against REQUESTS[method] next. */
export const ClientFrame = z.discriminatedUnion('t', [
  z.object({
    t: z.literal('req'),
    id: z.int().nonnegative(),
    method: z.string().max(64),
    data: z.unknown(),
  }),
  z.object({
    t: z.literal('ping'),
    id: z.int().nonnegative(),
    /** Notifications up to this number have come: the node need not keep them for a resume. */
    seq: z.int().nonnegative().optional(),
  }),
]);
export type ClientFrame = z.infer<typeof ClientFrame>;

/** What a node sends. */
export const ServerFrame = z.discriminatedUnion('t', [
  z.object({ t: z.literal('res'), id: z.int(), ok: z.literal(true), data: z.unknown() }),
  z.object({ t: z.literal('err'), id: z.int(), error: ErrorBody }),
  z.object({ t: z.literal('ntf'), seq: z.int().positive(), event: z.string().max(64), data: z.unknown() }),
  z.object({ t: z.literal('pong'), id: z.int() }),
]);
export type ServerFrame = z.infer<typeof ServerFrame>;

export function isRequestMethod(name: string): name is RequestMethod {
  return Object.hasOwn(REQUESTS, name);
}

export function isNotificationName(name: string): name is NotificationName {
  return Object.hasOwn(NOTIFICATIONS, name);
}
