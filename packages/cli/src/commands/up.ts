import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMeridianError, MeridianError } from '@meridian/protocol';
import { type Command, InvalidArgumentError } from 'commander';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

const parsePort = (value: string): number => {
  const port = Number(value);
  if (!Number.isInteger(port) || port < 1_024 || port > 60_000) {
    throw new InvalidArgumentError('a port from 1024 to 60000 is needed.');
  }
  return port;
};

export function registerUp(program: Command): void {
  program
    .command('up')
    .description('start a local cluster: Redis, the session service with the web app, three nodes in three regions')
    .option('--port <number>', 'port of the web app; the others follow it (see the README)', parsePort, 7080)
    .option('--announce <address>', 'address at which browsers reach the media', '127.0.0.1')
    .option('--room <slug>', 'the room to have ready', 'lobby')
    .option('--data <folder>', 'keys, database and logs', join(root, '.data'))
    .action(async (options: { port: number; announce: string; room: string; data: string }) => {
      const webDir = join(root, 'packages/web/dist');
      if (!existsSync(join(webDir, 'index.html'))) {
        throw new MeridianError('config-invalid', {
          message: 'The web app is not built yet: run ./scripts/up, or `pnpm --filter @meridian/web build` first.',
        });
      }
      // Only here, so that the other commands start fast and without what the lab needs.
      const { createRoom, LOCAL_REGIONS, LocalCluster } = await import('@meridian/lab');
      const stopping = new AbortController();
      const stop = () => {
        // The second time without waiting for anybody.
        if (stopping.signal.aborted) process.exit(130);
        stopping.abort();
      };
      process.on('SIGINT', stop);
      process.on('SIGTERM', stop);
      const cluster = await LocalCluster.start({
        dataDir: resolve(options.data),
        basePort: options.port,
        announce: options.announce,
        webDir,
        supervise: true,
        onEvent: (line) => console.log(`[up] ${line}`),
      });
      try {
        await readyRoom(() => createRoom(cluster.url, { slug: options.room, title: 'Lobby' }));
        const link = `${cluster.url}/r/${options.room}`;
        console.log(`
[up] The cluster is ready. Open the room in two browser windows:

       ${link}

     Force a region (for trying):
${LOCAL_REGIONS.map((region) => `       ${link}?region=${region.region}   (${region.regionName})`).join('\n')}

     API to read: ${cluster.url}/docs    logs: ${join(resolve(options.data), 'logs')}
     See it at work: pnpm meridian nodes | rooms | room ${options.room} | relays
     Ctrl-C stops everything.
`);
        if (!stopping.signal.aborted) {
          await new Promise<void>((done) => stopping.signal.addEventListener('abort', () => done(), { once: true }));
        }
        console.log('\n[up] stopping');
      } finally {
        await cluster.stop();
        console.log('[up] stopped');
      }
    });
}

/** Creates the room unless it is there from an earlier start. */
async function readyRoom(create: () => Promise<unknown>): Promise<void> {
  try {
    await create();
  } catch (error) {
    if (!isMeridianError(error, 'room-slug-taken')) throw error;
  }
}
