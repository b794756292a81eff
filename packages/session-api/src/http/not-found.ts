import { MeridianError } from '@meridian/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Metrics } from '../metrics.ts';
import { sendError } from './errors.ts';
import type { App } from './route.ts';
import { INDEX } from './web.ts';

/** Knows which methods an address takes, to tell a wrong method (405) from a wrong address (404). */
export class AllowedMethods {
  readonly #patterns = new Map<string, { readonly matches: RegExp; readonly methods: Set<string> }>();

  /** Registers itself: to be called before the routes are. */
  constructor(app: App) {
    app.addHook('onRoute', ({ url, method }) => {
      if (url.includes('*')) return;
      const known = this.#patterns.get(url) ?? { matches: patternOf(url), methods: new Set<string>() };
      for (const one of [method].flat()) known.methods.add(one);
      this.#patterns.set(url, known);
    });
  }

  /** Methods of the address; none when there is nothing. */
  of(url: string): string[] {
    const [path = ''] = url.split('?', 1);
    const methods = [...this.#patterns.values()].flatMap((entry) =>
      entry.matches.test(path) ? [...entry.methods] : [],
    );
    return [...new Set(methods)].sort();
  }
}

const patternOf = (url: string): RegExp =>
  new RegExp(
    `^${url
      .split('/')
      .map((part) => (part.startsWith(':') ? '[^/]+' : part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')))
      .join('/')}$`,
  );

/** `hasPages`: people who mistype an address get the web app, which tells them in its own way. */
export function answerNotFound(options: { allowed: AllowedMethods; metrics: Metrics; hasPages: boolean }) {
  const { allowed, metrics, hasPages } = options;
  return (request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const methods = allowed.of(request.url);
    if (methods.length > 0 && !methods.includes(request.method)) {
      reply.header('allow', methods.join(', '));
      return sendError(new MeridianError('method-not-allowed'), request, reply, metrics);
    }
    if (hasPages && wantsPage(request)) return reply.code(404).sendFile(INDEX);
    return sendError(new MeridianError('not-found'), request, reply, metrics);
  };
}

const wantsPage = ({ method, url, headers }: FastifyRequest): boolean =>
  method === 'GET' && !url.startsWith('/v1/') && (headers.accept ?? '').includes('text/html');
