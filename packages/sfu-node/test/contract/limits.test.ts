import { eventually } from '@meridian/harness';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { roomId, TestCluster } from '../support/test-cluster.ts';

let cluster: TestCluster;
let node: SfuNode;
let media: FakeMediaEngine;

beforeAll(async () => {
  cluster = await TestCluster.start();
  media = new FakeMediaEngine();
  node = await cluster.startNode('ams-1', {
    media,
    env: {
      MERIDIAN_MAX_FRAME_BYTES: '8192',
      MERIDIAN_REQUESTS_PER_SECOND: '1',
      MERIDIAN_REQUEST_BURST: '50',
      MERIDIAN_MAX_IN_FLIGHT: '8',
      MERIDIAN_PING_EVERY_MS: '50',
      MERIDIAN_DEAD_AFTER_MS: '400',
      MERIDIAN_MAX_BUFFERED_BYTES: '65536',
    },
  });
});

afterAll(async () => {
  await cluster.stop();
});

describe('one connection', () => {
  test('that sends too large a frame is closed', async () => {
    const { client } = await cluster.attach(node, 'ams-1');
    client.socket.send(JSON.stringify({ t: 'req', id: 1, method: 'get-stats', data: 'x'.repeat(9_000) }));
    await expect(client.closed).resolves.toEqual({ code: 4_413, reason: 'payload-too-large' });
  });

  test('that sends a frame far over the limit is cut off before it is read', async () => {
    const { client } = await cluster.attach(node, 'ams-1');
    client.socket.send('x'.repeat(200_000));
    expect((await client.closed).code).not.toBe(4_400);
  });

  test.each([
    ['what is not JSON', '{"t":'],
    ['what is no frame', '{"t":"hello"}'],
    ['a list', '[1,2,3]'],
  ])('that sends %s is closed', async (_what, text) => {
    const { client } = await cluster.attach(node, 'ams-1');
    client.socket.send(text);
    await expect(client.closed).resolves.toEqual({ code: 4_400, reason: 'bad-request' });
  });

  test('that sends binary frames is closed', async () => {
    const { client } = await cluster.attach(node, 'ams-1');
    client.socket.send(Buffer.from('{"t":"ping","id":1}'));
    await expect(client.closed).resolves.toEqual({ code: 4_400, reason: 'bad-request' });
  });

  test('that asks too much is refused with the time to wait, and closed when it does not stop', async () => {
    const { client } = await cluster.attach(node, 'ams-1');
    const answers = await Promise.allSettled(
      Array.from({ length: 60 }, () => client.send({ method: 'no-such-thing', data: {} })),
    );
    const codes = answers.map((one) => (one.status === 'rejected' ? one.reason.code : 'ok'));
    expect(codes.slice(0, 50)).toEqual(Array.from({ length: 50 }, () => 'unknown-message'));
    expect(codes.slice(51)).toEqual(Array.from({ length: 9 }, () => 'rate-limited'));
    const refused = answers.at(-1);
    expect(refused?.status === 'rejected' && refused.reason.retryAfterMs).toBeGreaterThan(0);

    for (let id = 1_000; id < 1_300; id++) client.socket.send(JSON.stringify({ t: 'ping', id }));
    await expect(client.closed).resolves.toEqual({ code: 4_429, reason: 'rate-limited' });
  });

  test('may have so many requests under way and no more', async () => {
    const who = await cluster.join(node, 'ams-1', roomId('busy'), { autoSubscribe: false });
    const gate = Promise.withResolvers<void>();
    media.step = (what) => (what === 'restart-ice' ? gate.promise : Promise.resolve());
    const asked = Array.from({ length: 12 }, () =>
      who.client.request('restart-ice', { transportId: who.joined.sendTransport.id }),
    );
    const refused = await Promise.allSettled(asked.slice(8));
    gate.resolve();
    const served = await Promise.allSettled(asked.slice(0, 8));
    media.step = () => Promise.resolve();

    expect(served.map((one) => one.status)).toEqual(Array.from({ length: 8 }, () => 'fulfilled'));
    expect(refused.map((one) => (one.status === 'rejected' ? one.reason.code : 'ok'))).toEqual(
      Array.from({ length: 4 }, () => 'rate-limited'),
    );
    await who.client.close();
  });

  test('gets a pong for its ping', async () => {
    const { client } = await cluster.attach(node, 'ams-1');
    client.socket.send(JSON.stringify({ t: 'ping', id: 7 }));
    await eventually('the pong', () => client.pongs.includes(7));
    await client.close();
  });

  test('whose peer is silent, not even answering pings, is dead after a while; its participant leaves', async () => {
    const room = roomId('silent');
    const bob = await cluster.join(node, 'ams-1', room);
    const ann = await cluster.join(node, 'ams-1', room);
    // The peer's machine is gone: nothing is read and nothing is answered, but nothing is closed either.
    ann.client.socket.pause();

    const left = await bob.client.until('participant-left', (one) => one.sessionId === ann.sessionId);

    expect(left.reason).toBe('connection-lost');
    ann.client.socket.terminate();
    await bob.client.close();
  });

  test('that reads too slowly misses what may be missed, then is closed; the others are not held up', async () => {
    const room = roomId('slow-reader');
    const [ann, bob] = [await cluster.join(node, 'ams-1', room), await cluster.join(node, 'ams-1', room)];
    ann.client.socket.pause();
    const fakeRoom = media.room(room);
    const speakers = Array.from({ length: 400 }, (_, index) => ({ sessionId: bob.sessionId, volume: -index }));

    await eventually('the node has had enough of it', () => {
      for (let round = 0; round < 50; round++) fakeRoom?.emit('active-speakers', { speakers, dominant: null });
      return bob.client.all('participant-left').some((one) => one.sessionId === ann.sessionId);
    });

    // It may have been found dead or slow, whichever came first: it is out, and Bob heard the speakers.
    const reason = bob.client.all('participant-left')[0]?.reason;
    expect(['slow-reader', 'connection-lost']).toContain(reason);
    expect(bob.client.all('active-speakers').length).toBeGreaterThan(0);
    ann.client.socket.terminate();
    await bob.client.close();
  });

  test('counts its notifications without a hole', async () => {
    const room = roomId('numbers');
    const ann = await cluster.join(node, 'ams-1', room);
    const bob = await cluster.join(node, 'ams-1', room);
    for (const text of ['one', 'two', 'three']) await bob.client.request('send-chat', { text });
    await ann.client.until('chat', (one) => one.message.text === 'three');

    expect(ann.client.heard.map((one) => one.seq)).toEqual(ann.client.heard.map((_, index) => index + 1));
    await Promise.all([ann.client.close(), bob.client.close()]);
  });
});
