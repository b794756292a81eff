import { eventually } from '@meridian/harness';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { TestClient } from '../support/client.ts';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { opusParameters } from '../support/rtp.ts';
import { type Attached, type Joined, roomId, TestCluster } from '../support/test-cluster.ts';

let cluster: TestCluster;
let media: { ams: FakeMediaEngine; sin: FakeMediaEngine };
let ams: SfuNode;
let sin: SfuNode;

beforeAll(async () => {
  cluster = await TestCluster.start();
  media = { ams: new FakeMediaEngine(), sin: new FakeMediaEngine() };
  const env = { MERIDIAN_RESUME_WINDOW_MS: '15000', MERIDIAN_RELAY_GRACE_MS: '0' };
  ams = await cluster.startNode('ams-1', { media: media.ams, env });
  sin = await cluster.startNode('sin-1', { media: media.sin, env });
});

afterAll(async () => {
  await cluster.stop();
});

beforeEach(() => {
  media.ams.step = () => Promise.resolve();
});

const publish = (who: Joined, client: TestClient = who.client) =>
  client.request('publish', {
    transportId: who.joined.sendTransport.id,
    kind: 'audio',
    source: 'microphone',
    rtpParameters: opusParameters(),
  });

/** The connection breaks without a word. */
async function breakOff({ client }: Attached): Promise<void> {
  client.socket.terminate();
  await client.closed;
}

const say = (who: Joined, text: string) => who.client.request('send-chat', { text });

describe('a connection that was lost', () => {
  test('is resumed: the participant stays with all its media, and nobody sees it leave', async () => {
    // Given a call over two nodes
    const room = roomId('resume');
    const [ann, bob, cid] = [
      await cluster.join(ams, 'ams-1', room),
      await cluster.join(ams, 'ams-1', room),
      await cluster.join(sin, 'sin-1', room),
    ];
    const { producerId } = await publish(ann);
    const consumers = [await bob.client.until('consumer-opened'), await cid.client.until('consumer-opened')];
    const before = media.ams.room(room)?.participant(ann.sessionId);

    // When a connection breaks and comes back
    await breakOff(ann);
    const back = await cluster.resume(ams, ann);
    const welcome = await back.until('welcome');

    // Then it is the same participant under a newer epoch
    expect(welcome).toMatchObject({ resumed: true, sessionId: ann.sessionId });
    expect(welcome.epoch).toBeGreaterThan(ann.welcome.epoch);
    expect(media.ams.room(room)?.participant(ann.sessionId)).toBe(before);
    expect(before?.closed).toBe(false);
    await back.request('pause-producer', { producerId });
    await bob.client.until('producer-updated', (one) => one.producerId === producerId && one.paused);
    // And the cluster knows
    await eventually('the lease has the new epoch', async () => {
      const lease = await cluster.cluster.leases.find(ann.nodeId, ann.sessionId);
      return lease?.epoch === welcome.epoch;
    });
    const { participants, producers } = await cluster.cluster.rooms.snapshot(room);
    expect(participants.find((one) => one.sessionId === ann.sessionId)).toMatchObject({
      epoch: welcome.epoch,
      connection: 'connected',
    });
    expect(producers.map((one) => one.producerId)).toEqual([producerId]);
    // And the others were told of nothing but the newer epoch
    for (const other of [bob, cid]) {
      const { participant } = await other.client.until('participant-updated');
      expect(participant).toMatchObject({ epoch: welcome.epoch, connection: 'connected' });
      expect(other.client.all('participant-left')).toEqual([]);
      expect(other.client.all('participant-joined').map((one) => one.participant.sessionId)).not.toContain(
        ann.sessionId,
      );
      expect(other.client.all('consumer-closed')).toEqual([]);
    }
    expect(consumers).toHaveLength(2);
    await Promise.all([back, bob.client, cid.client].map((one) => one.request('leave', {})));
  });

  test('gets what it missed, once and in order', async () => {
    const room = roomId('missed');
    const [ann, bob] = [await cluster.join(ams, 'ams-1', room), await cluster.join(ams, 'ams-1', room)];
    await say(bob, 'one');
    await ann.client.until('chat');

    await breakOff(ann);
    await say(bob, 'two');
    await say(bob, 'three');
    const back = await cluster.resume(ams, ann);
    await say(bob, 'four');
    await back.until('chat', ({ message }) => message.text === 'four');

    expect(back.all('chat').map(({ message }) => message.text)).toEqual(['two', 'three', 'four']);
    const seqs = back.heard.map((one) => one.seq);
    expect(back.heard[0]).toMatchObject({ event: 'welcome', seq: ann.client.lastSeq });
    expect(seqs).toEqual(seqs.map((_, index) => ann.client.lastSeq + index));
    await Promise.all([back, bob.client].map((one) => one.request('leave', {})));
  });
});
