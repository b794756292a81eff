import { MeridianError, RoomView, UpdateRoomRequest } from '@meridian/protocol';
import type { Route } from '../../http/route.ts';
import { roomView } from '../../rooms/access.ts';
import { RoomParams } from '../params.ts';

export const updateRoom: Route = (app, { auth, rooms, store }) => {
  app.route({
    method: 'PATCH',
    url: '/v1/rooms/:slug',
    config: { auth: 'user', errors: ['room-not-found', 'room-private', 'forbidden'] },
    schema: {
      tags: ['rooms'],
      summary: 'Change a room (owner); who is inside stays, new joins follow the new rules',
      params: RoomParams,
      body: UpdateRoomRequest,
      response: { 200: RoomView },
    },
    handler: async (request) => {
      const { roomId } = await rooms.own(request.params.slug, auth.userOf(request).userId);
      const { title, visibility, duplicates, capacity } = request.body;
      const room = await store.rooms.update(roomId, {
        ...(title !== undefined && { title }),
        ...(visibility !== undefined && { visibility }),
        ...(duplicates !== undefined && { duplicates }),
        ...(capacity !== undefined && { capacity }),
      });
      if (room === undefined) throw new MeridianError('room-not-found');
      return roomView({ room, role: 'owner' });
    },
  });
};
