import { LoginRequest, MeridianError, UserTokenReply } from '@meridian/protocol';
import { emailKey } from '@meridian/store';
import { callerOf, signedIn } from '../../accounts/user-view.ts';
import { signInLimit } from '../../http/limits.ts';
import type { Route } from '../../http/route.ts';

export const login: Route = (app, { config, attempts, passwords, store, issuer }) => {
  app.route({
    method: 'POST',
    url: '/v1/login',
    config: { rateLimit: signInLimit(config), errors: ['bad-credentials', 'store-unavailable'] },
    schema: { tags: ['users'], summary: 'Sign in', body: LoginRequest, response: { 200: UserTokenReply } },
    handler: async ({ body }) => {
      const account = emailKey(body.email);
      await attempts.login.attempt(account);
      const user = await store.users.findByEmail(body.email);
      // Unknown accounts cost the same one verification and give the same answer.
      const verdict = await passwords.verify(user?.passwordHash, body.password);
      if (user === undefined || !verdict.matches) throw new MeridianError('bad-credentials');
      attempts.login.succeeded(account);
      if (verdict.rehashed !== undefined) {
        await store.users.rehash(user.userId, user.passwordHash, verdict.rehashed);
      }
      return signedIn(issuer, callerOf(user));
    },
  });
};
