import type { NodeInbox } from '@meridian/cluster';
import { eventually } from '@meridian/harness';
import { NodeId, UserId } from '@meridian/protocol';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Hop } from '../../../cluster/test/support/proxy.ts';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { roomId, TestCluster } from '../support/test-cluster.ts';

const REVOKED = { code: 4_401, reason: 'token-revoked' };
const TIMING = { leaseMs: 1_500, heartbeatMs: 200, commandTimeoutMs: 500, settleMs: 1_500 };
const KEEP_MS = 60_000;

let cluster: TestCluster;
let node: SfuNode;
let service: NodeInbox;
const ams = NodeId.parse('ams-1');
const user = (name: string) => UserId.parse(name);

beforeAll(async () => {
  cluster = await TestCluster.start();
  node = await cluster.startNode(ams, { media: new FakeMediaEngine(), timing: TIMING });
  service = await cluster.cluster.inbox(NodeId.parse('api-1'));
});

afterAll(async () => {
  await cluster.stop();
});

describe('a user who logs out everywhere', () => {
  test('leaves every call on the node, is told why, and others stay', async () => {
    // Given two calls of one user, one of somebody else, and one that was opened with newer tokens
    const room = roomId('revoke');
    const ann = { userId: 'u-ann', ver: 1 };
    const laptop = await cluster.join(node, ams, room, ann);
    const phone = await cluster.join(node, ams, roomId('elsewhere'), ann);
    const newer = await cluster.join(node, ams, room, { userId: 'u-ann', ver: 2 });
    const bob = await cluster.join(node, ams, room, { userId: 'u-bob', ver: 1 });

    // When the node hears of it
    const { ended } = await service.request(ams, 'user.revoke', { userId: user('u-ann'), ver: 2 });

    // Then what the older tokens opened is over
    expect(ended).toBe(2);
    for (const one of [laptop, phone]) {
      expect(await one.client.closed).toEqual(REVOKED);
      expect(one.client.all('session-ended')[0]).toMatchObject({
        reason: 'token-revoked',
        error: { code: 'token-revoked' },
      });
    }
    await bob.client.until('participant-left', ({ sessionId, reason }) => {
      return sessionId === laptop.sessionId && reason === 'token-revoked';
    });
    expect(bob.client.closeInfo).toBeUndefined();
    expect(newer.client.closeInfo).toBeUndefined();
    await eventually('the room and the leases say so too', async () => {
      const { participants } = await cluster.cluster.rooms.snapshot(room);
      expect(participants.map(({ sessionId }) => sessionId).sort()).toEqual([newer.sessionId, bob.sessionId].sort());
      expect(await cluster.cluster.leases.find(ams, laptop.sessionId)).toBeUndefined();
    });
  });

  test('cannot come back with an older token, and can with a newer one', async () => {
    await service.request(ams, 'user.revoke', { userId: user('u-cid'), ver: 3 });
    const old = await cluster.issuer.session({ sessionId: 'cid-1', nodeId: ams, userId: 'u-cid', ver: 2 });
    expect(await cluster.connect(node, old).closed).toEqual(REVOKED);
    await (await cluster.attach(node, ams, 'cid-2', { userId: 'u-cid', ver: 3 })).client.close();
  });

  test('told twice, or in the wrong order, changes nothing', async () => {
    const dan = await cluster.attach(node, ams, 'dan-1', { userId: 'u-dan', ver: 5 });
    await service.request(ams, 'user.revoke', { userId: user('u-dan'), ver: 5 });
    await service.request(ams, 'user.revoke', { userId: user('u-dan'), ver: 4 });
    expect(dan.client.closeInfo).toBeUndefined();
    const old = await cluster.issuer.session({ sessionId: 'dan-2', nodeId: ams, userId: 'u-dan', ver: 4 });
    expect(await cluster.connect(node, old).closed).toEqual(REVOKED);
    await dan.client.close();
  });

  test('guests, whose tokens have no version, are not concerned', async () => {
    const guest = await cluster.attach(node, ams, 'guest-1', { userId: 'g-1' });
    expect(await service.request(ams, 'user.revoke', { userId: user('g-1'), ver: 9 })).toEqual({ ended: 0 });
    await guest.client.close();
  });
});

describe('a node that could not be told', () => {
  test('because it was not there yet reads the mark when it starts', async () => {
    await cluster.cluster.revocations.add([{ userId: user('u-eve'), ver: 2 }], KEEP_MS);
    const late = await cluster.startNode('late-1', { media: new FakeMediaEngine(), timing: TIMING });
    const old = await cluster.issuer.session({ sessionId: 'eve-1', nodeId: 'late-1', userId: 'u-eve', ver: 1 });
    expect(await cluster.connect(late, old).closed).toEqual(REVOKED);
  });

  test('because its subscription stood still reads the marks when it stands again', async () => {
    // Given somebody in a call on a node
    const room = roomId('subscription');
    const fay = await cluster.join(node, ams, room, { userId: 'u-fay', ver: 1 });

    // When Redis throws its subscribers out while the user logs out everywhere, and nobody tells the node
    await cluster.cluster.revocations.add([{ userId: user('u-fay'), ver: 2 }], KEEP_MS);
    await cluster.redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');

    // Then the node reads the mark by itself
    expect(await fay.client.closed).toEqual(REVOKED);
  });

  test('because what is published does not reach it looks at the marks from time to time', async () => {
    const hop = await Hop.open(cluster.redis.port);
    try {
      const deaf = await cluster.startNode('deaf-1', {
        media: new FakeMediaEngine(),
        env: { MERIDIAN_REDIS_URL: hop.url },
      });
      const gus = await cluster.join(deaf, 'deaf-1', roomId('deaf'), { userId: 'u-gus', ver: 1 });
      hop.loseMessages(true);
      await cluster.cluster.revocations.add([{ userId: user('u-gus'), ver: 2 }], KEEP_MS);
      expect(await gus.client.closed).toEqual(REVOKED);
      await deaf.close();
    } finally {
      await hop.close();
    }
  });

  test('because it was cut off for longer than its lease ends the sessions when it is back, and kicks hold as well', async () => {
    // Given three people on a node that has its own way to Redis
    const hop = await Hop.open(cluster.redis.port);
    try {
      const media = new FakeMediaEngine();
      const far = await cluster.startNode('far-1', { media, timing: TIMING, env: { MERIDIAN_REDIS_URL: hop.url } });
      const room = roomId('cut-off');
      const revoked = await cluster.join(far, 'far-1', room, { userId: 'u-hal', ver: 1 });
      const kicked = await cluster.join(far, 'far-1', room, { userId: 'u-ida', ver: 1 });
      const stays = await cluster.join(far, 'far-1', room, { userId: 'u-jon', ver: 1 });

      // When it is cut off until it has dropped out of the cluster, and meanwhile one logs out and another is kicked
      hop.cut();
      await eventually('the node has dropped out', async () => {
        const nodes = await cluster.cluster.registry.list();
        return nodes.every(({ record }) => record.nodeId !== 'far-1');
      });
      await cluster.cluster.revocations.add([{ userId: user('u-hal'), ver: 2 }], KEEP_MS);
      await cluster.cluster.rooms.expel({
        roomId: room,
        who: { userId: user('u-ida') },
        reason: 'kicked',
        forMs: KEEP_MS,
      });
      expect([revoked, kicked, stays].map(({ client }) => client.closeInfo)).toEqual([undefined, undefined, undefined]);
      hop.mend();

      // Then both are out, on the node and in the room, and the third goes on
      expect(await revoked.client.closed).toEqual(REVOKED);
      await kicked.client.closed;
      await eventually('only the third is in the room', async () => {
        const { participants } = await cluster.cluster.rooms.snapshot(room);
        return participants.length === 1 && participants[0]?.sessionId === stays.sessionId;
      });
      expect(stays.client.closeInfo).toBeUndefined();
      await far.close();
    } finally {
      await hop.close();
    }
  });
});
