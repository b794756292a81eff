import { eventually } from '@meridian/harness';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { roomId, TestCluster } from '../support/test-cluster.ts';

const KICKED = { code: 4_414, reason: 'session-kicked' };

let cluster: TestCluster;
let ams: SfuNode;
let sin: SfuNode;

beforeAll(async () => {
  cluster = await TestCluster.start();
  ams = await cluster.startNode('ams-1', { media: new FakeMediaEngine() });
  sin = await cluster.startNode('sin-1', { media: new FakeMediaEngine() });
});
afterAll(async () => {
  await cluster.stop();
});

describe('a kick', () => {
  test('removes every session of the user, on every node', async () => {
    const room = roomId('kick-all');
    const host = await cluster.join(ams, 'ams-1', room, { userId: 'u-host' });
    const [tab, phone] = [
      await cluster.join(ams, 'ams-1', room, { userId: 'u-loud' }),
      await cluster.join(sin, 'sin-1', room, { userId: 'u-loud' }),
    ];
    const other = await cluster.join(sin, 'sin-1', room, { userId: 'u-other' });
    await host.client.until('participant-joined', ({ participant }) => participant.sessionId === other.sessionId);

    await host.client.request('kick', { sessionId: phone.sessionId });

    expect(await tab.client.closed).toEqual(KICKED);
    expect(await phone.client.closed).toEqual(KICKED);
    for (const left of [tab, phone]) {
      await other.client.until('participant-left', ({ sessionId, reason }) => {
        return sessionId === left.sessionId && reason === 'kicked';
      });
    }
    expect(other.client.closeInfo).toBeUndefined();
  });

  test('holds for the user, whatever the session and the node', async () => {
    const room = roomId('kick-holds');
    const host = await cluster.join(ams, 'ams-1', room, { userId: 'u-host' });
    const loud = await cluster.join(sin, 'sin-1', room, { userId: 'u-back' });
    await host.client.until('participant-joined', ({ participant }) => participant.sessionId === loud.sessionId);
    await host.client.request('kick', { sessionId: loud.sessionId });
    await loud.client.closed;

    const again = await cluster.attach(ams, 'ams-1', 'another-session', { userId: 'u-back' });
    await expect(cluster.roomToken(again, room)).rejects.toThrow('expelled');
    await expect(cluster.roomToken(again, roomId('elsewhere'))).resolves.toBeTypeOf('string');
  });

  test('is of no use with a room token that was handed out before it', async () => {
    const room = roomId('kick-token');
    const host = await cluster.join(ams, 'ams-1', room, { userId: 'u-host' });
    const loud = await cluster.join(ams, 'ams-1', room, { userId: 'u-token' });
    const spare = await cluster.attach(sin, 'sin-1', 'spare', { userId: 'u-token' });
    const roomToken = await cluster.roomToken(spare, room);
    await host.client.request('kick', { sessionId: loud.sessionId });
    await loud.client.closed;
    const { routerRtpCapabilities: rtpCapabilities } = spare.welcome;
    await expect(spare.client.request('join', { roomToken, rtpCapabilities })).rejects.toMatchObject({
      code: 'place-expired',
    });
  });

  test('of an own session removes that one alone, and may be followed by a new join', async () => {
    const room = roomId('kick-own');
    const host = await cluster.join(ams, 'ams-1', room, { userId: 'u-host' });
    const [old, kept] = [
      await cluster.join(sin, 'sin-1', room, { userId: 'u-host' }),
      await cluster.join(ams, 'ams-1', room, { userId: 'u-host' }),
    ];
    await host.client.until('participant-joined', ({ participant }) => participant.sessionId === old.sessionId);
    await host.client.request('kick', { sessionId: old.sessionId });
    expect(await old.client.closed).toEqual(KICKED);
    await cluster.join(sin, 'sin-1', room, { userId: 'u-host' });
    expect(kept.client.closeInfo).toBeUndefined();
    await eventually('three are in the room', async () => {
      return (await cluster.cluster.rooms.snapshot(room)).participants.length === 3;
    });
  });
});
