import { eventually } from '@meridian/harness';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestClient } from '../support/client.ts';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { type Joined, roomId, TestCluster } from '../support/test-cluster.ts';

let cluster: TestCluster;
let node: SfuNode;

beforeAll(async () => {
  cluster = await TestCluster.start();
  node = await cluster.startNode('ams-1', {
    media: new FakeMediaEngine(),
    env: { MERIDIAN_RESUME_WINDOW_MS: '15000' },
  });
});

afterAll(async () => {
  await cluster.stop();
});

/** A participant whose token is due for renewal as soon as a node may ask for another one. */
async function shortLived(name: string): Promise<Joined & { token: string }> {
  const token = await cluster.issuer.session({ sessionId: name, nodeId: 'ams-1' }, { issuedInS: -30, expiresInS: 15 });
  const client = TestClient.withToken(node.url, token);
  const welcome = await client.until('welcome');
  const attached = { client, welcome, sessionId: welcome.sessionId, nodeId: welcome.nodeId };
  const roomToken = await cluster.roomToken(attached, roomId(name));
  const joined = await client.request('join', { roomToken, rtpCapabilities: {} });
  return { ...attached, joined, token };
}

async function resume(who: Joined, client: TestClient, token: string): Promise<TestClient> {
  client.socket.terminate();
  await client.closed;
  const epoch = client.all('welcome').at(-1)?.epoch ?? who.welcome.epoch;
  const back = TestClient.resuming(node.url, token, { epoch, seq: client.lastSeq }, { nextId: client.nextId });
  expect(await back.until('welcome')).toMatchObject({ resumed: true });
  return back;
}

describe('the token of a session', () => {
  test('is renewed by its node; the next resume may use either', async () => {
    const ann = await shortLived('either');
    const { sessionToken, expiresAtMs } = await ann.client.until('session-token');
    expect(cluster.issuer.renewed).toMatchObject([{ old: ann.token, fresh: sessionToken }]);
    expect(expiresAtMs).toBeGreaterThan(Date.now());

    const withOld = await resume(ann, ann.client, ann.token);
    const withNew = await resume(ann, withOld, sessionToken);
    expect(withNew.all('session-token')).toEqual([]);
    await withNew.request('leave', {});
  });

  test('that was renewed while the connection was lost is told when it is back', async () => {
    const ann = await shortLived('missed');
    const before = cluster.issuer.renewed.length;
    ann.client.socket.terminate();
    await ann.client.closed;
    await eventually('the token is renewed', () => cluster.issuer.renewed.length > before);

    const point = { epoch: ann.welcome.epoch, seq: ann.client.lastSeq };
    const back = TestClient.resuming(node.url, ann.token, point, { nextId: ann.client.nextId });
    const { sessionToken } = await back.until('session-token');
    expect(sessionToken).toBe(cluster.issuer.renewed.at(-1)?.fresh);
    await back.request('leave', {});
  });

  test('stays good while the session service is away: calls and resumes go on, and it is renewed later', async () => {
    cluster.issuer.down = true;
    const ann = await shortLived('away');
    let client = ann.client;
    for (let round = 0; round < 3; round++) {
      client = await resume(ann, client, ann.token);
      await client.request('get-stats', {});
    }
    expect(client.all('session-token')).toEqual([]);

    cluster.issuer.down = false;
    const { sessionToken } = await client.until('session-token');
    client = await resume(ann, client, sessionToken);
    await client.request('leave', {});
  });

  test('ends its session when the service says that it was revoked', async () => {
    cluster.issuer.revoked.add('revoked');
    const ann = await shortLived('revoked');
    await expect(ann.client.closed).resolves.toMatchObject({ reason: 'token-revoked' });
    expect(ann.client.all('session-ended')).toMatchObject([{ reason: 'token-revoked' }]);
  });
});
