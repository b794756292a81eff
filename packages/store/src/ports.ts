import type {
  ChatMessage,
  DuplicatePolicy,
  MessageId,
  RoomId,
  RoomSlug,
  RoomVisibility,
  UserId,
} from '@meridian/protocol';

/**
 * Durable data. Every method throws MeridianError `store-unavailable` (503, with retryAfterMs) when
 * the database is out of reach, `closed` after `close()`, and `bad-request` for a record or a limit
 * (1 to 1,000) that is out of bounds. Nothing is cached: what one process wrote, the others read.
 */
export interface User {
  readonly userId: UserId;
  /** As the user typed it; unique in any letter case (email-key.ts says what that means). */
  readonly email: string;
  readonly name: string;
  /** A PHC string (argon2id). */
  readonly passwordHash: string;
  /** Raised to revoke all older user tokens. */
  readonly tokenVersion: number;
  readonly createdAtMs: number;
}

export interface Users {
  /** @throws MeridianError `email-taken` */
  create(user: User): Promise<void>;
  find(userId: UserId): Promise<User | undefined>;
  findByEmail(email: string): Promise<User | undefined>;
  /** The user's name in member lists follows. */
  rename(userId: UserId, name: string): Promise<User | undefined>;
  /** Sets the hash and raises the token version in one step. Returns the new state. */
  changePassword(userId: UserId, passwordHash: string): Promise<User | undefined>;
  /** Replaces the hash only if it still is `expected` (re-hash with newer parameters); version unchanged. */
  rehash(userId: UserId, expected: string, passwordHash: string): Promise<boolean>;
  raiseTokenVersion(userId: UserId): Promise<User | undefined>;
}

export interface Room {
  readonly roomId: RoomId;
  readonly slug: RoomSlug;
  readonly title: string;
  readonly ownerId: UserId;
  readonly visibility: RoomVisibility;
  readonly duplicates: DuplicatePolicy;
  readonly capacity: number;
  readonly createdAtMs: number;
}

export interface Member {
  readonly userId: UserId;
  readonly name: string;
  readonly joinedAtMs: number;
}

export interface Rooms {
  /** @throws MeridianError `room-slug-taken` */
  create(room: Room): Promise<void>;
  find(roomId: RoomId): Promise<Room | undefined>;
  findBySlug(slug: RoomSlug): Promise<Room | undefined>;
  /** Newest first. */
  listByOwner(ownerId: UserId, limit: number): Promise<Room[]>;
  /** Rooms the user is a member of (not the owner), newest membership first. */
  listByMember(userId: UserId, limit: number): Promise<Room[]>;
  update(
    roomId: RoomId,
    change: Partial<Pick<Room, 'title' | 'visibility' | 'duplicates' | 'capacity'>>,
  ): Promise<Room | undefined>;
  /** Removes the room with its members, invitations and messages. */
  delete(roomId: RoomId): Promise<boolean>;

  /**
   * Idempotent: a second time changes nothing and returns false. `invitedAtMs` is when the invitation was
   * issued by which the user comes; one from before an expulsion lets them in no more.
   * @throws MeridianError `room-not-found`; `invitation-invalid` for the invitation of an expelled user
   */
  addMember(roomId: RoomId, member: Member, invitedAtMs?: number): Promise<boolean>;
  /** The member leaves, and may come back by the same invitation. False: was no member. */
  removeMember(roomId: RoomId, userId: UserId): Promise<boolean>;
  /**
   * Removes a member for good: invitations issued up to this time (milliseconds since 1970) do not bring
   * them back, later ones do. The time is kept as long as the room. False: was no member, nothing is kept.
   */
  expelMember(roomId: RoomId, userId: UserId, expelledAtMs: number): Promise<boolean>;
  isMember(roomId: RoomId, userId: UserId): Promise<boolean>;
  /** Longest membership first. */
  members(roomId: RoomId): Promise<Member[]>;

  /**
   * Remembers an issued invitation, so that it can be revoked. One with a known id is left as it is.
   * @throws MeridianError `room-not-found`
   */
  addInvitation(invitation: Invitation): Promise<void>;
  /** An expired one may still be there or be gone already: look at `expiresAtMs`. */
  findInvitation(invitationId: string): Promise<Invitation | undefined>;
  revokeInvitation(invitationId: string): Promise<boolean>;
}

export interface Invitation {
  readonly invitationId: string;
  readonly roomId: RoomId;
  readonly invitedBy: UserId;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

export interface Messages {
  /**
   * Keeps lines; a line whose id is known in its room is left as it is (at-least-once delivery), a line
   * of a room that is gone is dropped.
   */
  keep(messages: readonly ChatMessage[]): Promise<void>;
  /** Up to `limit` lines older than `before`, oldest of them first; ids sort by time. */
  page(roomId: RoomId, options: { before?: MessageId | undefined; limit: number }): Promise<ChatMessage[]>;
  /** Removes what was sent before this time (milliseconds since 1970); returns how many. */
  purge(olderThanMs: number): Promise<number>;
}

export interface Store {
  readonly users: Users;
  readonly rooms: Rooms;
  readonly messages: Messages;
  /** Purges expired invitations (besides a TTL index, which not every server has). */
  purgeInvitations(nowMs: number): Promise<number>;
  /** @throws MeridianError `store-unavailable` */
  ping(): Promise<void>;
  close(): Promise<void>;
}
