import { z } from 'zod';
import { Epoch, NodeId, Region, RoomId, RoomSlug, SessionId, UserId } from './ids.ts';
import { DisplayName } from './room-state.ts';

/** The only signature algorithm that is accepted (RFC 8037). */
export const TOKEN_ALGORITHM = 'EdDSA';

/** The audience of user tokens and invitations: the session service itself. */
export const SERVICE_AUDIENCE = 'meridian-session-api';

/** JWT `typ` headers: one per kind, so that one kind never passes for another. */
export const TOKEN_TYPES = {
  user: 'meridian-user+jwt',
  session: 'meridian-session+jwt',
  room: 'meridian-room+jwt',
  invitation: 'meridian-invitation+jwt',
} as const;
export type TokenKind = keyof typeof TOKEN_TYPES;

const base = {
  iss: z.string(),
  iat: z.int(),
  exp: z.int(),
};

export const UserTokenClaims = z.object({
  ...base,
  sub: UserId,
  aud: z.literal(SERVICE_AUDIENCE),
  name: DisplayName,
  kind: z.enum(['account', 'guest']),
  /** Token version: raised to revoke every older user token. */
  ver: z.int().nonnegative(),
});
export type UserTokenClaims = z.infer<typeof UserTokenClaims>;

export const SessionTokenClaims = z.object({
  ...base,
  sub: UserId,
  name: DisplayName,
  sid: SessionId,
  /** The selected node; no other node takes the token. */
  aud: NodeId,
  /** The room the client said it is heading for; only a hint (the node indexes it, relays warm up). */
  roomHint: RoomId.optional(),
  /** The account's token version when it was issued (guests have none): logging out everywhere ends it too. */
  ver: z.int().nonnegative().optional(),
});
export type SessionTokenClaims = z.infer<typeof SessionTokenClaims>;

export const Grants = z.object({
  publish: z.boolean(),
  subscribe: z.boolean(),
  chat: z.boolean(),
  /** May remove participants and end the room. */
  moderate: z.boolean(),
});
export type Grants = z.infer<typeof Grants>;

export const RoomTokenClaims = z.object({
  ...base,
  sub: UserId,
  sid: SessionId,
  room: RoomId,
  slug: RoomSlug,
  grants: Grants,
  aud: NodeId,
  /** The epoch of the connection the place was reserved for. */
  epoch: Epoch,
  /** Burnt at the join: a room token works once. */
  jti: z.string().min(16).max(64),
});
export type RoomTokenClaims = z.infer<typeof RoomTokenClaims>;

export const InvitationClaims = z.object({
  ...base,
  aud: z.literal(SERVICE_AUDIENCE),
  room: RoomId,
  slug: RoomSlug,
  jti: z.string().min(8).max(64),
  /** Who invited. */
  sub: UserId,
});
export type InvitationClaims = z.infer<typeof InvitationClaims>;

/** A session lease as the node writes it when a WebSocket attaches. */
export const SessionLease = z.object({
  sessionId: SessionId,
  userId: UserId,
  name: DisplayName,
  nodeId: NodeId,
  region: Region,
  epoch: Epoch,
  attachedAtMs: z.int().nonnegative(),
});
export type SessionLease = z.infer<typeof SessionLease>;
