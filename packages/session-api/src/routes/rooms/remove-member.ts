import { MeridianError } from '@meridian/protocol';
import { z } from 'zod';
import type { Route } from '../../http/route.ts';
import { MemberParams } from '../params.ts';

export const removeMember: Route = (app, { auth, rooms, store }) => {
  app.route({
    method: 'DELETE',
    url: '/v1/rooms/:slug/members/:userId',
    config: { auth: 'user', errors: ['room-not-found', 'room-private', 'forbidden', 'not-found'] },
    schema: {
      tags: ['rooms'],
      summary: 'Remove a member (owner) or leave (the member); a call that is under way goes on',
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
      if (!(await store.rooms.removeMember(room.roomId, userId))) {
        throw new MeridianError('not-found', { message: 'There is no such member.' });
      }
      return reply.code(204).send();
    },
  });
};
