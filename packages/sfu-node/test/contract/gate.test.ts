import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { eventually } from '@meridian/harness';
import { SIGNALLING_PROTOCOL, TOKEN_PROTOCOL_PREFIX } from '@meridian/protocol';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestClient } from '../support/client.ts';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { type NodeOverrides, TestCluster } from '../support/test-cluster.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
});
afterAll(async () => {
  await cluster.stop();
});

const start = (nodeId: string, env: Record<string, string>, more: NodeOverrides = {}) =>
  cluster.startNode(nodeId, { media: new FakeMediaEngine(), env, ...more });

/** Value of a metric of the node, summed over its labels that fit. */
async function metric(node: SfuNode, name: string, labels = ''): Promise<number> {
  const text = await (await fetch(`${node.url}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && line.includes(labels))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

const from = (address: string) => ({ 'x-forwarded-for': address });

describe('connections of one address', () => {
  test('are bounded by the address that a trusted proxy names', async () => {
    const node = await start('door-1', { MERIDIAN_CONNECTIONS_PER_ADDRESS: '2', MERIDIAN_TRUST_PROXY: 'loopback' });
    const attach = (address: string) => cluster.attach(node, 'door-1', undefined, { headers: from(address) });
    const [first] = [await attach('192.0.2.1'), await attach('192.0.2.1')];

    const token = await cluster.issuer.session({ sessionId: 'third', nodeId: 'door-1' });
    const refused = await TestClient.withToken(node.url, token, from('192.0.2.1')).closed;
    expect(refused).toEqual({ code: 4_431, reason: 'too-many-connections' });
    expect(await metric(node, 'meridian_gate_refused_total', 'code="too-many-connections"')).toBe(1);

    // Others are not concerned, and a place that was left can be taken.
    await attach('192.0.2.2');
    await first?.client.close();
    await eventually('there is room again', async () => {
      const client = TestClient.withToken(node.url, token, from('192.0.2.1'));
      return await Promise.race([client.closed.then(() => false), client.until('welcome').then(() => true)]);
    });
  });

  test('cannot be made to look like others by a header that nobody vouches for', async () => {
    const node = await start('door-2', { MERIDIAN_CONNECTIONS_PER_ADDRESS: '1' });
    await cluster.attach(node, 'door-2', undefined, { headers: from('192.0.2.1') });
    const token = await cluster.issuer.session({ sessionId: 'spoofed', nodeId: 'door-2' });
    const refused = await TestClient.withToken(node.url, token, from('192.0.2.2')).closed;
    expect(refused.reason).toBe('too-many-connections');
  });
});

describe('connections that do not get on', () => {
  test('are closed after a time, and bounded meanwhile', async () => {
    // Given a node whose Redis does not answer, so that leases are not written
    const own = await TestCluster.start();
    try {
      const env = { MERIDIAN_ATTACH_TIMEOUT_MS: '1000', MERIDIAN_MAX_UNATTACHED: '3' };
      const timing = { commandTimeoutMs: 20_000, leaseMs: 60_000 };
      const node = await own.startNode('door-3', { media: new FakeMediaEngine(), env, timing });
      await (await own.attach(node, 'door-3', 'before')).client.close();
      const tokens = await Promise.all(
        ['a', 'b', 'c', 'd'].map((sessionId) => own.issuer.session({ sessionId, nodeId: 'door-3' })),
      );
      await own.redis.freeze();

      // When four want to attach
      const reasons = await Promise.all(
        tokens.map(async (token) => (await TestClient.withToken(node.url, token).closed).reason),
      );

      // Then one is sent away at once, and the others when their time is over
      expect(reasons.toSorted()).toEqual([
        'deadline-exceeded',
        'deadline-exceeded',
        'deadline-exceeded',
        'too-many-connections',
      ]);
      expect(await metric(node, 'meridian_connections_unattached')).toBe(0);
    } finally {
      own.redis.thaw();
      await own.stop();
    }
  });
});

describe('sessions', () => {
  test('beyond what the node is made for are refused, with a tenth more for those on their way', async () => {
    const node = await start('door-4', { MERIDIAN_MAX_SESSIONS: '2' });
    for (const sessionId of ['f1', 'f2', 'f3', 'f4']) await cluster.attach(node, 'door-4', sessionId);
    const token = await cluster.issuer.session({ sessionId: 'f5', nodeId: 'door-4' });
    expect(await TestClient.withToken(node.url, token).closed).toEqual({ code: 4_503, reason: 'node-full' });
    // A refreshed page takes its own place over.
    await cluster.attach(node, 'door-4', 'f1');
  });

  test('of one user are bounded', async () => {
    const node = await start('door-5', { MERIDIAN_SESSIONS_PER_USER: '2' });
    const user = { userId: 'u-many' };
    await cluster.attach(node, 'door-5', 'm1', user);
    const second = await cluster.attach(node, 'door-5', 'm2', user);
    const token = await cluster.issuer.session({ sessionId: 'm3', nodeId: 'door-5', ...user });
    expect((await TestClient.withToken(node.url, token).closed).reason).toBe('too-many-sessions');
    await second.client.close();
    await eventually('there is room again', async () => {
      const client = TestClient.withToken(node.url, token);
      return await Promise.race([client.closed.then(() => false), client.until('welcome').then(() => true)]);
    });
  });
});

describe('a session token that comes from another address', () => {
  const attachFrom = (node: SfuNode, nodeId: string, sessionId: string, address: string) =>
    cluster.attach(node, nodeId, sessionId, { headers: from(address) });

  test('is counted and let in', async () => {
    const node = await start('door-6', { MERIDIAN_TRUST_PROXY: 'loopback' });
    await attachFrom(node, 'door-6', 'roams', '192.0.2.1');
    await attachFrom(node, 'door-6', 'roams', '192.0.2.1');
    expect(await metric(node, 'meridian_session_address_changes_total')).toBe(0);
    await attachFrom(node, 'door-6', 'roams', '198.51.100.7');
    expect(await metric(node, 'meridian_session_address_changes_total', 'outcome="noticed"')).toBe(1);
  });

  test('is refused where the operator wants it, and the session of its owner goes on', async () => {
    const node = await start('door-7', { MERIDIAN_TRUST_PROXY: 'loopback', MERIDIAN_PIN_SESSION_ADDRESS: 'true' });
    const owner = await attachFrom(node, 'door-7', 'pinned', '192.0.2.1');
    const token = await cluster.issuer.session({ sessionId: 'pinned', nodeId: 'door-7' });
    const thief = await TestClient.withToken(node.url, token, from('198.51.100.7')).closed;
    expect(thief).toEqual({ code: 4_402, reason: 'token-address' });
    expect(owner.client.closeInfo).toBeUndefined();
    await owner.client.close();
  });
});

describe('peers that take their time', () => {
  const env = {
    MERIDIAN_REQUEST_TIMEOUT_MS: '500',
    MERIDIAN_PING_EVERY_MS: '200',
    MERIDIAN_DEAD_AFTER_MS: '1000',
    MERIDIAN_RESUME_WINDOW_MS: '0',
  };
  let node: SfuNode;
  let bystander: TestClient;

  beforeAll(async () => {
    node = await start('slow-1', env);
    bystander = (await cluster.attach(node, 'slow-1', 'bystander')).client;
  });

  const ended = (socket: Socket): Promise<string> =>
    new Promise((resolve) => {
      let said = '';
      socket.on('data', (data) => {
        said += data.toString();
      });
      socket.on('error', () => {});
      socket.on('close', () => resolve(said));
    });
  const dial = () => connect(Number(new URL(node.url).port), '127.0.0.1');

  test('saying nothing at all are cut', async () => {
    await ended(dial());
  });

  test('that never finish the head of an upgrade are cut', async () => {
    const socket = dial();
    socket.write('GET /ws HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n');
    const dribble = setInterval(() => socket.write('x-a: b\r\n', () => {}), 50);
    expect(await ended(socket)).toContain('408');
    clearInterval(dribble);
  });

  test('that never finish a body are cut', async () => {
    const socket = dial();
    socket.write('POST /probe HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{');
    await ended(socket);
  });

  /** The raw socket behind a WebSocket that was attached with this token. */
  async function upgraded(sessionId: string): Promise<Socket> {
    const token = await cluster.issuer.session({ sessionId, nodeId: 'slow-1' });
    return await new Promise((resolve, reject) => {
      const asked = request(`${node.url}/ws`, {
        headers: {
          'connection': 'Upgrade',
          'upgrade': 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': randomBytes(16).toString('base64'),
          'sec-websocket-protocol': `${SIGNALLING_PROTOCOL}, ${TOKEN_PROTOCOL_PREFIX}${token}`,
        },
      });
      asked.on('upgrade', (_response, socket: Socket) => resolve(socket));
      asked.on('error', reject);
      asked.end();
    });
  }

  test('that let a frame dribble in are dead peers: they answer no ping in the middle of it', async () => {
    const socket = await upgraded('dribbler');
    // A masked text frame of 60,000 bytes, of which one byte comes at a time.
    socket.write(Buffer.from([0x81, 0xfe, 0xea, 0x60, 1, 2, 3, 4]));
    const dribble = setInterval(() => socket.write('a', () => {}), 50);
    expect(await ended(socket)).toContain('session-lost');
    clearInterval(dribble);
  });

  test('that never read are dead peers too', async () => {
    const socket = await upgraded('deaf');
    socket.pause();
    socket.on('error', () => {});
    await eventually('only the bystander is left', async () => (await metric(node, 'meridian_connections')) === 1);
    socket.destroy();
  });

  test('harm nobody else', () => {
    expect(bystander.closeInfo).toBeUndefined();
  });
});

test('what a node answers by HTTP cannot be framed, sniffed or run, and sets no cookie', async () => {
  const node = await start('plain-1', { MERIDIAN_PUBLIC_WS_URL: 'wss://plain-1.test/ws' });
  for (const path of ['/healthz', '/readyz', '/metrics', '/probe', '/nowhere', '/ws']) {
    const { headers } = await fetch(`${node.url}${path}`, { headers: { cookie: 'session=1' } });
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
    expect(headers.get('strict-transport-security')).toMatch(/^max-age=\d{8}/);
    expect(headers.get('set-cookie')).toBeNull();
  }
  const large = await fetch(`${node.url}/probe`, { method: 'POST', body: 'x'.repeat(5_000) });
  expect([404, 413]).toContain(large.status);
});
