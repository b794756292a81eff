import { UserView } from '@meridian/protocol';
import { callerView } from '../../accounts/user-view.ts';
import type { Route } from '../../http/route.ts';

export const me: Route = (app, { auth }) => {
  app.route({
    method: 'GET',
    url: '/v1/me',
    config: { auth: 'user' },
    schema: { tags: ['users'], summary: 'Who the token speaks for', response: { 200: UserView } },
    handler: async (request) => callerView(auth.userOf(request)),
  });
};
