import { z } from 'zod';
import type { Route } from '../../http/route.ts';
import { RoomParams } from '../params.ts';

export const deleteRoom: Route = (app, { auth, rooms, store, cluster }) => {
  app.route({
    method: 'DELETE',
    url: '/v1/rooms/:slug',
    config: { auth: 'user', errors: ['room-not-found', 'room-private', 'forbidden', 'cluster-unavailable'] },
    schema: {
      tags: ['rooms'],
      summary: 'Delete a room (owner); the call ends for everybody inside',
      params: RoomParams,
      response: { 204: z.undefined().describe('Done.') },
    },
    handler: async (request, reply) => {
      const { roomId } = await rooms.own(request.params.slug, auth.userOf(request).userId);
      // First the call: if the second step fails, the owner can ask again, and nobody sits in a room that is gone.
      await cluster.rooms.end(roomId);
      await store.rooms.delete(roomId);
      // Who slipped in meanwhile (the owner may open an ended room again) goes now.
      await cluster.rooms.end(roomId);
      return reply.code(204).send();
    },
  });
};
