import { eventually, freePort, startRedis } from '@meridian/harness';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { TestClient } from '../support/client.ts';
import { environmentOf, NodeProcesses } from '../support/node-process.ts';
import { TestCluster } from '../support/test-cluster.ts';

let cluster: TestCluster;
const processes = new NodeProcesses();
const run = (env: Record<string, string>) => processes.run(env);
const environment = (httpPort: number) => environmentOf(cluster, httpPort);

beforeAll(async () => {
  cluster = await TestCluster.start();
});

afterEach(() => processes.kill());

afterAll(async () => {
  await cluster.stop();
});

describe('the process', () => {
  test('serves until SIGTERM, then tells its people, takes them out of the cluster and ends with 0', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const { child, exited, output } = run(environment(port));
    await eventually('the node is ready', async () => (await fetch(`${url}/readyz`)).ok, { withinMs: 30_000 });
    const token = await cluster.issuer.session({ sessionId: 'ann', nodeId: 'proc-1' });
    const client = TestClient.withToken(url, token);
    await client.until('welcome');

    child.kill('SIGTERM');

    await expect(client.closed).resolves.toEqual({ code: 4_501, reason: 'node-shutdown' });
    expect(await exited).toBe(0);
    const listed = await cluster.cluster.registry.list();
    expect(listed.filter(({ record }) => record.nodeId === 'proc-1')).toEqual([]);
    expect(output()).not.toContain(token);
  });

  test('says in one message all that is wrong with its settings, and ends with 2', async () => {
    const { MERIDIAN_REGION: _, ...rest } = environment(0);
    const { exited, output } = run({ ...rest, MERIDIAN_LATITUDE: 'north', MERIDIAN_MAX_SESSION: '5' });

    expect(await exited).toBe(2);
    expect(output()).toContain('MERIDIAN_REGION is not set');
    expect(output()).toContain('MERIDIAN_LATITUDE: must be a number');
    expect(output()).toContain('MERIDIAN_MAX_SESSION is no setting of this service');
    expect(output()).not.toContain('    at ');
  });

  test('says which port is taken, and ends with 2', async () => {
    const { exited, output } = run(environment(Number(new URL(cluster.issuer.jwksUrl).port)));

    expect(await exited).toBe(2);
    expect(output()).toContain('cannot be listened on');
  });

  test('says that Redis is out of reach, and ends with 1', async () => {
    const port = await freePort();
    const { exited, output } = run({
      ...environment(port),
      MERIDIAN_REDIS_URL: 'redis://127.0.0.1:1',
      MERIDIAN_START_WAIT_MS: '300',
    });

    expect(await exited).toBe(1);
    expect(output()).toContain('Redis');
  });

  test('waits for a Redis that is started after it, and says so', async () => {
    const [port, redisPort] = [await freePort(), await freePort()];
    const { child, exited, output } = run({
      ...environment(port),
      MERIDIAN_REDIS_URL: `redis://127.0.0.1:${redisPort}`,
    });
    await eventually('it says what it waits for', () => output().includes('Redis is not there yet'));
    const late = await startRedis({ port: redisPort });
    try {
      await eventually('the node is ready', async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok);
      child.kill('SIGTERM');
      expect(await exited).toBe(0);
    } finally {
      await late.stop();
    }
  });

  test('does not wait for a Redis that refuses its password', async () => {
    const guarded = await startRedis({ args: ['--requirepass', 'right'] });
    try {
      const { exited, output } = run({
        ...environment(await freePort()),
        MERIDIAN_REDIS_URL: guarded.url.replace('//', '//:wrong@'),
      });
      expect(await exited).toBe(1);
      expect(output()).toContain('WRONGPASS');
      expect(output()).not.toContain('wrong@');
    } finally {
      await guarded.stop();
    }
  });
});
