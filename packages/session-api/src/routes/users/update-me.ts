import { MeridianError, UpdateMeRequest, UserTokenReply } from '@meridian/protocol';
import { callerOf, signedIn } from '../../accounts/user-view.ts';
import type { Route } from '../../http/route.ts';

export const updateMe: Route = (app, { auth, store, issuer }) => {
  app.route({
    method: 'PATCH',
    url: '/v1/me',
    config: { auth: 'user' },
    schema: {
      tags: ['users'],
      summary: 'Change the display name; the answer holds a token with the new one',
      body: UpdateMeRequest,
      response: { 200: UserTokenReply },
    },
    handler: async (request) => {
      const caller = auth.userOf(request);
      const { name } = request.body;
      if (caller.kind === 'guest') return signedIn(issuer, { ...caller, name });
      const user = await store.users.rename(caller.userId, name);
      if (user === undefined) throw new MeridianError('token-revoked');
      return signedIn(issuer, callerOf(user));
    },
  });
};
