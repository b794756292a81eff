import { ChatMessage, MessageId, RoomId, RoomSlug, SessionId, UserId } from '@meridian/protocol';
import type { Invitation, Member, Room, User } from '../src/index.ts';

let count = 0;
const next = (): string => {
  count += 1;
  return String(count).padStart(6, '0');
};

export const aUserId = (): UserId => UserId.parse(`u${next()}`);
export const aRoomId = (): RoomId => RoomId.parse(`r${next()}`);

export function aUser(change: Partial<User> = {}): User {
  const userId = change.userId ?? aUserId();
  return {
    userId,
    email: `${userId}@example.org`,
    name: 'Ada',
    passwordHash: '$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA',
    tokenVersion: 0,
    createdAtMs: 1_750_000_000_000,
    ...change,
  };
}

export function aRoom(change: Partial<Room> = {}): Room {
  const roomId = change.roomId ?? aRoomId();
  return {
    roomId,
    slug: RoomSlug.parse(`room-${roomId}`),
    title: 'Weekly',
    ownerId: aUserId(),
    visibility: 'private',
    duplicates: 'allow',
    capacity: 50,
    createdAtMs: 1_750_000_000_000,
    ...change,
  };
}

export function aMember(change: Partial<Member> = {}): Member {
  return { userId: aUserId(), name: 'Grace', joinedAtMs: 1_750_000_000_000, ...change };
}

export function anInvitation(roomId: RoomId, change: Partial<Invitation> = {}): Invitation {
  return {
    invitationId: `i${next()}`,
    roomId,
    invitedBy: aUserId(),
    createdAtMs: 1_750_000_000_000,
    expiresAtMs: 1_750_000_600_000,
    ...change,
  };
}

/** The `n`th line of a room; ids of larger `n` sort later. */
export function aMessage(roomId: RoomId, n: number, change: Partial<ChatMessage> = {}): ChatMessage {
  return ChatMessage.parse({
    id: MessageId.parse(`m${String(n).padStart(8, '0')}`),
    roomId,
    sessionId: SessionId.parse('s1'),
    userId: UserId.parse('u1'),
    name: 'Ada',
    text: `line ${n}`,
    sentAtMs: 1_750_000_000_000 + n,
    ...change,
  });
}
