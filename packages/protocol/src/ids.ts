import { z } from 'zod';

/**
 * Branded identifiers. A value gets its brand only by parsing, so that a room id can never be
 * passed where a session id is meant.
 */
const opaque = (max = 64) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[A-Za-z0-9][A-Za-z0-9_-]*$/, 'may hold letters, digits, "_" and "-" only');

const lowerLabel = z
  .string()
  .min(1)
  .max(63)
  .regex(/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/, 'may hold lower-case letters, digits and inner "-"');

export const NodeId = lowerLabel.brand<'NodeId'>();
export type NodeId = z.infer<typeof NodeId>;

/** A short label of a place with coordinates, such as `eu-west`. */
export const Region = lowerLabel.brand<'Region'>();
export type Region = z.infer<typeof Region>;

export const RoomId = opaque().brand<'RoomId'>();
export type RoomId = z.infer<typeof RoomId>;

/** The part after `/r/` in a room's URL. 3 to 63 characters. */
export const RoomSlug = lowerLabel.min(3).brand<'RoomSlug'>();
export type RoomSlug = z.infer<typeof RoomSlug>;

export const UserId = opaque().brand<'UserId'>();
export type UserId = z.infer<typeof UserId>;

export const SessionId = opaque().brand<'SessionId'>();
export type SessionId = z.infer<typeof SessionId>;

export const TransportId = opaque().brand<'TransportId'>();
export type TransportId = z.infer<typeof TransportId>;

export const ProducerId = opaque().brand<'ProducerId'>();
export type ProducerId = z.infer<typeof ProducerId>;

export const ConsumerId = opaque().brand<'ConsumerId'>();
export type ConsumerId = z.infer<typeof ConsumerId>;

export const DataProducerId = opaque().brand<'DataProducerId'>();
export type DataProducerId = z.infer<typeof DataProducerId>;

export const DataConsumerId = opaque().brand<'DataConsumerId'>();
export type DataConsumerId = z.infer<typeof DataConsumerId>;

export const LinkId = opaque().brand<'LinkId'>();
export type LinkId = z.infer<typeof LinkId>;

export const MessageId = opaque().brand<'MessageId'>();
export type MessageId = z.infer<typeof MessageId>;

/**
 * Raised by every new WebSocket of a session. Comparable only within one session: the larger one is
 * the newer attachment.
 */
export const Epoch = z.int().nonnegative().brand<'Epoch'>();
export type Epoch = z.infer<typeof Epoch>;
