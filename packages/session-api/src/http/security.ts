import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import type { SessionApiConfig } from '../config.ts';
import type { App } from './route.ts';

/** What pages of this origin may use; everything else is off. */
const PERMISSIONS = [
  'camera=(self)',
  'microphone=(self)',
  'display-capture=(self)',
  'speaker-selection=(self)',
  'fullscreen=(self)',
  'autoplay=(self)',
  'picture-in-picture=(self)',
  'screen-wake-lock=(self)',
  'clipboard-write=(self)',
  'geolocation=()',
  'payment=()',
  'usb=()',
  'serial=()',
  'hid=()',
  'midi=()',
].join(', ');

/**
 * Security headers for every answer and CORS for the origins that are configured. Nodes have addresses of
 * their own, so the page may connect to wss: and https: anywhere unless the sources are listed; without TLS
 * (the local cluster) to ws: and http: too.
 */
export async function registerSecurity(
  app: App,
  { publicUrl, corsOrigins, connectSources }: Pick<SessionApiConfig, 'publicUrl' | 'corsOrigins' | 'connectSources'>,
): Promise<void> {
  const secure = publicUrl.startsWith('https:');
  const anyNode = secure ? ['https:', 'wss:'] : ['https:', 'wss:', 'http:', 'ws:'];
  await app.register(helmet, {
    global: true,
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': ["'self'"],
        'base-uri': ["'none'"],
        'object-src': ["'none'"],
        'frame-ancestors': ["'none'"],
        'form-action': ["'self'"],
        'script-src': ["'self'"],
        'style-src': ["'self'"],
        'img-src': ["'self'", 'data:', 'blob:'],
        'media-src': ["'self'", 'blob:', 'mediastream:'],
        'worker-src': ["'self'", 'blob:'],
        'connect-src': ["'self'", ...(connectSources.length > 0 ? connectSources : anyNode)],
        ...(secure ? { 'upgrade-insecure-requests': [] } : {}),
      },
    },
    strictTransportSecurity: secure ? { maxAge: 31_536_000, includeSubDomains: false } : false,
    xFrameOptions: { action: 'deny' },
    referrerPolicy: { policy: 'no-referrer' },
    // Pages of allowed origins read answers by CORS; others may not embed them.
    crossOriginResourcePolicy: { policy: corsOrigins.length > 0 ? 'cross-origin' : 'same-origin' },
  });
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('permissions-policy', PERMISSIONS);
  });
  if (corsOrigins.length > 0) {
    await app.register(cors, {
      origin: corsOrigins.includes('*') ? '*' : [...corsOrigins],
      methods: ['GET', 'POST', 'PATCH', 'DELETE'],
      allowedHeaders: ['authorization', 'content-type'],
      exposedHeaders: ['retry-after'],
      maxAge: 600,
    });
  }
}
