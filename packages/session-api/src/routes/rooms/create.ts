import { CreateRoomRequest, isMeridianError, MeridianError, RoomView } from '@meridian/protocol';
import type { Room } from '@meridian/store';
import { createRoomLimit } from '../../http/limits.ts';
import type { Route } from '../../http/route.ts';
import { roomView } from '../../rooms/access.ts';

/** Generated slugs hold 48 random bits; more than one clash in a row is no accident. */
const SLUG_ATTEMPTS = 3;

export const createRoom: Route = (app, { config, auth, store, ids, clock, naming }) => {
  app.route({
    method: 'POST',
    url: '/v1/rooms',
    config: {
      auth: 'user',
      rateLimit: createRoomLimit(config),
      errors: ['room-slug-taken', 'too-many-rooms', 'forbidden'],
    },
    schema: {
      tags: ['rooms'],
      summary: 'Create a room, with a slug of your choice or a generated one',
      body: CreateRoomRequest,
      response: { 201: RoomView },
    },
    handler: async (request, reply) => {
      const { userId, kind } = auth.userOf(request);
      if (kind === 'guest' && !config.guestsMayCreateRooms) {
        throw new MeridianError('forbidden', { message: 'Guests may not create rooms here; sign in first.' });
      }
      if ((await store.rooms.listByOwner(userId, config.roomsPerUser)).length >= config.roomsPerUser) {
        throw new MeridianError('too-many-rooms');
      }
      const { slug: chosen, title, visibility, duplicates, capacity } = request.body;
      for (let attempt = 1; ; attempt += 1) {
        const slug = chosen ?? ids.slug();
        const room: Room = {
          roomId: ids.room(),
          slug,
          title: title ?? slug,
          ownerId: userId,
          visibility,
          duplicates,
          capacity,
          createdAtMs: clock.now(),
        };
        try {
          await store.rooms.create(room);
        } catch (error) {
          if (isMeridianError(error, 'room-slug-taken') && chosen === undefined && attempt < SLUG_ATTEMPTS) continue;
          throw error;
        }
        naming.remember(room);
        return reply.code(201).send(roomView({ room, role: 'owner' }));
      }
    },
  });
};
