import { eventually, type RedisProcess, startRedis } from '@meridian/harness';
import { ERRORS } from '@meridian/protocol';
import type { SfuNode } from '@meridian/sfu-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TestClient } from '../support/client.ts';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { opusParameters } from '../support/rtp.ts';
import { roomId, TestCluster } from '../support/test-cluster.ts';

const TIMING = { leaseMs: 1_500, heartbeatMs: 200, commandTimeoutMs: 500, settleMs: 1_500 };

let cluster: TestCluster;
let ams: SfuNode;
let sin: SfuNode;
let media: { ams: FakeMediaEngine; sin: FakeMediaEngine };
let second: RedisProcess | undefined;

beforeEach(async () => {
  cluster = await TestCluster.start();
  media = { ams: new FakeMediaEngine(), sin: new FakeMediaEngine() };
  ams = await cluster.startNode('ams-1', { media: media.ams, timing: TIMING });
  sin = await cluster.startNode('sin-1', { media: media.sin, timing: TIMING });
});

afterEach(async () => {
  await cluster.stop();
  await second?.stop();
  second = undefined;
});

describe('Redis is gone', () => {
  test('calls go on, new connections are refused, and an empty Redis is told everything again', async () => {
    // Given a call over two nodes
    const room = roomId('outage');
    const [ann, bob] = [await cluster.join(ams, 'ams-1', room), await cluster.join(sin, 'sin-1', room)];
    const { producerId } = await ann.client.request('publish', {
      transportId: ann.joined.sendTransport.id,
      kind: 'audio',
      source: 'microphone',
      rtpParameters: opusParameters(),
    });
    const consumer = await bob.client.until('consumer-opened');
    const port = cluster.redis.port;

    // When Redis goes away
    await cluster.redis.stop();
    await eventually(
      'the node says that it is not ready',
      async () => (await fetch(`${ams.url}/readyz`)).status === 503,
    );
    await eventually('new connections are refused', async () => {
      const token = await cluster.issuer.session({ sessionId: 'new', nodeId: 'ams-1' });
      const { reason } = await TestClient.withToken(ams.url, token).closed;
      return reason === 'cluster-unavailable';
    });

    // Then the call goes on
    expect(ann.client.closeInfo).toBeUndefined();
    await bob.client.request('resume-consumer', { consumerId: consumer.consumerId });
    await ann.client.request('pause-producer', { producerId });
    await ann.client.request('resume-producer', { producerId });
    expect(bob.client.all('consumer-closed')).toEqual([]);
    expect(bob.client.all('participant-left')).toEqual([]);
    await expect(ann.client.request('send-chat', { text: 'anybody?' })).rejects.toMatchObject({
      code: 'cluster-unavailable',
      message: ERRORS['cluster-unavailable'].message,
    });

    // And when an empty Redis comes up in its place, both nodes put their people back
    second = await startRedis({ port });
    await eventually(
      'both are in the room again',
      async () => {
        const { participants, producers } = await cluster.cluster.rooms.snapshot(room);
        return participants.length === 2 && producers.length === 1;
      },
      { withinMs: 20_000 },
    );
    await eventually('both nodes are ready', async () => {
      return (await fetch(`${ams.url}/readyz`)).ok && (await fetch(`${sin.url}/readyz`)).ok;
    });
    const lease = await cluster.cluster.leases.find(ann.nodeId, ann.sessionId);
    expect(lease?.epoch).toBe(ann.welcome.epoch);

    // And nobody was seen to leave, not even when the nodes have looked again
    const cid = await cluster.join(ams, 'ams-1', room);
    await bob.client.until('participant-joined', (one) => one.participant.sessionId === cid.sessionId);
    await cid.client.request('leave', {});
    await bob.client.until('participant-left', (one) => one.sessionId === cid.sessionId);
    expect(bob.client.all('participant-left').map((one) => one.sessionId)).toEqual([cid.sessionId]);
    expect(ann.client.all('participant-left').map((one) => one.sessionId)).toEqual([cid.sessionId]);
    expect(bob.client.all('consumer-closed')).toEqual([]);
    expect(media.sin.relayEnds).toHaveLength(1);
  });

  test('a leave during the outage is not lost', async () => {
    const room = roomId('late-leave');
    const [ann, bob] = [await cluster.join(ams, 'ams-1', room), await cluster.join(sin, 'sin-1', room)];

    // The process stands still: its data is there afterwards.
    cluster.redis.process.kill('SIGSTOP');
    ann.client.socket.terminate();
    await eventually('the media is closed at once', () => media.ams.room(room) === undefined);
    cluster.redis.process.kill('SIGCONT');

    await bob.client.until('participant-left', (one) => one.sessionId === ann.sessionId);
    const { participants } = await cluster.cluster.rooms.snapshot(room);
    expect(participants.map((one) => one.sessionId)).toEqual([bob.sessionId]);
    expect(bob.client.closeInfo).toBeUndefined();
  });
});
