import { ChangePasswordRequest, MeridianError, UserTokenReply } from '@meridian/protocol';
import { emailKey } from '@meridian/store';
import { callerOf, signedIn } from '../../accounts/user-view.ts';
import { signInLimit } from '../../http/limits.ts';
import type { Route } from '../../http/route.ts';

export const changePassword: Route = (app, { config, auth, attempts, passwords, store, issuer, revoker }) => {
  app.route({
    method: 'POST',
    url: '/v1/me/password',
    config: { auth: 'user', rateLimit: signInLimit(config), errors: ['bad-credentials', 'forbidden'] },
    schema: {
      tags: ['users'],
      summary: 'Change the password; every older token ends with its calls, the answer holds a new one',
      body: ChangePasswordRequest,
      response: { 200: UserTokenReply },
    },
    handler: async (request) => {
      const { userId } = auth.userOf(request);
      const user = await store.users.find(userId);
      if (user === undefined) throw new MeridianError('forbidden', { message: 'Guests have no password.' });
      // The same window as logging in: a stolen token must not help to guess the password.
      await attempts.login.attempt(emailKey(user.email));
      const verdict = await passwords.verify(user.passwordHash, request.body.current);
      if (!verdict.matches) throw new MeridianError('bad-credentials', { message: 'The current password is wrong.' });
      attempts.login.succeeded(emailKey(user.email));
      const changed = await store.users.changePassword(userId, await passwords.hash(request.body.next));
      if (changed === undefined) throw new MeridianError('token-revoked');
      await revoker.revoke({ userId, ver: changed.tokenVersion });
      return signedIn(issuer, callerOf(changed));
    },
  });
};
