import { GuestRequest, UserTokenReply } from '@meridian/protocol';
import { signedIn } from '../../accounts/user-view.ts';
import { guestLimit } from '../../http/limits.ts';
import type { Route } from '../../http/route.ts';

export const guest: Route = (app, { config, ids, issuer }) => {
  app.route({
    method: 'POST',
    url: '/v1/guests',
    config: { rateLimit: guestLimit(config) },
    schema: {
      tags: ['users'],
      summary: 'Enter as a guest: a user without an account, for as long as the token lives',
      body: GuestRequest,
      response: { 201: UserTokenReply },
    },
    handler: async ({ body }, reply) => {
      const caller = {
        userId: ids.guest(),
        kind: 'guest',
        name: body.name,
        tokenVersion: 0,
        email: undefined,
      } as const;
      return reply.code(201).send(await signedIn(issuer, caller));
    },
  });
};
