import { access } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import fastifyStatic from '@fastify/static';
import { MeridianError } from '@meridian/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { App } from './route.ts';

/** The page of the web app. */
export const INDEX = 'index.html';
/** The build puts everything whose name holds a hash of its content here. */
const HASHED = `${sep}assets${sep}`;

/**
 * Serves the built web app: its files, and its page for the addresses that it routes by itself (`/` and
 * `/r/<slug>`). Hashed files may be kept for ever, the page is asked for anew each time.
 * @throws MeridianError `config-invalid` when the folder holds no built app
 */
export async function registerWeb(app: App, webDir: string): Promise<void> {
  const root = resolve(webDir);
  await access(join(root, INDEX)).catch((cause: unknown) => {
    throw new MeridianError('config-invalid', {
      message: `There is no ${INDEX} in ${root}; build the web app or correct MERIDIAN_WEB_DIR.`,
      cause,
    });
  });
  await app.register(fastifyStatic, {
    root,
    index: false,
    cacheControl: false,
    setHeaders: (reply, path) => {
      const hashed = path.startsWith(`${root}${HASHED}`);
      reply.header('cache-control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
  const page = (_request: FastifyRequest, reply: FastifyReply) => reply.sendFile(INDEX);
  for (const url of ['/', '/r/:slug', '/r/:slug/']) app.get(url, { schema: { hide: true } }, page);
}
