import { SIGNALLING_PROTOCOL, TOKEN_PROTOCOL_PREFIX } from '@meridian/protocol';
import type { SfuNode } from '@meridian/sfu-node';
import { startSfuNode } from '@meridian/sfu-node';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLogger } from '../../src/logger.ts';
import { TestClient } from '../support/client.ts';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { type Joined, roomId, TestCluster } from '../support/test-cluster.ts';

const HOSTILE = [
  'x}:{nodes}:index',
  'line\nfeed {"level":60,"msg":"forged"}',
  '\r\nset-cookie: a=b',
  '\u001b[2J\u001b[31mred',
  '"} 1\nmeridian_forged{x="',
  '<script>alert(1)</script>',
  '__proto__',
  'constructor',
  'toString',
  '\ud800',
  '\u0000',
  '../../etc/passwd',
];
const hostile = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary', maxLength: 60 }));

let cluster: TestCluster;
let node: SfuNode;
let host: Joined;
const log: string[] = [];
const room = roomId('hostile');

beforeAll(async () => {
  cluster = await TestCluster.start();
  const limits = {
    MERIDIAN_REQUESTS_PER_SECOND: '100000',
    MERIDIAN_REQUEST_BURST: '100000',
    MERIDIAN_CHAT_PER_SECOND: '10000',
    MERIDIAN_CHAT_BURST: '10000',
  };
  node = await startSfuNode({
    config: cluster.config('ams-1', limits),
    logger: createLogger({ level: 'trace', name: 'sfu-node' }, { write: (line: string) => void log.push(line) }),
    media: new FakeMediaEngine(),
  });
  cluster.nodes.push(node);
  host = await cluster.join(node, 'ams-1', room);
});
afterAll(async () => {
  await cluster.stop();
});

const scrape = async () => (await fetch(`${node.url}/metrics`)).text();
const seriesOf = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && !line.includes('_bucket{'))
    .map((line) => line.slice(0, line.lastIndexOf(' ')));

/** Every place of the signalling that takes a text; what is refused is refused in words. */
const PLACES: Record<string, (text: string) => Promise<unknown>> = {
  'method': (text) => host.client.send({ method: text.slice(0, 64), data: {} }),
  'chat': (text) => host.client.send({ method: 'send-chat', data: { text } }),
  'data label': (text) =>
    host.client.send({
      method: 'publish-data',
      data: {
        transportId: host.joined.sendTransport.id,
        label: text,
        protocol: text,
        sctpStreamParameters: { streamId: 1, ordered: true },
      },
    }),
  'ids': (text) => host.client.send({ method: 'subscribe', data: { producerId: text } }),
  'kick': (text) => host.client.send({ method: 'kick', data: { sessionId: text } }),
  'room token': (text) => host.client.send({ method: 'join', data: { roomToken: text, rtpCapabilities: {} } }),
  'session token': async (text) => {
    const token = Buffer.from(text.toWellFormed()).toString('base64url');
    return (await TestClient.withToken(node.url, token === '' ? 'x' : token).closed).reason;
  },
  'sub-protocol': async (text) => {
    const offered = `x${Buffer.from(text.toWellFormed()).toString('hex')}`;
    return (await new TestClient(`${node.url.replace('http', 'ws')}/ws`, [SIGNALLING_PROTOCOL, offered]).closed).reason;
  },
  'header': async (text) => {
    const value = text.replace(/[^\x20-\x7e]/g, '').trim() || 'x';
    const headers = { 'origin': value, 'user-agent': value, 'cookie': value, 'x-forwarded-for': value };
    return (await TestClient.withToken(node.url, 'no.such.token', headers).closed).reason;
  },
};

describe('texts of users, in every place of the signalling', () => {
  test('are answered or refused; the participant and the node go on', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(PLACES)), hostile, async (place, text) => {
        await PLACES[place]?.(text).catch((error: unknown) => {
          expect(error).toMatchObject({ code: expect.stringMatching(/^[a-z-]+$/) });
          expect(error).not.toMatchObject({ code: 'internal' });
        });
        expect(host.client.closeInfo).toBeUndefined();
      }),
      {
        numRuns: 400,
        examples: Object.keys(PLACES).flatMap((place) => HOSTILE.map((text): [string, string] => [place, text])),
      },
    );
    expect((await fetch(`${node.url}/readyz`)).status).toBe(200);
  });

  test('reach Redis keys only as ids', async () => {
    const keys = (await cluster.redis.call('KEYS', '*')).split('\n').filter((key) => key !== '');
    for (const key of keys) {
      expect(key.startsWith(cluster.prefix)).toBe(true);
      expect(key.slice(cluster.prefix.length)).toMatch(/^:?\{[a-z]+(:[A-Za-z0-9_-]+)?\}:[a-z-]+(:[A-Za-z0-9_-]+)?$/);
    }
  });

  test('reach no label of a metric, and neither does any id', async () => {
    const before = seriesOf(await scrape());
    const known = new Set(before);
    for (const name of before) {
      expect(name).toMatch(/^meridian_[a-z0-9_]+(\{([a-z_]+="[^"\\\n]{0,60}",?)*\})?$/);
      expect(name).not.toMatch(/script|passwd|forged/);
      for (const id of [room, host.sessionId, host.joined.sendTransport.id, host.joined.self.userId]) {
        expect(name).not.toContain(id);
      }
    }
    for (const [place, send] of Object.entries(PLACES)) {
      for (let i = 0; i < 3; i += 1) await send(`${place} number ${i}`).catch(() => {});
    }
    const added = seriesOf(await scrape()).filter((name) => !known.has(name));
    for (const name of added) expect(name).not.toContain('number');
    expect(added.length).toBeLessThan(20);
  });

  test('reach the log as part of one JSON line each, without control characters and without tokens', async () => {
    const token = await cluster.issuer.session({ sessionId: 'secret', nodeId: 'ams-1' });
    await TestClient.withToken(node.url, token).until('welcome');
    expect(log.length).toBeGreaterThan(50);
    for (const line of log) {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f]/);
      expect(JSON.parse(line).msg).not.toBe('forged');
      expect(line).not.toContain(token);
      expect(line).not.toContain(TOKEN_PROTOCOL_PREFIX);
    }
  });
});
