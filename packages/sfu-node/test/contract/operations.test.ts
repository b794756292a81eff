import { eventually } from '@meridian/harness';
import { ErrorReply, parseOrThrow } from '@meridian/protocol';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestClient } from '../support/client.ts';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { roomId, TestCluster } from '../support/test-cluster.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
});

afterAll(async () => {
  await cluster.stop();
});

const get = (node: SfuNode, path: string, headers: Record<string, string> = {}) =>
  fetch(`${node.url}${path}`, { headers });

describe('what operators and probes read', () => {
  test('/healthz, /readyz and /probe', async () => {
    const node = await cluster.startNode('health-1', { media: new FakeMediaEngine() });

    expect((await get(node, '/healthz')).status).toBe(200);
    const ready = await get(node, '/readyz');
    expect(ready.status).toBe(200);
    expect(await ready.json()).toEqual({
      ready: true,
      checks: { redis: true, workers: true, announced: true, accepting: true },
      clockOffsetMs: expect.any(Number),
    });
    const probe = await get(node, '/probe', { origin: 'https://anywhere.example' });
    expect(probe.status).toBe(204);
    expect(probe.headers.get('access-control-allow-origin')).toBe('*');
    expect(probe.headers.get('cache-control')).toBe('no-store');
    expect(await probe.text()).toBe('');
    expect((await get(node, '/ws')).status).toBe(404);
    const nothing = await get(node, '/nothing');
    expect(nothing.status).toBe(404);
    expect(parseOrThrow(ErrorReply, await nothing.json(), 'internal').error.code).toBe('not-found');
    await node.close();
  });

  test('/metrics asks for the token where one is set', async () => {
    const node = await cluster.startNode('metrics-1', {
      media: new FakeMediaEngine(),
      env: { MERIDIAN_METRICS_TOKEN: 'open-sesame' },
    });

    expect((await get(node, '/metrics')).status).toBe(401);
    expect((await get(node, '/metrics', { authorization: 'Bearer wrong-sesame' })).status).toBe(401);
    const read = await get(node, '/metrics', { authorization: 'Bearer open-sesame' });
    expect(read.status).toBe(200);
    expect(await read.text()).toContain('meridian_announced{node="metrics-1",region="region-of-metrics-1"} 1');
    await node.close();
  });

  test('the load in the registry follows what is on the node', async () => {
    const node = await cluster.startNode('load-1', { media: new FakeMediaEngine(), timing: { heartbeatMs: 100 } });
    const ann = await cluster.join(node, 'load-1', roomId('load'));
    const loadOf = async () => {
      const all = await cluster.cluster.registry.list();
      return all.find(({ record }) => record.nodeId === 'load-1')?.record.load;
    };

    await eventually('one session is told', async () => (await loadOf())?.sessions === 1);
    expect(await loadOf()).toMatchObject({ maxSessions: 500, workers: 1, rooms: 1 });
    await ann.client.close();
    await eventually('none is told', async () => (await loadOf())?.sessions === 0);
    await node.close();
  });
});

describe('an orderly stop', () => {
  test('tells everybody, empties the rooms, withdraws the node, and is done once', async () => {
    const room = roomId('stop');
    const leaving = await cluster.startNode('stop-1', { media: new FakeMediaEngine() });
    const staying = await cluster.startNode('stop-2', { media: new FakeMediaEngine() });
    const bob = await cluster.join(staying, 'stop-2', room);
    const people = await Promise.all([1, 2, 3].map(() => cluster.join(leaving, 'stop-1', room)));
    const attached = await cluster.attach(leaving, 'stop-1');

    await Promise.all([leaving.close(), leaving.close()]);

    for (const { client } of [...people, attached]) {
      await expect(client.closed).resolves.toEqual({ code: 4_501, reason: 'node-shutdown' });
      expect(client.all('session-ended')).toMatchObject([
        { reason: 'node-shutdown', error: { code: 'node-shutdown' } },
      ]);
    }
    const { participants } = await cluster.cluster.rooms.snapshot(room);
    expect(participants.map((one) => one.sessionId)).toEqual([bob.sessionId]);
    for (const { sessionId } of people) {
      await bob.client.until(
        'participant-left',
        (one) => one.sessionId === sessionId && one.reason === 'node-shutdown',
      );
    }
    await eventually('the node is not listed', async () => {
      const all = await cluster.cluster.registry.list();
      return all.every(({ record }) => record.nodeId !== 'stop-1');
    });
    await bob.client.close();
    await staying.close();
  });

  test('a start that fails leaves nothing open', async () => {
    const first = await cluster.startNode('port-1', { media: new FakeMediaEngine() });
    const media = new FakeMediaEngine();

    await expect(
      cluster.startNode('port-2', { media, env: { MERIDIAN_HTTP_PORT: String(first.port) } }),
    ).rejects.toMatchObject({ code: 'config-invalid' });
    expect(media.closed).toBe(true);
    await first.close();
  });
});

describe('a window for coming back', () => {
  test('a participant whose connection is lost stays for a while, marked as reconnecting, then leaves', async () => {
    const node = await cluster.startNode('resume-1', {
      media: new FakeMediaEngine(),
      env: { MERIDIAN_RESUME_WINDOW_MS: '500', MERIDIAN_RECONNECTING_AFTER_MS: '100' },
    });
    const room = roomId('window');
    const [ann, bob] = [await cluster.join(node, 'resume-1', room), await cluster.join(node, 'resume-1', room)];

    ann.client.socket.terminate();
    await bob.client.until('participant-updated', (one) => one.participant.connection === 'reconnecting');
    expect(bob.client.all('participant-left')).toEqual([]);
    await bob.client.until('participant-left', (one) => one.reason === 'connection-lost');

    // Who comes back within the window takes its place over: nobody sees it leave.
    const cid = await cluster.join(node, 'resume-1', room);
    cid.client.socket.terminate();
    await bob.client.until('participant-updated', (one) => one.participant.sessionId === cid.sessionId);
    const again = await cluster.join(node, 'resume-1', room, { sessionId: cid.sessionId });
    await bob.client.until(
      'participant-joined',
      (one) => one.participant.sessionId === cid.sessionId && one.participant.epoch === again.welcome.epoch,
    );
    expect(bob.client.all('participant-left').filter((one) => one.sessionId === cid.sessionId)).toEqual([]);
    await Promise.all([bob.client.close(), again.client.close()]);
    await node.close();
  });
});

describe('the session service is out of reach', () => {
  test('known keys go on serving, unknown ones are told to come later', async () => {
    cluster.issuer.down = true;
    const node = await cluster.startNode('keys-1', { media: new FakeMediaEngine() });
    const token = await cluster.issuer.session({ sessionId: 'ann', nodeId: 'keys-1' });

    const refused = TestClient.withToken(node.url, token);
    await expect(refused.closed).resolves.toEqual({ code: 4_503, reason: 'cluster-unavailable' });

    cluster.issuer.down = false;
    const welcomed = TestClient.withToken(node.url, token);
    await welcomed.until('welcome');
    cluster.issuer.down = true;
    const also = TestClient.withToken(node.url, await cluster.issuer.session({ sessionId: 'bob', nodeId: 'keys-1' }));
    await also.until('welcome');
    cluster.issuer.down = false;
    await Promise.all([welcomed.close(), also.close()]);
    await node.close();
  });
});
