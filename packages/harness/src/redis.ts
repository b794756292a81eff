import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './ports.ts';

export interface RedisProcess {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

/**
 * Starts a private redis-server on loopback, without persistence unless `dir` is given.
 * @throws Error when redis-server is not installed or ends before it is ready.
 */
export async function startRedis(
  options: { port?: number; args?: readonly string[]; dir?: string } = {},
): Promise<RedisProcess> {
  if (options.port !== undefined) return startOn(options.port, options);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOn(await freePort(), options);
    } catch (error) {
      // Somebody else took the port between the look and the start.
      const taken = error instanceof Error && error.message.includes('Address already in use');
      if (!taken || attempt === 5) throw error;
    }
  }
}

async function startOn(port: number, options: { args?: readonly string[]; dir?: string }): Promise<RedisProcess> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'meridian-redis-')));
  const persistence = options.dir === undefined ? ['--save', '', '--appendonly', 'no'] : [];
  const child = spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, ...persistence, ...(options.args ?? [])],
    { stdio: ['ignore', 'pipe', 'pipe'], detached: false },
  );
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('Ready to accept connections')) resolve();
    };
    child.stdout.on('data', onData);
    child.stderr.on('data', onData);
    child.once('error', (cause) => reject(new Error('redis-server could not be started', { cause })));
    child.once('exit', (code) => reject(new Error(`redis-server ended (${code}): ${output.slice(-500)}`)));
  });
  child.stdout.removeAllListeners('data').resume();
  child.stderr.removeAllListeners('data').resume();
  child.removeAllListeners('exit');
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    pid: child.pid ?? -1,
    process: child,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
        child.kill('SIGCONT');
        child.kill('SIGTERM');
        const hard = setTimeout(() => child.kill('SIGKILL'), 3_000);
        await gone;
        clearTimeout(hard);
      }
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
    },
  };
}
