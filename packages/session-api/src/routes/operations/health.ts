import { ErrorReply, MeridianError } from '@meridian/protocol';
import { z } from 'zod';
import type { Route } from '../../http/route.ts';

/** Is the process alive? For restarting it. */
export const healthz: Route = (app) => {
  app.route({
    method: 'GET',
    url: '/healthz',
    schema: { tags: ['operations'], response: { 200: z.object({ status: z.literal('ok') }) } },
    handler: async () => ({ status: 'ok' as const }),
  });
};

const Readiness = z.object({
  status: z.enum(['ready', 'degraded', 'stopping']),
  store: z.boolean(),
  /** What this machine's clock lacks to be that of Redis, milliseconds. */
  clockOffsetMs: z.int(),
});

/**
 * Can it do its work now, and will it go on? For sending it requests: Redis answers. Without the store it goes on for those whom it knows, and
 * no other instance would do better: `degraded`.
 */
export const readyz: Route = (app, { cluster, store, storeWatch, leaving }) => {
  app.route({
    method: 'GET',
    url: '/readyz',
    schema: { tags: ['operations'], response: { 200: Readiness, 503: z.union([Readiness, ErrorReply]) } },
    handler: async (_request, reply) => {
      if (cluster.status !== 'up') throw new MeridianError('cluster-unavailable');
      const isStoreThere = await storeWatch
        .run(() => store.ping())
        .then(
          () => true,
          () => false,
        );
      if (leaving.began) {
        return reply.code(503).send({ status: 'stopping', store: isStoreThere, clockOffsetMs: cluster.clockOffsetMs });
      }
      return {
        status: isStoreThere ? ('ready' as const) : ('degraded' as const),
        store: isStoreThere,
        clockOffsetMs: cluster.clockOffsetMs,
      };
    },
  });
};
