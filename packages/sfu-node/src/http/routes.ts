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

/** /ws for clients, /probe for their RTT, /healthz, /readyz and /metrics for operators. */
export async function createHttpServer(options: HttpOptions): Promise<FastifyInstance> {
  const { config, log, metrics, attachments, readiness, beforeMetrics } = options;
  const loggerInstance: FastifyBaseLogger = log;
  const app = Fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
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
  app.get('/ws', { websocket: true }, (socket, request) => attachments.accept(socket, request.headers));
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
