import { z } from 'zod';
import { ChatMessage } from './chat.ts';
import { ErrorBody } from './errors.ts';
import { NodeId, Region, RoomId, RoomSlug, SessionId, UserId } from './ids.ts';
import { IceServer } from './media.ts';
import { Coordinates, NodeLoad, NodeState } from './nodes.ts';
import { DisplayName } from './room-state.ts';
import { Grants } from './tokens.ts';

/** Bodies of the HTTP API under /v1. Tokens travel in `Authorization: Bearer ...` only. */
export const Email = z.string().trim().max(254).pipe(z.email());
/** NIST SP 800-63B: at least 8 characters, long ones allowed, no composition rules. */
export const Password = z.string().min(8).max(256);

export const UserView = z.object({
  userId: UserId,
  kind: z.enum(['account', 'guest']),
  name: DisplayName,
  email: z.string().optional(),
});
export type UserView = z.infer<typeof UserView>;

export const RegisterRequest = z.object({ email: Email, password: Password, name: DisplayName });
export const LoginRequest = z.object({ email: Email, password: z.string().min(1).max(256) });
export const GuestRequest = z.object({ name: DisplayName });
export const UserTokenReply = z.object({
  user: UserView,
  userToken: z.string(),
  expiresAtMs: z.int(),
});
export type UserTokenReply = z.infer<typeof UserTokenReply>;
export const ChangePasswordRequest = z.object({ current: z.string().min(1).max(256), next: Password });
export const UpdateMeRequest = z.object({ name: DisplayName });

export const RoomVisibility = z.enum(['public', 'private']);
export type RoomVisibility = z.infer<typeof RoomVisibility>;
/** What happens when a user who is in the room joins with another session. */
export const DuplicatePolicy = z.enum(['allow', 'replace', 'reject']);
export type DuplicatePolicy = z.infer<typeof DuplicatePolicy>;

export const RoomTitle = z.string().trim().min(1).max(120);
export const RoomCapacity = z.int().min(1).max(1_000);

export const RoomView = z.object({
  roomId: RoomId,
  slug: RoomSlug,
  title: RoomTitle,
  visibility: RoomVisibility,
  duplicates: DuplicatePolicy,
  capacity: RoomCapacity,
  ownerId: UserId,
  createdAtMs: z.int(),
  /** Path of the room in the web app: `/r/<slug>`. */
  path: z.string(),
  /** The caller's standing. */
  role: z.enum(['owner', 'member', 'visitor']),
});
export type RoomView = z.infer<typeof RoomView>;

export const CreateRoomRequest = z.object({
  slug: RoomSlug.optional(),
  title: RoomTitle.optional(),
  visibility: RoomVisibility.default('public'),
  duplicates: DuplicatePolicy.default('allow'),
  capacity: RoomCapacity.default(50),
});
export const UpdateRoomRequest = z
  .object({
    title: RoomTitle,
    visibility: RoomVisibility,
    duplicates: DuplicatePolicy,
    capacity: RoomCapacity,
  })
  .partial();
export const RoomListReply = z.object({ rooms: z.array(RoomView) });

export const InvitationRequest = z.object({
  /** Seconds until the link stops working; default a week, 90 days at most. */
  expiresInS: z
    .int()
    .min(60)
    .max(90 * 86_400)
    .default(7 * 86_400),
});
/** The token stands in the fragment of the URL, which browsers never send. The id is for revoking it. */
export const InvitationReply = z.object({
  url: z.string(),
  invitation: z.string(),
  invitationId: z.string(),
  expiresAtMs: z.int(),
});
export const AcceptInvitationRequest = z.object({ invitation: z.string().max(4_096) });
export const MembersReply = z.object({
  members: z.array(z.object({ userId: UserId, name: DisplayName, role: z.enum(['owner', 'member']) })),
});

export const NodeCandidate = z.object({
  nodeId: NodeId,
  region: Region,
  regionName: z.string(),
  coordinates: Coordinates,
  probeUrl: z.string(),
  state: NodeState,
  load: NodeLoad.pick({ sessions: true, maxSessions: true }),
  /** Great-circle distance from the client, kilometres; null where the client's place is unknown. */
  distanceKm: z.number().nullable(),
});
export type NodeCandidate = z.infer<typeof NodeCandidate>;
/** Of a query string: `?lat=` is no number, though it would turn into 0. */
const queryNumber = (least: number, most: number) =>
  z
    .preprocess(
      (value) => (typeof value === 'string' && value.trim() === '' ? Number.NaN : value),
      z.coerce.number().min(least).max(most),
    )
    .optional();
export const NodesQuery = z.object({ lat: queryNumber(-90, 90), lon: queryNumber(-180, 180) });
export const NodesReply = z.object({
  nodes: z.array(NodeCandidate),
  location: Coordinates.nullable(),
  locatedBy: z.enum(['given', 'geoip', 'none']),
  /** Measure this many of the first candidates. */
  probe: z.int().nonnegative(),
});
export type NodesReply = z.infer<typeof NodesReply>;

export const CreateSessionRequest = z.object({
  /** Measured round trip times, milliseconds. */
  rtts: z
    .array(z.object({ nodeId: NodeId, rttMs: z.number().nonnegative().max(60_000) }))
    .max(64)
    .default([]),
  coordinates: Coordinates.optional(),
  /** The room the client is heading for: nodes that host it are preferred when that costs little. */
  room: RoomSlug.optional(),
  /** Only nodes of this region (for trying things out). */
  region: Region.optional(),
  /** A node the client has just lost: not chosen again while another one can take it. */
  avoid: z.array(NodeId).max(8).default([]),
  /**
   * The session token this tab had before (it may have expired): the new session keeps its id, so
   * that a refreshed page takes its own participant over.
   */
  previousSessionToken: z.string().max(4_096).optional(),
});
export type CreateSessionRequest = z.input<typeof CreateSessionRequest>;

export const PlacementReason = z.enum([
  'forced-region',
  'hosts-room-and-close',
  'lowest-rtt',
  'nearest',
  'least-loaded',
]);
export type PlacementReason = z.infer<typeof PlacementReason>;

export const PlacementDecision = z.object({
  nodeId: NodeId,
  region: Region,
  reason: PlacementReason,
  /** One sentence for people: why this node. */
  explanation: z.string(),
  rttMs: z.number().nullable(),
  distanceKm: z.number().nullable(),
});
export type PlacementDecision = z.infer<typeof PlacementDecision>;

export const CreateSessionReply = z.object({
  sessionId: SessionId,
  sessionToken: z.string(),
  expiresAtMs: z.int(),
  wsUrl: z.string(),
  decision: PlacementDecision,
  iceServers: z.array(IceServer),
});
export type CreateSessionReply = z.infer<typeof CreateSessionReply>;

/**
 * Of `POST /v1/sessions/renew`, which takes the session token: another one of the same session, node and user. The node
 * asks for it in the session's name before the old one expires.
 */
export const RenewSessionReply = z.object({ sessionToken: z.string(), expiresAtMs: z.int() });
export type RenewSessionReply = z.infer<typeof RenewSessionReply>;

/** The session token authenticates this one, not the user token. */
export const JoinRoomRequest = z.object({});
export const JoinRoomReply = z.object({
  roomToken: z.string(),
  expiresAtMs: z.int(),
  room: RoomView,
  grants: Grants,
});
export type JoinRoomReply = z.infer<typeof JoinRoomReply>;

export const MessagesQuery = z.object({
  /** Only messages older than this id. */
  before: z.string().max(64).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(50),
});
/** Newest last. */
export const MessagesReply = z.object({
  messages: z.array(ChatMessage),
  /** Pass as `before` for the page before this one; null at the beginning. */
  before: z.string().nullable(),
});
export type MessagesReply = z.infer<typeof MessagesReply>;

export const ErrorReply = z.object({ error: ErrorBody });
export type ErrorReply = z.infer<typeof ErrorReply>;
