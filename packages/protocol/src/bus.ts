import { z } from 'zod';
import { ChatMessage } from './chat.ts';
import { ErrorBody } from './errors.ts';
import { DataProducerId, Epoch, LinkId, NodeId, ProducerId, RoomId, SessionId, UserId } from './ids.ts';
import {
  MediaKind,
  MediaSource,
  RtpParameters,
  SctpParameters,
  SctpStreamParameters,
  SrtpParameters,
} from './media.ts';
import { DrainProgress, NodeState } from './nodes.ts';
import { EndReason } from './room-state.ts';

/** Where one half of a relay link listens, and the keys it sends with. */
export const RelayEndpoint = z.object({
  ip: z.string().max(64),
  port: z.int().min(1).max(65_535),
  srtpParameters: SrtpParameters,
  sctpParameters: SctpParameters.optional(),
});
export type RelayEndpoint = z.infer<typeof RelayEndpoint>;

export const RelayedProducer = z.object({
  producerId: ProducerId,
  sessionId: SessionId,
  kind: MediaKind,
  source: MediaSource,
  /** As consumed onto the pipe at the origin; the puller produces with exactly these. */
  rtpParameters: RtpParameters,
  paused: z.boolean(),
});
export type RelayedProducer = z.infer<typeof RelayedProducer>;

export const RelayedDataProducer = z.object({
  dataProducerId: DataProducerId,
  sessionId: SessionId,
  sctpStreamParameters: SctpStreamParameters,
  label: z.string().max(64),
  protocol: z.string().max(64),
});
export type RelayedDataProducer = z.infer<typeof RelayedDataProducer>;

const RelayPullReply = z.object({
  producers: z.array(RelayedProducer),
  dataProducers: z.array(RelayedDataProducer),
  /** Asked for, but gone at the origin (closed meanwhile). */
  missing: z.array(z.string().max(64)),
  /** Asked for, there, and not to be had now: worth asking for again after a while. */
  failed: z.array(z.string().max(64)).optional(),
});

/** Requests between nodes: name -> what is asked and what is answered. */
export const BUS_REQUESTS = {
  /**
   * Puller -> origin: open the origin's half of a relay link, connect it to mine, and put these
   * producers on it. One bus round trip from nothing to media.
   */
  'relay.open': {
    request: z.object({
      roomId: RoomId,
      linkId: LinkId,
      endpoint: RelayEndpoint,
      producerIds: z.array(ProducerId).max(512),
      dataProducerIds: z.array(DataProducerId).max(512),
    }),
    reply: z.object({ endpoint: RelayEndpoint, pulled: RelayPullReply }),
  },
  /** Puller -> origin: put further producers on an open link. */
  'relay.pull': {
    request: z.object({
      roomId: RoomId,
      linkId: LinkId,
      producerIds: z.array(ProducerId).max(512),
      dataProducerIds: z.array(DataProducerId).max(512),
    }),
    reply: RelayPullReply,
  },
  /** Puller -> origin: nobody here wants these any more. */
  'relay.unpull': {
    request: z.object({
      linkId: LinkId,
      producerIds: z.array(ProducerId).max(512),
      dataProducerIds: z.array(DataProducerId).max(512),
    }),
    reply: z.object({}),
  },
  /** Either way: the link is gone. Answered also when it is unknown. */
  'relay.close': {
    request: z.object({ linkId: LinkId, reason: z.string().max(64) }),
    reply: z.object({}),
  },
  /** Either way, from time to time: which of these links do you not hold (any more)? They are orphans. */
  'relay.check': {
    request: z.object({
      linkIds: z.array(LinkId).max(4_096),
      /** Asks how much was sent, too. */
      traffic: z.boolean().optional(),
    }),
    reply: z.object({
      unknown: z.array(LinkId),
      /** Of the links that the asker pulls over: all that went into the pipe so far, bytes. */
      sent: z.array(z.object({ linkId: LinkId, bytes: z.int().nonnegative() })).optional(),
    }),
  },
  /** End a participant that sits on the asked node (kick). */
  'session.end': {
    request: z.object({ roomId: RoomId, sessionId: SessionId, epoch: Epoch, reason: EndReason }),
    reply: z.object({ ended: z.boolean() }),
  },
  /** What relay links a node holds (operators). */
  'relay.list': {
    request: z.object({}),
    reply: z.object({
      links: z.array(
        z.object({
          linkId: LinkId,
          roomId: RoomId,
          remoteNodeId: NodeId,
          role: z.enum(['puller', 'origin']),
          producers: z.int().nonnegative(),
          dataProducers: z.int().nonnegative(),
          rttMs: z.number().nullable(),
          jitterMs: z.number().nullable(),
          lossFraction: z.number().nullable(),
          bytesSent: z.number(),
          bytesReceived: z.number(),
          openedAtMs: z.int().nonnegative(),
          /** The puller finds that nothing comes through the pipe although the origin sends. */
          down: z.boolean().optional(),
        }),
      ),
    }),
  },
  /**
   * Empties the asked node (operators): no new sessions, those it has are asked to move, `spreadMs` apart from the first
   * to the last; at the deadline the rest are told to rejoin. Asked again it only tells how far it is. The process goes
   * on. `cancel` takes new sessions again; who has moved stays where it is.
   */
  'node.drain': {
    request: z.discriminatedUnion('action', [
      z.object({
        action: z.literal('start'),
        deadlineMs: z.int().min(0).max(86_400_000).optional(),
        spreadMs: z.int().min(0).max(3_600_000).optional(),
      }),
      z.object({ action: z.literal('cancel') }),
      z.object({ action: z.literal('status') }),
    ]),
    reply: z.object({ state: NodeState, drain: DrainProgress.optional() }),
  },
  /** Ends all sessions of a user whose tokens are older than `ver` (logged out everywhere); guests' tokens have none. */
  'user.revoke': {
    request: z.object({ userId: UserId, ver: z.int().nonnegative() }),
    reply: z.object({ ended: z.int().nonnegative() }),
  },
  ping: { request: z.object({}), reply: z.object({ nodeId: NodeId, timeMs: z.int() }) },
} as const;
export type BusRequests = typeof BUS_REQUESTS;
export type BusMethod = keyof BusRequests;
export type BusRequestData<M extends BusMethod> = z.output<BusRequests[M]['request']>;
export type BusReplyData<M extends BusMethod> = z.output<BusRequests[M]['reply']>;

/** One-way messages between nodes. At most once: whoever relies on one also reconciles. */
export const BUS_NOTICES = {
  'relay.producer-paused': z.object({ linkId: LinkId, producerId: ProducerId }),
  'relay.producer-resumed': z.object({ linkId: LinkId, producerId: ProducerId }),
  'relay.producer-closed': z.object({ linkId: LinkId, producerId: ProducerId }),
  'relay.data-producer-closed': z.object({ linkId: LinkId, dataProducerId: DataProducerId }),
  /** A chat line for the participants on the receiving node. */
  'chat.line': z.object({ roomId: RoomId, message: ChatMessage }),
} as const;
export type BusNotices = typeof BUS_NOTICES;
export type BusNotice = keyof BusNotices;
export type BusNoticeData<N extends BusNotice> = z.output<BusNotices[N]>;

const methods = Object.keys(BUS_REQUESTS) as [BusMethod, ...BusMethod[]];
const notices = Object.keys(BUS_NOTICES) as [BusNotice, ...BusNotice[]];

/** What travels on a node's channel. */
export const BusEnvelope = z.discriminatedUnion('t', [
  z.object({
    t: z.literal('req'),
    id: z.string().min(8).max(64),
    from: NodeId,
    method: z.enum(methods),
    sentAtMs: z.int(),
    /** Time the sender is willing to wait, milliseconds. */
    ttlMs: z.int().positive(),
    data: z.unknown(),
  }),
  z.object({
    t: z.literal('res'),
    id: z.string().min(8).max(64),
    from: NodeId,
    result: z.discriminatedUnion('ok', [
      z.object({ ok: z.literal(true), data: z.unknown() }),
      z.object({ ok: z.literal(false), error: ErrorBody }),
    ]),
  }),
  z.object({
    t: z.literal('ntc'),
    id: z.string().min(8).max(64),
    from: NodeId,
    notice: z.enum(notices),
    sentAtMs: z.int(),
    /** The receiver answers (with an empty result) that it has heard it. */
    ack: z.boolean().optional(),
    data: z.unknown(),
  }),
]);
export type BusEnvelope = z.infer<typeof BusEnvelope>;
