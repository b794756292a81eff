import {
  ChatMessage,
  DisplayName,
  DuplicatePolicy,
  MeridianError,
  parseOrThrow,
  RoomCapacity,
  RoomId,
  RoomSlug,
  RoomTitle,
  RoomVisibility,
  UserId,
} from '@meridian/protocol';
import { z } from 'zod';
import type { Invitation, Member, Room, User } from './ports.ts';

/** What the databases hold, checked on the way in and on the way out. Times are milliseconds since 1970. */
const timeMs = z.int().nonnegative();

export const UserRecord = z.object({
  userId: UserId,
  email: z.string().min(1).max(254),
  name: DisplayName,
  passwordHash: z.string().min(1).max(1_024),
  tokenVersion: z.int().nonnegative(),
  createdAtMs: timeMs,
}) satisfies z.ZodType<User>;

export const RoomRecord = z.object({
  roomId: RoomId,
  slug: RoomSlug,
  title: RoomTitle,
  ownerId: UserId,
  visibility: RoomVisibility,
  duplicates: DuplicatePolicy,
  capacity: RoomCapacity,
  createdAtMs: timeMs,
}) satisfies z.ZodType<Room>;

/** The parts of a room that can be changed. */
export const RoomChange = RoomRecord.pick({
  title: true,
  visibility: true,
  duplicates: true,
  capacity: true,
}).partial();
export type RoomChange = z.output<typeof RoomChange>;

export const MemberRecord = z.object({
  userId: UserId,
  name: DisplayName,
  joinedAtMs: timeMs,
}) satisfies z.ZodType<Member>;

/** Milliseconds since 1970 up to which invitations do not bring an expelled member back. */
export const ExpulsionTime = timeMs;

export const InvitationRecord = z.object({
  invitationId: z.string().min(1).max(64),
  roomId: RoomId,
  invitedBy: UserId,
  createdAtMs: timeMs,
  expiresAtMs: timeMs,
}) satisfies z.ZodType<Invitation>;

export const MessageRecord = ChatMessage;

/** How many records one call may ask for. */
export const MOST_AT_ONCE = 1_000;
const Limit = z.int().min(1).max(MOST_AT_ONCE);

/** @throws MeridianError `bad-request`: what does not fit is not kept, since it could not be read back. */
export function checked<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  return parseOrThrow(schema, value, 'bad-request', what);
}

/** @throws MeridianError `bad-request` */
export function checkedLimit(limit: number): number {
  return parseOrThrow(Limit, limit, 'bad-request', 'limit');
}

/** @throws MeridianError `internal` when the database holds something else than a record of this kind. */
export function stored<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  return parseOrThrow(schema, value, 'internal', `stored ${what}`);
}

/** Like `stored`, for what may not be there. */
export function storedIfAny<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> | undefined {
  return value === undefined || value === null ? undefined : stored(schema, value, what);
}

/** Room of a member or an invitation that is not (or no longer) there. */
export const roomGone = (roomId: RoomId): MeridianError => new MeridianError('room-not-found', { details: { roomId } });

/** An invitation that was issued before its bearer was expelled from the room. */
export const expelled = (): MeridianError =>
  new MeridianError('invitation-invalid', {
    message: 'The owner has removed you from this room since this invitation was made; ask for a new one.',
    details: { reason: 'token-revoked' },
  });
