import { eventually } from '@meridian/harness';
import { createMediaEngine, type MediasoupEngine } from '@meridian/media';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { opusParameters, vp8Parameters } from '../support/rtp.ts';
import { type Joined, roomId, TestCluster } from '../support/test-cluster.ts';

let cluster: TestCluster;
let amsterdam: SfuNode;
let singapore: SfuNode;
let engines: { ams: MediasoupEngine; sin: MediasoupEngine };

const engine = () =>
  createMediaEngine({
    workers: 1,
    webRtcServer: { listenIp: '127.0.0.1', port: 0 },
    pipe: { listenIp: '127.0.0.1', portRange: { min: 30_000, max: 32_000 } },
  });

beforeAll(async () => {
  cluster = await TestCluster.start();
  engines = { ams: await engine(), sin: await engine() };
  amsterdam = await cluster.startNode('ams-1', { media: engines.ams, env: { MERIDIAN_RELAY_GRACE_MS: '50' } });
  singapore = await cluster.startNode('sin-1', { media: engines.sin, env: { MERIDIAN_RELAY_GRACE_MS: '50' } });
});

afterAll(async () => {
  await cluster.stop();
});

const publishMicrophone = (who: Joined) =>
  who.client.request('publish', {
    transportId: who.joined.sendTransport.id,
    kind: 'audio',
    source: 'microphone',
    rtpParameters: opusParameters(),
  });

const publishCamera = (who: Joined) =>
  who.client.request('publish', {
    transportId: who.joined.sendTransport.id,
    kind: 'video',
    source: 'camera',
    rtpParameters: vp8Parameters(),
  });

/** What the workers themselves hold of relays. */
async function relayTransports(of: MediasoupEngine): Promise<number> {
  return of.load().relayEnds;
}

describe('two participants on two nodes', () => {
  test('what is published on one node is received on the other over one relay link', async () => {
    const room = roomId('relayed');
    const ann = await cluster.join(amsterdam, 'ams-1', room, { sessionId: 'ann' });
    const bob = await cluster.join(singapore, 'sin-1', room, { sessionId: 'bob' });
    const microphone = await publishMicrophone(ann);
    const camera = await publishCamera(ann);

    const heard = await bob.client.until('consumer-opened', (one) => one.producerId === microphone.producerId);
    const seen = await bob.client.until('consumer-opened', (one) => one.producerId === camera.producerId);
    await bob.client.request('resume-consumer', { consumerId: heard.consumerId });
    await bob.client.request('resume-consumer', { consumerId: seen.consumerId });

    expect(heard.sessionId).toBe('ann');
    expect(await relayTransports(engines.ams)).toBe(1);
    expect(await relayTransports(engines.sin)).toBe(1);

    // Pausing is mirrored.
    await ann.client.request('pause-producer', { producerId: microphone.producerId });
    await bob.client.until('consumer-updated', (one) => one.consumerId === heard.consumerId && one.producerPaused);
    await bob.client.until('producer-updated', (one) => one.producerId === microphone.producerId && one.paused);
    await ann.client.request('resume-producer', { producerId: microphone.producerId });
    await bob.client.until('consumer-updated', (one) => one.consumerId === heard.consumerId && !one.producerPaused);

    // Bob answers: the other direction has a link of its own.
    const answer = await publishMicrophone(bob);
    await ann.client.until('consumer-opened', (one) => one.producerId === answer.producerId);
    expect(await relayTransports(engines.ams)).toBe(2);

    // Closing is mirrored, and when nothing is pulled any more nothing is left.
    await ann.client.request('unpublish', { producerId: microphone.producerId });
    await bob.client.until('consumer-closed', (one) => one.consumerId === heard.consumerId);
    await ann.client.request('leave', {});
    await expect(ann.client.closed).resolves.toEqual({ code: 1_000, reason: 'left' });
    await bob.client.until('participant-left', (one) => one.sessionId === 'ann');
    await eventually('no relay is left on either node', async () => {
      return (await relayTransports(engines.ams)) === 0 && (await relayTransports(engines.sin)) === 0;
    });
    await bob.client.close();
  });

  test('a participant who subscribes by hand gets a remote stream, and its end takes the relay away', async () => {
    const room = roomId('by-hand');
    const ann = await cluster.join(amsterdam, 'ams-1', room);
    const bob = await cluster.join(singapore, 'sin-1', room, { autoSubscribe: false });
    const { producerId } = await publishCamera(ann);
    await bob.client.until('producer-opened');
    expect(await relayTransports(engines.sin)).toBe(0);

    const [first, second] = await Promise.all([
      bob.client.request('subscribe', { producerId }),
      bob.client.request('subscribe', { producerId }),
    ]);
    expect(second.consumerId).toBe(first.consumerId);
    expect(await relayTransports(engines.sin)).toBe(1);

    await bob.client.request('unsubscribe', { consumerId: first.consumerId });
    await eventually('the relay is gone', async () => {
      return (await relayTransports(engines.ams)) === 0 && (await relayTransports(engines.sin)) === 0;
    });
    await Promise.all([ann.client.close(), bob.client.close()]);
  });

  test('a chat line reaches everybody in the room, on either node', async () => {
    const room = roomId('chat');
    const ann = await cluster.join(amsterdam, 'ams-1', room);
    const bob = await cluster.join(singapore, 'sin-1', room);
    const cid = await cluster.join(amsterdam, 'ams-1', room);

    await ann.client.until('participant-joined', (one) => one.participant.sessionId === bob.sessionId);
    const { message } = await ann.client.request('send-chat', { text: 'hello over there' });

    for (const who of [bob, cid]) {
      const heard = await who.client.until('chat');
      expect(heard.message).toEqual(message);
    }
    expect(ann.client.all('chat')).toEqual([]);
    await Promise.all([ann, bob, cid].map((who) => who.client.close()));
  });

  test('a moderator removes a participant who sits on another node', async () => {
    const room = roomId('kick');
    const ann = await cluster.join(amsterdam, 'ams-1', room);
    const bob = await cluster.join(singapore, 'sin-1', room);
    await ann.client.until('participant-joined');

    await ann.client.request('kick', { sessionId: bob.sessionId });

    await expect(bob.client.closed).resolves.toEqual({ code: 4_414, reason: 'session-kicked' });
    expect(bob.client.all('session-ended')).toMatchObject([{ reason: 'kicked', error: { code: 'session-kicked' } }]);
    await ann.client.until('participant-left', (one) => one.sessionId === bob.sessionId && one.reason === 'kicked');
    await ann.client.close();
  });

  test('ending the room ends it on every node', async () => {
    const room = roomId('end');
    const ann = await cluster.join(amsterdam, 'ams-1', room);
    const bob = await cluster.join(singapore, 'sin-1', room);

    await ann.client.request('end-room', {});

    for (const who of [ann, bob]) {
      await expect(who.client.closed).resolves.toEqual({ code: 4_411, reason: 'room-ended' });
    }
    await eventually('nobody is in the room', async () => {
      return (await cluster.cluster.rooms.snapshot(room)).participants.length === 0;
    });
  });

  test('a session that comes back on the other node is one participant, and its old node lets it go', async () => {
    const room = roomId('moved');
    const ann = await cluster.join(amsterdam, 'ams-1', room);
    const before = await cluster.join(singapore, 'sin-1', room);

    const after = await cluster.join(amsterdam, 'ams-1', room, { sessionId: before.sessionId });

    await expect(before.client.closed).resolves.toEqual({ code: 4_412, reason: 'session-replaced' });
    const { participants } = await cluster.cluster.rooms.snapshot(room);
    expect(participants.map((one) => [one.sessionId, one.nodeId]).sort()).toEqual(
      [
        [ann.sessionId, 'ams-1'],
        [before.sessionId, 'ams-1'],
      ].sort(),
    );
    expect(after.client.closeInfo).toBeUndefined();
    await Promise.all([ann.client.close(), after.client.close()]);
  });
});
