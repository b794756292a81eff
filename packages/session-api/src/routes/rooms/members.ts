import { MembersReply } from '@meridian/protocol';
import type { Route } from '../../http/route.ts';
import { RoomParams } from '../params.ts';

export const members: Route = (app, { auth, rooms, store }) => {
  app.route({
    method: 'GET',
    url: '/v1/rooms/:slug/members',
    config: { auth: 'user', errors: ['room-not-found', 'room-private', 'forbidden'] },
    schema: {
      tags: ['rooms'],
      summary: 'Owner and members of a room (for them alone)',
      params: RoomParams,
      response: { 200: MembersReply },
    },
    handler: async (request) => {
      const caller = auth.userOf(request);
      const { room } = await rooms.enterAsMember(request.params.slug, caller.userId);
      const [owner, joined] = await Promise.all([store.users.find(room.ownerId), store.rooms.members(room.roomId)]);
      // A guest who owns a room has no record; only they themselves know their name.
      const ownerName = owner?.name ?? (caller.userId === room.ownerId ? caller.name : 'Guest');
      return {
        members: [
          { userId: room.ownerId, name: ownerName, role: 'owner' as const },
          ...joined.map(({ userId, name }) => ({ userId, name, role: 'member' as const })),
        ],
      };
    },
  });
};
