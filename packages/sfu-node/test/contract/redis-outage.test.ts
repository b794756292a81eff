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
    // What concerns everybody cannot be done for some only.
    await expect(ann.client.request('end-room', {})).rejects.toMatchObject({
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

  test('people of one node see, hear and read each other at once, the others when it is back; nothing comes twice', async () => {
    // Given Ann, Cid and Dan on one node, Bob on another
    const room = roomId('one-side');
    const [ann, cid, dan] = [
      await cluster.join(ams, 'ams-1', room),
      await cluster.join(ams, 'ams-1', room),
      await cluster.join(ams, 'ams-1', room),
    ];
    const bob = await cluster.join(sin, 'sin-1', room);
    const old = await ann.client.request('publish', {
      transportId: ann.joined.sendTransport.id,
      kind: 'audio',
      source: 'microphone',
      rtpParameters: opusParameters(),
    });
    for (const one of [bob, cid]) {
      await one.client.until('consumer-opened', ({ producerId }) => producerId === old.producerId);
    }
    const { port } = cluster.redis;
    await cluster.redis.stop();

    // When they go on as if nothing were
    const { producerId } = await ann.client.request('publish', {
      transportId: ann.joined.sendTransport.id,
      kind: 'audio',
      source: 'screen-audio',
      rtpParameters: opusParameters(),
    });
    const isNew = (one: { producerId: string }) => one.producerId === producerId;
    await cid.client.until('producer-opened', ({ producer }) => isNew(producer));
    await cid.client.until('consumer-opened', isNew);
    await ann.client.request('pause-producer', { producerId });
    await cid.client.until('producer-updated', (one) => isNew(one) && one.paused);
    await ann.client.request('unpublish', { producerId: old.producerId });
    await cid.client.until('producer-closed', (one) => one.producerId === old.producerId);
    const lines = [];
    for (const text of ['one', 'two', 'three']) {
      lines.push((await cid.client.request('send-chat', { text })).message);
      await ann.client.until('chat', ({ message }) => message.text === text);
    }
    await dan.client.request('leave', {});
    await cid.client.until('participant-left', ({ sessionId }) => sessionId === dan.sessionId);
    expect(bob.client.all('producer-opened').filter(({ producer }) => isNew(producer))).toEqual([]);
    expect(bob.client.all('chat')).toEqual([]);

    // Then Bob has all of it when Redis is back, though it lost everything
    second = await startRedis({ port });
    await bob.client.until('producer-opened', ({ producer }) => isNew(producer) && producer.paused);
    await bob.client.until('consumer-opened', isNew);
    await bob.client.until('producer-closed', (one) => one.producerId === old.producerId);
    await bob.client.until('participant-left', ({ sessionId }) => sessionId === dan.sessionId);
    await bob.client.until('chat', ({ message }) => message.text === 'three');
    expect(bob.client.all('chat').map(({ message }) => message)).toEqual(lines);

    // And the room's state is what the nodes hold
    await eventually('the state is true', async () => {
      const { participants, producers } = await cluster.cluster.rooms.snapshot(room);
      expect(participants.map((one) => one.sessionId).sort()).toEqual(
        [ann, bob, cid].map((one) => one.sessionId).sort(),
      );
      expect(producers.map((one) => [one.producerId, one.paused])).toEqual([[producerId, true]]);
    });
    // And nobody was told anything twice, also not after the nodes have read the room again
    const eve = await cluster.join(ams, 'ams-1', room);
    for (const one of [ann, bob, cid]) {
      await one.client.until('participant-joined', ({ participant }) => participant.sessionId === eve.sessionId);
      expect(one.client.all('participant-left').map(({ sessionId }) => sessionId)).toEqual([dan.sessionId]);
      expect(one.client.all('participant-joined').filter((p) => p.participant.sessionId !== eve.sessionId).length).toBe(
        one === ann ? 3 : one === cid ? 2 : 0,
      );
    }
    for (const one of [bob, cid]) {
      expect(one.client.all('producer-opened').filter(({ producer }) => isNew(producer))).toHaveLength(1);
      expect(one.client.all('consumer-opened').filter(isNew)).toHaveLength(1);
      expect(one.client.all('producer-closed').map((closed) => closed.producerId)).toEqual([old.producerId]);
    }
    expect(eve.joined.producers.map((one) => one.producerId)).toEqual([producerId]);
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

describe('a node that was taken for dead, and has not heard of it yet', () => {
  test('puts whoever publishes back instead of losing their session', async () => {
    // Given a node of whose people nothing is left in Redis
    const lone = await cluster.startNode('fra-1', {
      media: new FakeMediaEngine(),
      // Nothing but the request makes it look.
      timing: { ...TIMING, leaseMs: 120_000, heartbeatMs: 60_000 },
    });
    const room = roomId('swept');
    const { client, joined, sessionId } = await cluster.join(lone, 'fra-1', room);
    for (const pattern of [`*${room}*`, '*:node:fra-1']) {
      const keys = (await cluster.redis.call('KEYS', pattern)).trim().split('\n');
      expect(Number(await cluster.redis.call('DEL', ...keys))).toBe(keys.length);
    }

    // When one of them publishes
    const { producerId } = await client.request('publish', {
      transportId: joined.sendTransport.id,
      kind: 'audio',
      source: 'microphone',
      rtpParameters: opusParameters(),
    });

    // Then both are in the room
    const { participants, producers } = await cluster.cluster.rooms.snapshot(room);
    expect(participants.map((one) => one.sessionId)).toEqual([sessionId]);
    expect(producers.map((one) => one.producerId)).toEqual([producerId]);
  });
});
