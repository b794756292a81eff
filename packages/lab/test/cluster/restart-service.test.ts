import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, freePort, type NginxProcess, type RedisProcess, startNginx, startRedis } from '@meridian/harness';
import { parseOrThrow, UserTokenReply, UserView } from '@meridian/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ServiceChild } from '../../src/local-cluster/child.ts';

const entry = fileURLToPath(new URL('../../../session-api/src/main.ts', import.meta.url));
const NAMES = ['session-api', 'session-api-2'] as const;
type Name = (typeof NAMES)[number];
/** Nobody is asked there. */
const nowhere = '127.0.0.1:9';

describe('two instances of the session service behind nginx with the deployed configuration', () => {
  let folder: string;
  let redis: RedisProcess;
  let nginx: NginxProcess;
  const ports = new Map<Name, number>();
  const running = new Map<Name, ServiceChild>();

  const portOf = (name: Name): number => ports.get(name) ?? 0;
  const childOf = (name: Name): ServiceChild => {
    const child = running.get(name);
    if (child === undefined) throw new Error(`${name} was not started`);
    return child;
  };
  const readyz = async (name: Name) => (await fetch(`http://127.0.0.1:${portOf(name)}/readyz`)).status;

  async function start(name: Name): Promise<void> {
    const limits = Object.fromEntries(
      ['REQUESTS', 'GUESTS', 'ROOMS', 'SESSIONS', 'JOINS'].map((what) => [`MERIDIAN_${what}_PER_MINUTE`, '1000000']),
    );
    const child = new ServiceChild(
      {
        name,
        entry,
        logFile: join(folder, `${name}.log`),
        env: {
          MERIDIAN_HTTP_HOST: '127.0.0.1',
          MERIDIAN_HTTP_PORT: String(portOf(name)),
          MERIDIAN_PUBLIC_URL: 'http://localhost:8080',
          MERIDIAN_REDIS_URL: redis.url,
          MERIDIAN_STORE: `sqlite:${join(folder, 'meridian.sqlite')}`,
          MERIDIAN_KEYS_DIR: join(folder, 'keys'),
          MERIDIAN_TRUST_PROXY: 'loopback',
          ...limits,
        },
      },
      () => {},
    );
    running.set(name, child);
    await eventually(`${name} is ready`, async () => (await readyz(name)) === 200, { withinMs: 30_000 });
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'meridian-restart-test-'));
    redis = await startRedis();
    for (const name of NAMES) ports.set(name, await freePort());
    // One after the other: the first makes the keys.
    for (const name of NAMES) await start(name);
    nginx = await startNginx({
      site: 'http',
      upstreams: {
        ...Object.fromEntries(NAMES.map((name) => [name, `127.0.0.1:${portOf(name)}`])),
        'ams-1': nowhere,
        'sin-1': nowhere,
        'sgn-1': nowhere,
      },
    });
  });

  afterAll(async () => {
    await nginx?.stop();
    await Promise.all([...running.values()].map((child) => child.stop()));
    await redis?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('are restarted one after the other under constant load, and not one request fails', async () => {
    // Given people who come and look, without a pause
    const load = new Load(nginx.url);
    load.start(8);
    try {
      await eventually('there is load', () => load.answered > 100);
      // When each instance is restarted as an operator would
      for (const name of NAMES) {
        const before = load.answered;
        const child = childOf(name);
        load.step = `${name} leaves`;
        child.signal('SIGTERM');
        // It says that it goes, and still serves.
        await eventually('it is not ready', async () => (await readyz(name)) === 503);
        await child.exited();
        expect(load.answered - before).toBeGreaterThan(50);
        load.step = `${name} starts`;
        await start(name);
        load.step = `${name} is back`;
      }
      const restarted = load.answered;
      await eventually('both serve again', () => load.answered > restarted + 200);
    } finally {
      await load.stop();
      // Then nobody has noticed; said also where a step before failed, since it may be why.
      expect(load.failures).toEqual([]);
    }
    process.stdout.write(`two restarts, ${load.answered} requests, ${load.failures.length} failed\n`);
  });
});

/** Guests who enter (a POST, which must not be repeated) and look at themselves (a GET), over and over. */
class Load {
  /** Which request failed when, and with what. */
  readonly failures: string[] = [];
  answered = 0;
  /** What is done to the service meanwhile. */
  step = 'both serve';
  readonly #url: string;
  readonly #stop = new AbortController();
  #people: Promise<void>[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  start(people: number): void {
    this.#people = Array.from({ length: people }, (_, index) => this.#come(`Guest ${index}`));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#people);
  }

  async #come(name: string): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const entered = await this.#ask('POST', '/v1/guests', { body: JSON.stringify({ name }) });
      if (entered === undefined) continue;
      const { userToken } = parseOrThrow(UserTokenReply, entered);
      for (let i = 0; i < 3; i++) {
        const me = await this.#ask('GET', '/v1/me', { headers: { authorization: `Bearer ${userToken}` } });
        if (me !== undefined) expect(parseOrThrow(UserView, me).name).toBe(name);
      }
    }
  }

  async #ask(method: string, path: string, init: RequestInit): Promise<unknown> {
    const started = performance.now();
    try {
      const answer = await fetch(`${this.#url}${path}`, {
        method,
        ...init,
        headers: { 'content-type': 'application/json', ...init.headers },
        signal: AbortSignal.timeout(15_000),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${answer.status} ${text.slice(0, 300)}`);
      const body: unknown = JSON.parse(text);
      this.answered += 1;
      return body;
    } catch (error) {
      const { cause } = error as Error;
      const why = cause === undefined ? '' : ` (${String(cause)})`;
      const tookMs = Math.round(performance.now() - started);
      this.failures.push(`${method} ${path}: ${String(error)}${why}, after ${tookMs} ms; ${this.step}`);
      return undefined;
    }
  }
}
