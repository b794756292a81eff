import type { Socket } from 'node:net';
import { ERRORS, type ErrorCode, MeridianError } from '@meridian/protocol';
import Fastify, { type FastifyBaseLogger, LogController } from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import { sendError } from './http/errors.ts';
import { registerLimits } from './http/limits.ts';
import { AllowedMethods, answerNotFound } from './http/not-found.ts';
import { registerOpenApi } from './http/openapi.ts';
import type { App } from './http/route.ts';
import { registerSecurity } from './http/security.ts';
import { registerWeb } from './http/web.ts';
import { routes } from './routes/index.ts';
import type { Services } from './services.ts';
import { VERSION } from './version.ts';

/** The largest body is a token or two. */
const BODY_LIMIT_BYTES = 32_768;
/** For the answer to be worked out, milliseconds. */
const HANDLER_TIMEOUT_MS = 15_000;
/** Longer than a balancer keeps idle connections (60 s is usual), so that it never sends into a closed one. */
const KEEP_ALIVE_MS = 72_000;

/** Of answers to what is no proper request: the hooks that set headers have not run. */
const BARE_HEADERS = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
};

/** Probes and scrapes come every few seconds; they are not worth a line each. */
const QUIET = new Set(['/healthz', '/readyz', '/metrics']);

/** The HTTP side: plugins, hooks and routes around the services. Not listening yet. */
export async function buildApp(services: Services, logger: FastifyBaseLogger): Promise<App> {
  const { config, metrics, auth } = services;
  const app = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true }),
    trustProxy: config.trustProxy.length > 0 ? [...config.trustProxy] : false,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: config.requestTimeoutMs,
    http: {
      headersTimeout: config.requestTimeoutMs,
      // Node looks for late requests this often.
      connectionsCheckingInterval: Math.min(1_000, config.requestTimeoutMs),
    },
    keepAliveTimeout: KEEP_ALIVE_MS,
    // What still comes is served: an answer that closes the connection says enough.
    return503OnClosing: false,
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: (error, request, reply) => {
      // No hook has run by then.
      reply.headers(BARE_HEADERS);
      sendError(error, request, reply, metrics);
    },
  }).withTypeProvider<ZodTypeProvider>();
  // JSON is the only language spoken here.
  app.removeContentTypeParser('text/plain');
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler((error, request, reply) => sendError(error, request, reply, metrics));
  const allowed = new AllowedMethods(app);
  app.setNotFoundHandler(answerNotFound({ allowed, metrics, hasPages: config.webDir !== undefined }));

  app.addHook('onRoute', (route) => {
    // Not for files: a slow line may take its time with them.
    if (route.url.startsWith('/v1/')) route.handlerTimeout ??= HANDLER_TIMEOUT_MS;
    switch (route.config?.auth) {
      case 'user':
        route.preValidation = [auth.requireUser];
        break;
      case 'session':
        route.preValidation = [auth.requireSession];
        break;
      case undefined:
        break;
    }
  });
  app.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    const labels = { method: request.method, route, status: reply.statusCode };
    metrics.request(labels, reply.elapsedTime / 1_000);
    if (!QUIET.has(route)) request.log.info({ ...labels, ms: Math.round(reply.elapsedTime) }, 'request');
  });
  // Requests that are under way when the service closes are answered; their connections must not keep it open then.
  let closing = false;
  app.addHook('preClose', async () => {
    closing = true;
  });
  app.addHook('onRequest', async (request, reply) => {
    if (!QUIET.has(request.routeOptions.url ?? 'none') && services.leaving.turnedAway(request, reply)) return reply;
  });
  // Answers of the API belong to the caller alone.
  app.addHook('onSend', async (request, reply) => {
    if (closing || services.leaving.began) reply.header('connection', 'close');
    if (request.url.startsWith('/v1/') && !reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store');
  });

  await registerSecurity(app, config);
  await registerLimits(app, config, services.limiter);
  await registerOpenApi(app, { publicUrl: config.publicUrl, version: VERSION });
  for (const route of routes) route(app, services);
  if (config.webDir !== undefined) await registerWeb(app, config.webDir);
  return app;
}

/** What is no HTTP request at all has not reached the framework yet: answered by hand, in the usual form. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) {
    socket.destroy();
    return;
  }
  const code: ErrorCode = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'deadline-exceeded' : 'bad-request';
  const body = JSON.stringify({ error: new MeridianError(code).toPublicBody() });
  socket.end(
    `HTTP/1.1 ${ERRORS[code].status} Error\r\ncontent-type: application/json\r\nx-content-type-options: nosniff\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
