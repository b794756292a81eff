import { isMeridianError, MeridianError } from '@meridian/protocol';
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

/** Can it do its work now? For sending it requests: Redis and the store answer. */
export const readyz: Route = (app, { cluster, store }) => {
  app.route({
    method: 'GET',
    url: '/readyz',
    schema: { tags: ['operations'], response: { 200: z.object({ status: z.literal('ready') }) } },
    handler: async () => {
      if (cluster.status !== 'up') throw new MeridianError('cluster-unavailable');
      await store.ping().catch((cause: unknown) => {
        throw isMeridianError(cause) ? cause : new MeridianError('store-unavailable', { cause });
      });
      return { status: 'ready' as const };
    },
  });
};
