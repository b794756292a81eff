import { RoomView } from '@meridian/protocol';
import type { Route } from '../../http/route.ts';
import { roomView } from '../../rooms/access.ts';
import { RoomParams } from '../params.ts';

export const readRoom: Route = (app, { auth, rooms }) => {
  app.route({
    method: 'GET',
    url: '/v1/rooms/:slug',
    config: { auth: 'user', errors: ['room-not-found', 'room-private'] },
    schema: { tags: ['rooms'], summary: 'One room', params: RoomParams, response: { 200: RoomView } },
    handler: async (request) => roomView(await rooms.enter(request.params.slug, auth.userOf(request).userId)),
  });
};
