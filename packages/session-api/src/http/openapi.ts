import { STATUS_CODES } from 'node:http';
import swagger, { type SwaggerTransform, type SwaggerTransformObject } from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import {
  AcceptInvitationRequest,
  ChangePasswordRequest,
  CreateRoomRequest,
  CreateSessionReply,
  CreateSessionRequest,
  ERRORS,
  type ErrorCode,
  ErrorReply,
  GuestRequest,
  InvitationReply,
  InvitationRequest,
  JoinRoomReply,
  LoginRequest,
  MembersReply,
  MessagesReply,
  NodesReply,
  RegisterRequest,
  RoomListReply,
  RoomView,
  UpdateMeRequest,
  UpdateRoomRequest,
  UserTokenReply,
  UserView,
} from '@meridian/protocol';
import type { FastifySchema, RouteOptions } from 'fastify';
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { App } from './route.ts';

const NAMED = {
  AcceptInvitationRequest,
  ChangePasswordRequest,
  CreateRoomRequest,
  CreateSessionReply,
  CreateSessionRequest,
  ErrorReply,
  GuestRequest,
  InvitationReply,
  InvitationRequest,
  JoinRoomReply,
  LoginRequest,
  MembersReply,
  MessagesReply,
  NodesReply,
  RegisterRequest,
  RoomListReply,
  RoomView,
  UpdateMeRequest,
  UpdateRoomRequest,
  UserTokenReply,
  UserView,
};

/** Any route under /v1 can give these. */
const ANYWHERE: readonly ErrorCode[] = [
  'bad-request',
  'payload-too-large',
  'unsupported-media-type',
  'rate-limited',
  'deadline-exceeded',
  'internal',
];
/** What a wrong token is answered with. */
const TOKEN_ERRORS: readonly ErrorCode[] = [
  'unauthenticated',
  'token-invalid',
  'token-algorithm',
  'token-key-unknown',
  'token-kind',
  'token-audience',
  'token-not-yet-valid',
  'token-expired',
  'token-revoked',
  'store-unavailable',
];

/** Serves the OpenAPI 3.1 document at /v1/openapi.json and a page to read it at /docs. */
export async function registerOpenApi(app: App, options: { publicUrl: string; version: string }): Promise<void> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(NAMED)) registry.add(schema, { id });
  const describe = createJsonSchemaTransform({ schemaRegistry: registry });
  const addSchemas = createJsonSchemaTransformObject({ schemaRegistry: registry });
  const transform: SwaggerTransform<FastifySchema> = (document) => {
    if (!document.url.startsWith('/v1/') && !document.url.startsWith('/.well-known/')) {
      return { schema: { ...document.schema, hide: true }, url: document.url };
    }
    return withErrors(describe(document), document.route);
  };
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Meridian session service',
        version: options.version,
        description:
          'Users, rooms and sessions of a Meridian cluster. Tokens travel in `Authorization: Bearer` only. ' +
          'Every error has the form of `ErrorReply`; its `code` is stable.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: options.publicUrl }],
      components: {
        securitySchemes: {
          user: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'User token.' },
          session: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: 'Session token.' },
        },
      },
    },
    transform,
    transformObject: (document) => withoutUnused(addSchemas(document)),
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    // A policy of its own: the page sets styles as it goes; scripts come from here alone.
    staticCSP:
      "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    theme: { title: 'Meridian API' },
    uiConfig: { docExpansion: 'list' },
  });
  app.get('/v1/openapi.json', { schema: { hide: true } }, () => app.swagger());
}

/** Adds the security requirement and the error answers that the route's configuration declares. */
function withErrors(
  transformed: { schema: FastifySchema; url: string },
  route: RouteOptions,
): { schema: FastifySchema; url: string } {
  const { auth, errors = [] } = route.config ?? {};
  const codes = [...ANYWHERE, ...(auth === undefined ? [] : TOKEN_ERRORS), ...errors];
  const byStatus = new Map<number, Set<ErrorCode>>();
  for (const code of codes) {
    const { status } = ERRORS[code];
    byStatus.set(status, (byStatus.get(status) ?? new Set()).add(code));
  }
  const answers: Record<string, unknown> = {};
  for (const [status, of] of [...byStatus].sort(([a], [b]) => a - b)) {
    answers[status] = {
      description: [...of].map((code) => `\`${code}\`: ${ERRORS[code].message}`).join('\n\n'),
      $ref: '#/components/schemas/ErrorReply',
    };
  }
  const { response, ...rest } = transformed.schema;
  return {
    url: transformed.url,
    schema: {
      ...rest,
      ...(auth === undefined ? {} : { security: [{ [auth]: [] }] }),
      response: { ...described(response), ...answers },
    },
  };
}

/** Every named schema comes in a form for requests and one for answers; keeps those that are referred to. */
function withoutUnused(document: ReturnType<SwaggerTransformObject>): ReturnType<SwaggerTransformObject> {
  if (!('components' in document) || document.components?.schemas === undefined) return document;
  const all = new Map(Object.entries(document.components.schemas));
  const used = new Set<string>();
  const follow = (part: unknown): void => {
    for (const [, name = ''] of JSON.stringify(part ?? null).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (used.has(name)) continue;
      used.add(name);
      follow(all.get(name));
    }
  };
  follow(document.paths);
  const schemas = Object.fromEntries([...all].filter(([name]) => used.has(name)).sort(([a], [b]) => (a < b ? -1 : 1)));
  return Object.assign({}, document, { components: { ...document.components, schemas } });
}

/** The answers that the route declares itself, each with at least the name of its status. */
function described(response: unknown): Record<string, unknown> {
  if (!isObject(response)) return {};
  return Object.fromEntries(
    Object.entries(response).map(([status, schema]) => [
      status,
      isObject(schema) ? { description: STATUS_CODES[status] ?? status, ...schema } : schema,
    ]),
  );
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
