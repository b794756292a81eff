import { MeridianError } from '@meridian/protocol';
import { z } from 'zod';
import type { Route } from '../../http/route.ts';

export const logoutEverywhere: Route = (app, { auth, store, revoker }) => {
  app.route({
    method: 'POST',
    url: '/v1/me/logout-everywhere',
    config: { auth: 'user', errors: ['forbidden'] },
    schema: {
      tags: ['users'],
      summary: 'End every token of the account, this one too, and the calls that are under way with them',
      response: { 204: z.undefined().describe('Done.') },
    },
    handler: async (request, reply) => {
      const { userId, kind } = auth.userOf(request);
      if (kind === 'guest') {
        throw new MeridianError('forbidden', { message: 'Guests have no account; their token ends by itself.' });
      }
      const user = await store.users.raiseTokenVersion(userId);
      if (user !== undefined) await revoker.revoke({ userId, ver: user.tokenVersion });
      return reply.code(204).send();
    },
  });
};
