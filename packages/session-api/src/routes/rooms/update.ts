import { MeridianError, RoomView, UpdateRoomRequest } from '@meridian/protocol';
import type { Route } from '../../http/route.ts';
import { roomView } from '../../rooms/access.ts';
import { RoomParams } from '../params.ts';

export const updateRoom: Route = (app, { auth, rooms, store, cluster, eviction }) => {
  app.route({
    method: 'PATCH',
    url: '/v1/rooms/:slug',
    config: { auth: 'user', errors: ['room-not-found', 'room-private', 'forbidden', 'cluster-unavailable'] },
    schema: {
      tags: ['rooms'],
      summary:
        'Change a room (owner); new joins follow the new rules, and who is inside stays - but for visitors, when it becomes private',
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
      if (visibility === 'private') await eviction.visitors(room);
      if (visibility === 'public') await cluster.rooms.readmit(roomId, 'visitors');
      return roomView({ room, role: 'owner' });
    },
  });
};
