import { MeridianError } from '@meridian/protocol';
import { z } from 'zod';
import type { Route } from '../../http/route.ts';
import { InvitationParams } from '../params.ts';

export const revokeInvitation: Route = (app, { auth, rooms, store }) => {
  app.route({
    method: 'DELETE',
    url: '/v1/rooms/:slug/invitations/:invitationId',
    config: { auth: 'user', errors: ['room-not-found', 'room-private', 'forbidden', 'not-found'] },
    schema: {
      tags: ['rooms'],
      summary: 'Revoke an invitation (owner); who has accepted it stays a member',
      params: InvitationParams,
      response: { 204: z.undefined().describe('Done.') },
    },
    handler: async (request, reply) => {
      const { slug, invitationId } = request.params;
      const { roomId } = await rooms.own(slug, auth.userOf(request).userId);
      const invitation = await store.rooms.findInvitation(invitationId);
      if (invitation?.roomId !== roomId || !(await store.rooms.revokeInvitation(invitationId))) {
        throw new MeridianError('not-found', { message: 'There is no such invitation (any more).' });
      }
      return reply.code(204).send();
    },
  });
};
