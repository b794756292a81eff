import { z } from 'zod';
import { MessageId, RoomId, SessionId, UserId } from './ids.ts';
import { DisplayName } from './room-state.ts';

export const ChatText = z
  .string()
  .min(1, 'must not be empty')
  .max(4_000)
  .refine((text) => text.trim() !== '', 'must not be blank');

/** A chat line. `id` sorts by time within a room (assigned by Redis when the node accepts the line). */
export const ChatMessage = z.object({
  id: MessageId,
  roomId: RoomId,
  sessionId: SessionId,
  userId: UserId,
  name: DisplayName,
  text: ChatText,
  /** Milliseconds since 1970 by the clock of Redis. */
  sentAtMs: z.int().nonnegative(),
});
export type ChatMessage = z.infer<typeof ChatMessage>;
