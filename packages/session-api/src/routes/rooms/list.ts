import { RoomListReply } from '@meridian/protocol';
import type { Route } from '../../http/route.ts';
import { roomView } from '../../rooms/access.ts';

const MOST_ROOMS = 200;

export const listRooms: Route = (app, { auth, store }) => {
  app.route({
    method: 'GET',
    url: '/v1/rooms',
    config: { auth: 'user' },
    schema: {
      tags: ['rooms'],
      summary: 'My rooms: those I own, newest first, then those I am a member of',
      response: { 200: RoomListReply },
    },
    handler: async (request) => {
      const { userId } = auth.userOf(request);
      const [own, joined] = await Promise.all([
        store.rooms.listByOwner(userId, MOST_ROOMS),
        store.rooms.listByMember(userId, MOST_ROOMS),
      ]);
      return {
        rooms: [
          ...own.map((room) => roomView({ room, role: 'owner' })),
          ...joined.map((room) => roomView({ room, role: 'member' })),
        ],
      };
    },
  });
};
