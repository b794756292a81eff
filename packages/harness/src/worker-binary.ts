import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Where scripts/lib/worker.sh keeps the mediasoup worker: a cache outside the checkout, per version.
 * undefined where it is not there; mediasoup then looks for its own prebuilt one.
 */
export function workerBinary(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const given = env.MEDIASOUP_WORKER_BIN;
  if (given) return given;
  const manifest = fileURLToPath(new URL('../../media/node_modules/mediasoup/package.json', import.meta.url));
  if (!existsSync(manifest)) return undefined;
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  const cache = env.MEDIASOUP_WORKER_CACHE ?? join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'meridian');
  const path = join(cache, `mediasoup-worker-${version}`, 'mediasoup-worker');
  return existsSync(path) ? path : undefined;
}
