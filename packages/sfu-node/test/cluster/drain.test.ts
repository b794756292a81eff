import { eventually } from '@meridian/harness';
import { createMediaEngine } from '@meridian/media';
import { isMeridianError, NodeId, type NotificationName, type RoomId } from '@meridian/protocol';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Samples } from '../support/samples.ts';
import { type Joined, roomId, TestCluster } from '../support/test-cluster.ts';

let cluster: TestCluster;
let nodes: { ams: SfuNode; sin: SfuNode };
const AMS = NodeId.parse('ams-1');
const SIN = NodeId.parse('sin-1');

const engine = () =>
  createMediaEngine({
    workers: 1,
    webRtcServer: { listenIp: '127.0.0.1', port: 0 },
    pipe: { listenIp: '127.0.0.1', portRange: { min: 17_001, max: 18_000 } },
  });

beforeAll(async () => {
  cluster = await TestCluster.start();
  nodes = {
    ams: await cluster.startNode('ams-1', { media: await engine() }),
    sin: await cluster.startNode('sin-1', { media: await engine() }),
  };
});

afterAll(async () => {
  await cluster.stop();
});

const operator = () => cluster.cluster.inbox(NodeId.parse('operator'));
const recordOf = async (nodeId: NodeId) =>
  (await cluster.cluster.registry.list()).find(({ record }) => record.nodeId === nodeId)?.record;
const comings = ({ client }: Joined): NotificationName[] =>
  client.heard
    .map(({ event }) => event)
    .filter((event) => event === 'participant-joined' || event === 'participant-left');

/** A client that does as it is asked: attaches elsewhere, joins there in its own place, leaves here. */
async function follow(who: Joined, room: RoomId): Promise<Joined> {
  await who.client.until('move-asked');
  const moved = await cluster.join(nodes.sin, 'sin-1', room, { sessionId: who.sessionId, handover: true });
  await who.client.request('leave', {});
  return moved;
}

describe('a drain that an operator asks for', () => {
  beforeEach(async () => {
    const inbox = await operator();
    await inbox.request(AMS, 'node.drain', { action: 'cancel' });
    await inbox.close();
    await eventually('the node is ready', async () => (await recordOf(AMS))?.state === 'ready');
  });

  test('empties the node while the calls go on: the others see nobody come or go', async () => {
    const room = roomId('drain');
    const watcher = await cluster.join(nodes.sin, 'sin-1', room);
    const guests = [];
    for (let i = 0; i < 4; i++) guests.push(await cluster.join(nodes.ams, 'ams-1', room));
    await eventually('all are seen', () => comings(watcher).length === 4);
    const inbox = await operator();

    const started = await inbox.request(AMS, 'node.drain', { action: 'start', deadlineMs: 20_000, spreadMs: 400 });
    expect(started).toMatchObject({ state: 'draining', drain: { sessions: 4, left: 4 } });
    const moved = await Promise.all(guests.map((guest) => follow(guest, room)));

    const status = await eventually('nobody is left', async () => {
      const { state, drain } = await inbox.request(AMS, 'node.drain', { action: 'status' });
      return drain?.left === 0 ? { state, drain } : false;
    });
    expect(status).toMatchObject({ state: 'draining', drain: { sessions: 4, asked: 4, moved: 4, left: 0 } });
    expect(comings(watcher)).toEqual(Array.from({ length: 4 }, () => 'participant-joined'));
    // Everybody can see it: the registry, the metrics; and nobody new comes.
    await eventually('the registry says so', async () => {
      const record = await recordOf(AMS);
      return record?.state === 'draining' && record.drain?.moved === 4;
    });
    const samples = new Samples(await (await fetch(`${nodes.ams.url}/metrics`)).text());
    expect(samples.value('meridian_draining')).toBe(1);
    expect(samples.value('meridian_drain_moved')).toBe(4);
    expect(samples.value('meridian_drain_left')).toBe(0);
    expect((await fetch(`${nodes.ams.url}/readyz`)).status).toBe(503);
    const token = await cluster.issuer.session({ sessionId: 'newcomer', nodeId: 'ams-1' });
    expect((await cluster.connect(nodes.ams, token).closed).reason).toBe('node-draining');

    expect(await inbox.request(AMS, 'node.drain', { action: 'cancel' })).toEqual({ state: 'ready' });
    await eventually('it takes sessions again', async () => (await recordOf(AMS))?.state === 'ready');
    expect((await recordOf(AMS))?.drain).toBeUndefined();
    const back = await cluster.join(nodes.ams, 'ams-1', room);
    for (const { client } of [watcher, back, ...moved]) await client.close();
    await inbox.close();
  });

  test('tells those to join again who have not moved when the time is over', async () => {
    const room = roomId('late');
    const guest = await cluster.join(nodes.ams, 'ams-1', room);
    const inbox = await operator();
    await inbox.request(AMS, 'node.drain', { action: 'start', deadlineMs: 300, spreadMs: 0 });
    expect(await guest.client.until('move-asked')).toMatchObject({ reason: 'draining' });
    expect(await guest.client.until('session-ended')).toMatchObject({ reason: 'node-shutdown' });
    expect((await guest.client.closed).code).toBe(4_501);
    await inbox.close();
  });

  test('is taken back in the middle of it: who has not moved stays', async () => {
    const room = roomId('cancel');
    const guest = await cluster.join(nodes.ams, 'ams-1', room);
    const inbox = await operator();
    await inbox.request(AMS, 'node.drain', { action: 'start', deadlineMs: 60_000 });
    await guest.client.until('move-asked');
    await inbox.request(AMS, 'node.drain', { action: 'cancel' });
    const token = await cluster.issuer.session({ sessionId: 'newcomer-2', nodeId: 'ams-1' });
    const newcomer = cluster.connect(nodes.ams, token);
    await newcomer.until('welcome');
    expect(guest.client.closeInfo).toBeUndefined();
    await Promise.all([guest.client.close(), newcomer.close()]);
    await inbox.close();
  });

  test('is refused where nobody else could take anybody', async () => {
    const guest = await cluster.join(nodes.ams, 'ams-1', roomId('alone'));
    const inbox = await operator();
    await inbox.request(SIN, 'node.drain', { action: 'start', deadlineMs: 60_000 });
    await eventually('the other node drains', async () => (await recordOf(SIN))?.state === 'draining');
    // A node sees the others by a view that is refreshed every second.
    await eventually('it is refused', async () => {
      try {
        await inbox.request(AMS, 'node.drain', { action: 'start' });
      } catch (error) {
        return isMeridianError(error, 'no-healthy-node');
      }
      await inbox.request(AMS, 'node.drain', { action: 'cancel' });
      return false;
    });
    expect((await inbox.request(AMS, 'node.drain', { action: 'status' })).state).toBe('ready');
    await inbox.request(SIN, 'node.drain', { action: 'cancel' });
    await guest.client.close();
    await inbox.close();
  });
});
