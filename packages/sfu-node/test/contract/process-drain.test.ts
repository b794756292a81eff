import { startRedis } from '@meridian/harness';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { TestClient } from '../support/client.ts';
import { NodeProcesses, PROCESS_NODE } from '../support/node-process.ts';
import { roomId, TestCluster } from '../support/test-cluster.ts';

const SHUTDOWN = { code: 4_501, reason: 'node-shutdown' };

let cluster: TestCluster;
const processes = new NodeProcesses();

beforeAll(async () => {
  cluster = await TestCluster.start();
  await cluster.startNode('other-1');
});

afterEach(() => processes.kill());

afterAll(async () => {
  await cluster.stop();
});

async function withGuest(env: Record<string, string> = {}) {
  const running = await processes.ready(cluster, env);
  const { client } = await cluster.join(running, PROCESS_NODE, roomId('process'));
  return { ...running, client };
}

describe('the process of a node whose people could go to another one', () => {
  test('asks them to move on SIGTERM, and ends with 0 as soon as all have gone', async () => {
    const { child, exited, client, url } = await withGuest();
    child.kill('SIGTERM');
    expect((await client.until('move-asked')).deadlineMs).toBeGreaterThan(20_000);
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    await client.request('leave', {});
    expect(await exited).toBe(0);
  });

  test('tells them to join again when MERIDIAN_DRAIN_TIMEOUT_MS are over', async () => {
    const { child, exited, client } = await withGuest({ MERIDIAN_DRAIN_TIMEOUT_MS: '300' });
    child.kill('SIGTERM');
    await client.until('move-asked');
    expect(await client.closed).toEqual(SHUTDOWN);
    expect(await exited).toBe(0);
  });

  test.for([['SIGTERM'], ['SIGINT']] as const)(
    'does not wait any longer after a second signal: %s',
    async ([signal]) => {
      const { child, exited, client } = await withGuest();
      child.kill('SIGTERM');
      await client.until('move-asked');
      child.kill(signal);
      expect(await client.closed).toEqual(SHUTDOWN);
      expect(await exited).toBe(0);
    },
  );

  test('ends at once on SIGINT', async () => {
    const { child, exited, client } = await withGuest();
    child.kill('SIGINT');
    expect(await client.closed).toEqual(SHUTDOWN);
    expect(client.all('move-asked')).toEqual([]);
    expect(await exited).toBe(0);
  });

  test('ends within its time though Redis does not answer', async () => {
    const redis = await startRedis();
    try {
      const { child, exited, url } = await processes.ready(cluster, {
        MERIDIAN_REDIS_URL: redis.url,
        MERIDIAN_DRAIN_TIMEOUT_MS: '500',
        MERIDIAN_SHUTDOWN_TIMEOUT_MS: '4000',
      });
      const token = await cluster.issuer.session({ sessionId: 'cut-off', nodeId: PROCESS_NODE });
      const client = TestClient.withToken(url, token);
      await client.until('welcome');
      await redis.freeze();
      child.kill('SIGTERM');
      expect(await client.closed).toEqual(SHUTDOWN);
      // In order, or by force when its time is over: it does not hang.
      expect(await exited).not.toBeNull();
    } finally {
      redis.thaw();
      await redis.stop();
    }
  });
});
