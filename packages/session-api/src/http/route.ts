import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ErrorCode } from '@meridian/protocol';
import type { FastifyBaseLogger, FastifyInstance, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Services } from '../services.ts';

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** One route: declared in a file of its own, registered in routes/index.ts. */
export type Route = (app: App, services: Services) => void;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The token that the route asks for; checked before the body, documented in the OpenAPI document. */
    auth?: 'user' | 'session';
    /** Error codes of the route's own, for the OpenAPI document; those that any route can give are added. */
    errors?: readonly ErrorCode[];
  }
}
