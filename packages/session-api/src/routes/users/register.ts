import { RegisterRequest, UserTokenReply } from '@meridian/protocol';
import { emailKey } from '@meridian/store';
import { callerOf, signedIn } from '../../accounts/user-view.ts';
import { signInLimit } from '../../http/limits.ts';
import type { Route } from '../../http/route.ts';

export const register: Route = (app, { config, attempts, passwords, store, ids, clock, issuer }) => {
  app.route({
    method: 'POST',
    url: '/v1/users',
    config: { rateLimit: signInLimit(config), errors: ['email-taken', 'store-unavailable'] },
    schema: {
      tags: ['users'],
      summary: 'Register an account',
      body: RegisterRequest,
      response: { 201: UserTokenReply },
    },
    handler: async ({ body }, reply) => {
      await attempts.register.attempt(emailKey(body.email));
      const user = {
        userId: ids.account(),
        email: body.email,
        name: body.name,
        passwordHash: await passwords.hash(body.password),
        tokenVersion: 0,
        createdAtMs: clock.now(),
      };
      await store.users.create(user);
      return reply.code(201).send(await signedIn(issuer, callerOf(user)));
    },
  });
};
