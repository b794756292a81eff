import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, freePort } from '@meridian/harness';
import { afterEach, expect, test } from 'vitest';
import { startRedis } from '../rig.ts';

const entry = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

interface Running {
  readonly child: ChildProcess;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly output: () => string;
}

let running: Running | undefined;
afterEach(() => {
  running?.child.kill('SIGKILL');
  running = undefined;
});

const start = (env: Record<string, string>): Running => {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', entry], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  running = { child, exited, output: () => output };
  return running;
};

test('a wrong configuration ends the process with code 2 and one message that names everything', async () => {
  const { exited, output } = start({ MERIDIAN_HTTP_PORT: 'eighty', MERIDIAN_HTTP_PROT: '80' });

  expect(await exited).toEqual({ code: 2, signal: null });
  expect(output()).toContain('MERIDIAN_REDIS_URL is not set');
  expect(output()).toContain('MERIDIAN_HTTP_PORT');
  expect(output()).toContain('MERIDIAN_HTTP_PROT is no setting');
  expect(output()).not.toContain('    at ');
});

test('the process starts with real passwords, serves, and stops in order on SIGTERM', async () => {
  const redis = await startRedis();
  const dir = await mkdtemp(join(tmpdir(), 'meridian-process-'));
  try {
    const port = await freePort();
    const { child, exited, output } = start({
      MERIDIAN_HTTP_PORT: String(port),
      MERIDIAN_REDIS_URL: redis.url,
      MERIDIAN_STORE: `sqlite:${join(dir, 'data', 'meridian.sqlite')}`,
      MERIDIAN_KEYS_DIR: join(dir, 'keys'),
    });
    const url = `http://127.0.0.1:${port}`;
    await eventually('it is ready', async () => (await fetch(`${url}/readyz`)).ok, { withinMs: 40_000 });
    const post = (path: string, body: unknown) =>
      fetch(`${url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const account = { email: 'ann@example.org', password: 'correct horse' };
    expect((await post('/v1/users', { ...account, name: 'Ann' })).status).toBe(201);
    expect((await post('/v1/login', account)).status).toBe(200);
    expect((await post('/v1/login', { ...account, password: 'wrong' })).status).toBe(401);
    expect((await post('/v1/login', { ...account, email: 'nobody@example.org' })).status).toBe(401);

    child.kill('SIGTERM');
    expect(await exited).toEqual({ code: 0, signal: null });
    expect(output()).toContain('"msg":"stopped"');
    expect(output()).not.toContain('correct horse');
  } finally {
    await redis.stop();
    await rm(dir, { recursive: true, force: true });
  }
});
