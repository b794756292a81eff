import { eventually, type RedisProcess, startRedis } from '@meridian/harness';
import type { SfuNode } from '@meridian/sfu-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { TestClient } from '../support/client.ts';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { opusParameters } from '../support/rtp.ts';
import { type Joined, roomId, TestCluster } from '../support/test-cluster.ts';

const TIMING = { leaseMs: 1_500, heartbeatMs: 200, commandTimeoutMs: 500, settleMs: 1_500 };
const WINDOW = { MERIDIAN_RESUME_WINDOW_MS: '60000' };

let cluster: TestCluster;
let ams: SfuNode;
let sin: SfuNode;
let second: RedisProcess | undefined;
let room: ReturnType<typeof roomId>;
let ann: Joined;
let near: Joined;
let far: Joined;
let producerId: string;

/** A call over two nodes: ann and somebody near her on one, somebody far on the other. */
beforeEach(async () => {
  cluster = await TestCluster.start();
  ams = await cluster.startNode('ams-1', { media: new FakeMediaEngine(), timing: TIMING, env: WINDOW });
  sin = await cluster.startNode('sin-1', { media: new FakeMediaEngine(), timing: TIMING, env: WINDOW });
  room = roomId('outage');
  [ann, near, far] = [
    await cluster.join(ams, 'ams-1', room),
    await cluster.join(ams, 'ams-1', room),
    await cluster.join(sin, 'sin-1', room),
  ];
  ({ producerId } = await ann.client.request('publish', {
    transportId: ann.joined.sendTransport.id,
    kind: 'audio',
    source: 'microphone',
    rtpParameters: opusParameters(),
  }));
  await Promise.all([near, far].map((one) => one.client.until('consumer-opened')));
});

afterEach(async () => {
  await cluster.stop();
  await second?.stop();
  second = undefined;
});

const notReady = () =>
  eventually('the node knows that Redis is away', async () => (await fetch(`${ams.url}/readyz`)).status === 503);

/** Redis holds what runs, and nobody was told otherwise. */
async function everythingFits(back: TestClient): Promise<void> {
  const { epoch } = await back.until('welcome');
  await eventually(
    'all three are in the room, ann under her newest epoch, with what she publishes',
    async () => {
      const { participants, producers } = await cluster.cluster.rooms.snapshot(room);
      expect(participants).toHaveLength(3);
      expect(participants.find((one) => one.sessionId === ann.sessionId)).toMatchObject({
        epoch,
        connection: 'connected',
      });
      expect(producers.map((one) => one.producerId)).toEqual([producerId]);
    },
    { withinMs: 20_000 },
  );
  await eventually('and so is her lease', async () => {
    const lease = await cluster.cluster.leases.find(ann.nodeId, ann.sessionId);
    return lease?.epoch === epoch;
  });
  for (const { client } of [near, far]) {
    await client.until('participant-updated', ({ participant }) => participant.epoch === epoch);
    expect(client.all('participant-left')).toEqual([]);
    expect(client.all('consumer-closed')).toEqual([]);
    expect(client.all('participant-joined').map((one) => one.participant.sessionId)).not.toContain(ann.sessionId);
  }
}

describe('a connection that breaks while Redis is away', () => {
  test('is resumed by its node alone; Redis is told when it answers again', async () => {
    cluster.redis.process.kill('SIGSTOP');
    await notReady();
    await ann.client.breakOff();
    const back = await cluster.resume(ams, ann);
    expect(await back.until('welcome')).toMatchObject({ resumed: true });
    await back.request('get-stats', {});

    cluster.redis.process.kill('SIGCONT');
    await everythingFits(back);
  });

  test('twice is resumed twice', async () => {
    cluster.redis.process.kill('SIGSTOP');
    await notReady();
    await ann.client.breakOff();
    const first = await cluster.resume(ams, ann);
    const welcome = await first.until('welcome');
    first.ping();
    await eventually('the node has heard it', () => first.pongs.length > 0);
    await first.breakOff();
    const back = await cluster.resume(ams, { ...ann, client: first, welcome });
    expect(await back.until('welcome')).toMatchObject({ resumed: true });

    cluster.redis.process.kill('SIGCONT');
    await everythingFits(back);
  });

  test('is resumed, and an empty Redis in its place is told of the newest epoch', async () => {
    const { port } = cluster.redis;
    await cluster.redis.stop();
    await notReady();
    await ann.client.breakOff();
    const back = await cluster.resume(ams, ann);
    expect(await back.until('welcome')).toMatchObject({ resumed: true });

    second = await startRedis({ port });
    await everythingFits(back);
  });

  test('and comes back only after Redis did finds its participant there', async () => {
    const { port } = cluster.redis;
    await ann.client.breakOff();
    await cluster.redis.stop();
    await notReady();
    second = await startRedis({ port });
    await eventually('the node is ready', async () => (await fetch(`${ams.url}/readyz`)).ok);

    const back = await cluster.resume(ams, ann);
    expect(await back.until('welcome')).toMatchObject({ resumed: true });
    await everythingFits(back);
  });

  test('and is left after it was resumed is gone on its node at once and everywhere when Redis is back', async () => {
    cluster.redis.process.kill('SIGSTOP');
    await notReady();
    const hasty = await cluster.resume(ams, ann);
    await hasty.until('welcome');
    await hasty.request('leave', {});
    await near.client.until('participant-left', (one) => one.sessionId === ann.sessionId);
    expect(far.client.all('participant-left')).toEqual([]);

    cluster.redis.process.kill('SIGCONT');
    await far.client.until('participant-left', (one) => one.sessionId === ann.sessionId);
    await eventually('nothing of it is left', async () => {
      const { participants, producers } = await cluster.cluster.rooms.snapshot(room);
      const lease = await cluster.cluster.leases.find(ann.nodeId, ann.sessionId);
      return participants.length === 2 && producers.length === 0 && lease === undefined;
    });
  });
});
