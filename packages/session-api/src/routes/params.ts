import { RoomSlug, UserId } from '@meridian/protocol';
import { z } from 'zod';

export const RoomParams = z.object({ slug: RoomSlug });
export const MemberParams = z.object({ slug: RoomSlug, userId: UserId });
export const InvitationParams = z.object({ slug: RoomSlug, invitationId: z.string().min(8).max(64) });
