import { MeridianError, RenewSessionReply } from '@meridian/protocol';
import type { Route } from '../../http/route.ts';

/**
 * Asked for by the session's node, in the session's name. A token is only as long-lived as its connection: without a lease
 * on the node that the token is for there is none to renew, so one that was stolen does not live on by itself.
 */
export const renewSession: Route = (app, { auth, cluster, issuer }) => {
  app.route({
    method: 'POST',
    url: '/v1/sessions/renew',
    config: { auth: 'session', errors: ['session-not-attached', 'token-session', 'cluster-unavailable'] },
    schema: {
      tags: ['sessions'],
      summary: 'Get a newer token of the same attached session; nodes ask for it before the old one expires',
      response: { 200: RenewSessionReply },
    },
    handler: async (request) => {
      const { sub, name, sid, aud, roomHint, ver } = auth.sessionOf(request);
      const lease = await cluster.leases.find(aud, sid);
      if (lease === undefined) throw new MeridianError('session-not-attached');
      if (lease.userId !== sub) throw new MeridianError('token-session');
      const { token, expiresAtMs } = await issuer.session({ sub, name, sid, aud, roomHint, ver });
      request.log.info({ sessionId: sid, nodeId: aud }, 'session token renewed');
      return { sessionToken: token, expiresAtMs };
    },
  });
};
