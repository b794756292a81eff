import { MeridianError } from '@meridian/protocol';
import { z } from 'zod';
import type { Route } from '../../http/route.ts';
import { MemberParams } from '../params.ts';

export const removeMember: Route = (app, { auth, rooms, store, clock, eviction }) => {
  app.route({
    method: 'DELETE',
    url: '/v1/rooms/:slug/members/:userId',
    config: { auth: 'user', errors: ['room-not-found', 'room-private', 'forbidden', 'not-found'] },
    schema: {
      tags: ['rooms'],
      summary:
        'Remove a member (owner; earlier invitations do not bring them back) or leave (the member); of a private room: out of the call that is under way, too',
      params: MemberParams,
      response: { 204: z.undefined().describe('Done.') },
    },
    handler: async (request, reply) => {
      const caller = auth.userOf(request);
      const { slug, userId } = request.params;
      const { room, role } = await rooms.enterAsMember(slug, caller.userId);
      if (role !== 'owner' && userId !== caller.userId) {
        throw new MeridianError('forbidden', { message: 'Members may only remove themselves.' });
      }
      // Who leaves may come back by the same invitation; who was removed needs a newer one.
      const removed =
        role === 'owner'
          ? await store.rooms.expelMember(room.roomId, userId, clock.now())
          : await store.rooms.removeMember(room.roomId, userId);
      if (!removed) {
        throw new MeridianError('not-found', { message: 'There is no such member.' });
      }
      if (room.visibility === 'private') {
        await eviction.member(room, userId, userId === caller.userId ? 'left' : 'kicked');
      }
      return reply.code(204).send();
    },
  });
};
