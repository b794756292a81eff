import { eventually } from '@meridian/harness';
import { SIGNALLING_PROTOCOL, TOKEN_PROTOCOL_PREFIX, TOKEN_TYPES } from '@meridian/protocol';
import type { SfuNode } from '@meridian/sfu-node';
import { generateKeyPair } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestClient } from '../support/client.ts';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { TestCluster } from '../support/test-cluster.ts';

let cluster: TestCluster;
let node: SfuNode;

beforeAll(async () => {
  cluster = await TestCluster.start();
  node = await cluster.startNode('ams-1', {
    media: new FakeMediaEngine(),
    env: { MERIDIAN_ALLOWED_ORIGINS: 'https://call.example.org' },
  });
});

afterAll(async () => {
  await cluster.stop();
});

async function closeOf(token: string, headers: Record<string, string> = {}) {
  return await TestClient.withToken(node.url, token, headers).closed;
}

describe('attaching', () => {
  test('a good token is welcomed, and the lease can be read at once', async () => {
    const attached = await cluster.attach(node, 'ams-1', 'ann', { userId: 'user-1' });

    expect(attached.client.heard[0]).toMatchObject({ seq: 1, event: 'welcome' });
    expect(attached.welcome).toMatchObject({ sessionId: 'ann', nodeId: 'ams-1', region: 'region-of-ams-1' });
    expect(attached.client.socket.protocol).toBe(SIGNALLING_PROTOCOL);
    const lease = await cluster.cluster.leases.find(attached.nodeId, attached.sessionId);
    expect(lease).toMatchObject({ userId: 'user-1', epoch: attached.welcome.epoch });

    await attached.client.close();
    await eventually('the lease is ended', async () => {
      return (await cluster.cluster.leases.find(attached.nodeId, attached.sessionId)) === undefined;
    });
  });

  test('a newer connection of the same session replaces the older one and is not touched by its end', async () => {
    const older = await cluster.attach(node, 'ams-1', 'twice');
    const newer = await cluster.attach(node, 'ams-1', 'twice');

    await expect(older.client.closed).resolves.toEqual({ code: 4_412, reason: 'session-replaced' });
    expect(older.client.all('session-ended')).toMatchObject([
      { reason: 'replaced', error: { code: 'session-replaced' } },
    ]);
    expect(newer.welcome.epoch).toBeGreaterThan(older.welcome.epoch);
    const lease = await cluster.cluster.leases.find(newer.nodeId, newer.sessionId);
    expect(lease?.epoch).toBe(newer.welcome.epoch);
    await newer.client.send({ method: 'get-stats', data: {} }).catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'not-joined' });
    });
    await newer.client.close();
  });

  test('only the newest of many connections made at once stays', async () => {
    const token = await cluster.issuer.session({ sessionId: 'burst', nodeId: 'ams-1' });
    const clients = Array.from({ length: 10 }, () => TestClient.withToken(node.url, token));

    await eventually('all but one are closed', () => clients.filter((one) => one.closeInfo !== undefined).length === 9);
    const stays = clients.find((one) => one.closeInfo === undefined);
    const lease = await cluster.cluster.leases.find(
      cluster.nodeIdOf('ams-1'),
      (await stays?.until('welcome'))?.sessionId ?? cluster.sessionIdOf('none'),
    );
    expect(stays?.all('welcome')[0]?.epoch).toBe(lease?.epoch);
    for (const one of clients)
      if (one !== stays) expect(one.closeInfo).toEqual({ code: 4_412, reason: 'session-replaced' });
    await stays?.close();
  });
});

describe('attaching is refused, each time with its own reason', () => {
  test('without a token', async () => {
    const client = new TestClient(`${node.url.replace('http', 'ws')}/ws`, [SIGNALLING_PROTOCOL]);
    await expect(client.closed).resolves.toEqual({ code: 4_401, reason: 'unauthenticated' });
  });

  test('with two tokens', async () => {
    const token = await cluster.issuer.session({ sessionId: 'two', nodeId: 'ams-1' });
    const offered = [SIGNALLING_PROTOCOL, `${TOKEN_PROTOCOL_PREFIX}${token}`, `${TOKEN_PROTOCOL_PREFIX}x.y.z`];
    const client = new TestClient(`${node.url.replace('http', 'ws')}/ws`, offered);
    await expect(client.closed).resolves.toEqual({ code: 4_401, reason: 'unauthenticated' });
  });

  test('with something that is no token', async () => {
    expect(await closeOf('nonsense')).toEqual({ code: 4_401, reason: 'token-invalid' });
  });

  test('with a token whose signature does not fit', async () => {
    const token = await cluster.issuer.session({ sessionId: 'forged', nodeId: 'ams-1' });
    const [header, , signature] = token.split('.');
    const claims = Buffer.from(JSON.stringify({ sub: 'admin', sid: 'forged', aud: 'ams-1' })).toString('base64url');
    expect(await closeOf(`${header}.${claims}.${signature}`)).toEqual({ code: 4_401, reason: 'token-invalid' });
  });

  test('with an expired token', async () => {
    const token = await cluster.issuer.session({ sessionId: 'old', nodeId: 'ams-1' }, { expiresInS: -30 });
    expect(await closeOf(token)).toEqual({ code: 4_402, reason: 'token-expired' });
  });

  test('with a token from the future', async () => {
    const token = await cluster.issuer.session({ sessionId: 'early', nodeId: 'ams-1' }, { issuedInS: 30 });
    expect(await closeOf(token)).toEqual({ code: 4_402, reason: 'token-not-yet-valid' });
  });

  test('with a token for another node', async () => {
    const token = await cluster.issuer.session({ sessionId: 'else', nodeId: 'sin-1' });
    expect(await closeOf(token)).toEqual({ code: 4_403, reason: 'token-audience' });
  });

  test('with a token of another issuer, signed with a key that is known', async () => {
    const token = await cluster.issuer.session(
      { sessionId: 'iss', nodeId: 'ams-1' },
      { issuer: 'https://staging.example.org' },
    );
    expect(await closeOf(token)).toEqual({ code: 4_401, reason: 'token-invalid' });
  });

  test('with a token of another kind', async () => {
    const token = await cluster.issuer.session({ sessionId: 'kind', nodeId: 'ams-1' }, { typ: TOKEN_TYPES.room });
    expect(await closeOf(token)).toEqual({ code: 4_401, reason: 'token-kind' });
  });

  test('with a token signed by a key that nobody knows', async () => {
    const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519' });
    const signing = { key: privateKey, kid: 'foreign' };
    const token = await cluster.issuer.session({ sessionId: 'foreign', nodeId: 'ams-1' }, signing);
    expect(await closeOf(token)).toEqual({ code: 4_401, reason: 'token-key-unknown' });
  });

  test('with another algorithm, or none', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    const token = await cluster.issuer.session(
      { sessionId: 'alg', nodeId: 'ams-1' },
      { key: privateKey, alg: 'ES256' },
    );
    expect(await closeOf(token)).toEqual({ code: 4_401, reason: 'token-algorithm' });
    const [, claims] = token.split('.');
    const none = Buffer.from(JSON.stringify({ alg: 'none', typ: TOKEN_TYPES.session })).toString('base64url');
    expect(await closeOf(`${none}.${claims}.`)).toEqual({ code: 4_401, reason: 'token-algorithm' });
  });

  test('with HS256 and the public key as its secret', async () => {
    const { keys } = await cluster.issuer.jwks();
    const secret = Buffer.from(keys.at(-1)?.x ?? '', 'base64url');
    const key = await crypto.subtle.importKey('raw', secret, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
    const token = await cluster.issuer.session({ sessionId: 'hmac', nodeId: 'ams-1' }, { key, alg: 'HS256' });
    expect(await closeOf(token)).toEqual({ code: 4_401, reason: 'token-algorithm' });
  });

  test('from a page of another origin', async () => {
    const token = await cluster.issuer.session({ sessionId: 'page', nodeId: 'ams-1' });
    const refused = await closeOf(token, { origin: 'https://evil.example.org' });
    expect(refused).toEqual({ code: 4_403, reason: 'origin-refused' });

    const own = await cluster.attach(node, 'ams-1', 'page', { headers: { origin: 'https://call.example.org' } });
    await own.client.close();
  });
});

test('a node that is told no issuer takes the tokens of any whose key it knows', async () => {
  const open = await cluster.startNode('open-1', { media: new FakeMediaEngine(), env: { MERIDIAN_ISSUER: '' } });
  const signing = { issuer: 'https://staging.example.org' };
  await (await cluster.attach(open, 'open-1', 'any', { signing })).client.close();
});

describe('the signing keys', () => {
  test('a key that came after the last reading is fetched when a token names it', async () => {
    await (await cluster.attach(node, 'ams-1', 'before')).client.close();
    await cluster.issuer.rotate();

    const attached = await eventually(
      'the new key is taken',
      async () => {
        const token = await cluster.issuer.session({ sessionId: 'after', nodeId: 'ams-1' });
        const client = TestClient.withToken(node.url, token);
        const closed = client.closed.then(({ reason }) => reason);
        const first = await Promise.race([closed, client.until('welcome').then(() => client)]);
        return first === 'token-key-unknown' || typeof first === 'string' ? false : first;
      },
      { withinMs: 20_000, everyMs: 500 },
    );
    await attached.close();
  });
});
