import { z } from 'zod';
import type { Route } from '../../http/route.ts';

/** RFC 7517 with the Ed25519 members of RFC 8037. */
const Jwks = z.object({
  keys: z.array(
    z.object({ kty: z.string(), crv: z.string(), x: z.string(), kid: z.string(), alg: z.string(), use: z.string() }),
  ),
});

/** How long readers may keep it, seconds. They read again anyway when a token names a key they do not know. */
const MAX_AGE_S = 60;

export const jwks: Route = (app, { keys }) => {
  app.route({
    method: 'GET',
    url: '/.well-known/jwks.json',
    schema: { tags: ['operations'], summary: 'Public keys of the tokens', response: { 200: Jwks } },
    handler: async (_request, reply) => {
      reply.header('cache-control', `public, max-age=${MAX_AGE_S}`);
      return keys.jwks();
    },
  });
};
