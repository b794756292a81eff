import { z } from 'zod';
import { DataProducerId, Epoch, NodeId, ProducerId, Region, RoomId, SessionId, UserId } from './ids.ts';
import { MediaKind, MediaSource } from './media.ts';

/**
 * A name people see. Trimmed; control characters, direction overrides and invisible spaces are
 * refused (a name must not pass for another). Joiners (U+200C, U+200D) stay: scripts and emoji need them.
 */
export const DisplayName = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(80)
  .regex(
    /^[^\p{Cc}\p{Zl}\p{Zp}\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\uFEFF]*$/u,
    'must not hold control characters',
  );
export type DisplayName = z.infer<typeof DisplayName>;

/** Why a participant left or a session ended. */
export const EndReason = z.enum([
  'left',
  'connection-lost',
  'transport-failed',
  'replaced',
  'kicked',
  'room-ended',
  'node-shutdown',
  'node-lost',
  'worker-died',
  /** Its participant goes on at another node. */
  'moved',
  'token-revoked',
  'protocol-error',
  'slow-reader',
]);
export type EndReason = z.infer<typeof EndReason>;

/** A participant as everybody in the room sees it. */
export const Participant = z.object({
  sessionId: SessionId,
  userId: UserId,
  name: DisplayName,
  nodeId: NodeId,
  region: Region,
  epoch: Epoch,
  /** Milliseconds since 1970 by the clock of Redis. */
  joinedAtMs: z.int().nonnegative(),
  connection: z.enum(['connected', 'reconnecting']),
});
export type Participant = z.infer<typeof Participant>;

/** A published stream as everybody in the room sees it. `nodeId` is its origin node. */
export const ProducerInfo = z.object({
  producerId: ProducerId,
  sessionId: SessionId,
  nodeId: NodeId,
  kind: MediaKind,
  source: MediaSource,
  paused: z.boolean(),
  /** The producer of the same session that it takes the place of: show it as soon as it has a picture. */
  replaces: ProducerId.optional(),
});
export type ProducerInfo = z.infer<typeof ProducerInfo>;

/** A published data channel. `nodeId` is its origin node. */
export const DataProducerInfo = z.object({
  dataProducerId: DataProducerId,
  sessionId: SessionId,
  nodeId: NodeId,
  label: z.string().max(64),
  protocol: z.string().max(64),
});
export type DataProducerInfo = z.infer<typeof DataProducerInfo>;

/** The whole state of a room at one revision. */
export const RoomSnapshot = z.object({
  roomId: RoomId,
  revision: z.int().nonnegative(),
  participants: z.array(Participant),
  producers: z.array(ProducerInfo),
  dataProducers: z.array(DataProducerInfo),
});
export type RoomSnapshot = z.infer<typeof RoomSnapshot>;

/** One change of a room's state. The script that makes the change raises the revision by one per event. */
export const RoomEvent = z.discriminatedUnion('type', [
  /** Also sent when a newer epoch of the same session takes its place over. */
  z.object({ type: z.literal('participant-joined'), participant: Participant }),
  z.object({
    type: z.literal('participant-left'),
    sessionId: SessionId,
    epoch: Epoch,
    reason: EndReason,
  }),
  z.object({ type: z.literal('participant-updated'), participant: Participant }),
  z.object({ type: z.literal('producer-opened'), producer: ProducerInfo }),
  z.object({ type: z.literal('producer-updated'), producerId: ProducerId, paused: z.boolean() }),
  z.object({ type: z.literal('producer-closed'), producerId: ProducerId, sessionId: SessionId }),
  z.object({ type: z.literal('data-producer-opened'), dataProducer: DataProducerInfo }),
  z.object({
    type: z.literal('data-producer-closed'),
    dataProducerId: DataProducerId,
    sessionId: SessionId,
  }),
  z.object({ type: z.literal('room-ended') }),
]);
export type RoomEvent = z.infer<typeof RoomEvent>;

export const RoomEventEnvelope = z.object({
  roomId: RoomId,
  revision: z.int().positive(),
  event: RoomEvent,
});
export type RoomEventEnvelope = z.infer<typeof RoomEventEnvelope>;
