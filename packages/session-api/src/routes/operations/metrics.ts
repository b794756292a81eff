import { createHash, timingSafeEqual } from 'node:crypto';
import { MeridianError } from '@meridian/protocol';
import { bearerOf } from '../../http/auth.ts';
import type { Route } from '../../http/route.ts';

export const metricsEndpoint: Route = (app, { config, metrics }) => {
  const expected = config.metricsToken;
  app.route({
    method: 'GET',
    url: '/metrics',
    handler: async (request, reply) => {
      if (expected !== undefined && !same(bearerOf(request), expected)) {
        throw new MeridianError('forbidden', { message: 'This is not the metrics token.' });
      }
      reply.type(metrics.registry.contentType);
      return metrics.registry.metrics();
    },
  });
};

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
const same = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));
