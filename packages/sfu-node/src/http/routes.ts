import { timingSafeEqual } from 'node:crypto';
import websocket from '@fastify/websocket';
import { MeridianError, SIGNALLING_PROTOCOL } from '@meridian/protocol';
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { NodeConfig } from '../config.ts';
import type { Logger } from '../logger.ts';
import type { NodeMetrics } from '../metrics/node-metrics.ts';
import type { Attachments } from '../signalling/attach.ts';

/** What has to hold so that the node may be given sessions. */
export interface Readiness {
  readonly ready: boolean;
  readonly checks: {
    readonly redis: boolean;
    readonly workers: boolean;
    readonly announced: boolean;
    readonly accepting: boolean;
  };
  /** What this machine's clock lacks to be that of Redis, milliseconds; a node that is off by much still works. */
  readonly clockOffsetMs: number;
}

export interface HttpOptions {
  readonly config: NodeConfig;
  readonly log: Logger;
  readonly metrics: NodeMetrics;
  readonly attachments: Attachments;
  readonly readiness: () => Readiness;
  /** Brings the media's numbers up to date before they are read. */
  readonly beforeMetrics: () => Promise<void>;
}

const BODY_LIMIT_BYTES = 1_024;
/** Longer than a balancer keeps idle connections (60 s is usual), so that it never sends into a closed one. */
const KEEP_ALIVE_MS = 72_000;
/** There are no pages here: nothing may be run, framed or guessed. */
const HEADERS = {
  'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** /ws for clients, /probe for their RTT, /healthz, /readyz and /metrics for operators. */
export async function createHttpServer(options: HttpOptions): Promise<FastifyInstance> {
  const { config, log, metrics, attachments, readiness, beforeMetrics } = options;
  const loggerInstance: FastifyBaseLogger = log;
  const app = Fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
    trustProxy: config.trustProxy.length > 0 ? [...config.trustProxy] : false,
    // Nobody sends bodies here.
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: config.requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: {
      headersTimeout: config.requestTimeoutMs,
      // Node looks for late requests this often.
      connectionsCheckingInterval: Math.min(1_000, config.requestTimeoutMs),
    },
  });
  const secure = config.publicWsUrl.startsWith('wss:');
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(secure ? { ...HEADERS, 'strict-transport-security': 'max-age=31536000' } : HEADERS);
  });
  app.setErrorHandler((thrown, _request, reply) => {
    const error = errorOf(thrown);
    if (error.status >= 500) log.error({ err: thrown }, 'an HTTP request failed');
    return reply.code(error.status).send({ error: error.toPublicBody() });
  });
  await app.register(websocket, {
    options: {
      // Frames over our own limit get our own close code; only what is far over it is cut off unread.
      maxPayload: config.maxFrameBytes * 4,
      handleProtocols: (offered) => (offered.has(SIGNALLING_PROTOCOL) ? SIGNALLING_PROTOCOL : false),
    },
    errorHandler: (error, socket) => {
      log.debug({ err: error }, 'a WebSocket failed');
      socket.terminate();
    },
    // Connections are ended one by one, with their reason, before the server closes.
    preClose: (done) => done(),
  });
  app.setNotFoundHandler((_request, reply) => {
    const error = new MeridianError('not-found');
    return reply.code(error.status).send({ error: error.toPublicBody() });
  });
  app.get('/ws', { websocket: true }, (socket, request) => attachments.accept(socket, request.headers, request.ip));
  app.get('/probe', async (_request, reply) =>
    reply
      .header('access-control-allow-origin', '*')
      .header('timing-allow-origin', '*')
      .header('cache-control', 'no-store')
      .code(204)
      .send(),
  );
  app.get('/healthz', async (_request, reply) => reply.header('cache-control', 'no-store').send({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const now = readiness();
    return reply
      .header('cache-control', 'no-store')
      .code(now.ready ? 200 : 503)
      .send(now);
  });
  app.get('/metrics', async (request, reply) => {
    if (!mayRead(config.metricsToken, request.headers.authorization)) {
      return reply
        .code(401)
        .header('www-authenticate', 'Bearer')
        .send({ error: { code: 'unauthenticated', message: 'The metrics are read with a token.' } });
    }
    await beforeMetrics();
    return reply.type(metrics.contentType).send(await metrics.text());
  });
  return app;
}

function mayRead(token: string | undefined, authorization: string | undefined): boolean {
  if (token === undefined) return true;
  const given = Buffer.from(authorization ?? '');
  const wanted = Buffer.from(`Bearer ${token}`);
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

/** What the framework refuses (a body that is too large, a broken URL) in our words. */
function errorOf(thrown: unknown): MeridianError {
  if (thrown instanceof MeridianError) return thrown;
  const status = typeof thrown === 'object' && thrown !== null && 'statusCode' in thrown ? thrown.statusCode : 500;
  if (status === 413) return new MeridianError('payload-too-large', { cause: thrown });
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new MeridianError('bad-request', { cause: thrown });
  }
  return new MeridianError('internal', { cause: thrown });
}
