import type { NodeInbox, Revocation } from '@meridian/cluster';
import { eventually, type RedisProcess } from '@meridian/harness';
import { MeridianError, NodeId, UserTokenReply } from '@meridian/protocol';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { aNodeRecord, attach, Rig, startRedis } from '../rig.ts';

let redis: RedisProcess;
let rig: Rig;
let cluster: Awaited<ReturnType<Rig['cluster']>>;
let inbox: NodeInbox;
let told: Revocation[];

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis?.stop();
});
beforeEach(async () => {
  rig = await Rig.start({ redis });
  cluster = await rig.cluster();
  told = [];
  inbox = await cluster.inbox(NodeId.parse('eu1'));
  inbox.handle('user.revoke', async (revocation) => {
    told.push(revocation);
    return { ended: 1 };
  });
  await cluster.announce(aNodeRecord('eu1'));
});
afterEach(async () => {
  await rig.stop();
});

const logOut = async (token: string) => {
  const { status } = await rig.call('POST', '/v1/me/logout-everywhere', { token });
  expect(status).toBe(204);
};

describe('logging out everywhere', () => {
  test('tells every live node and leaves a mark for those that are away', async () => {
    const { user, userToken } = await rig.account('Ann');
    await eventually('the service sees the node', async () => (await rig.session(userToken)) !== undefined);

    await logOut(userToken);

    const revocation = { userId: user.userId, ver: 1 };
    expect(told).toContainEqual(revocation);
    expect((await cluster.revocations.since(0)).revocations).toContainEqual(revocation);
  });

  test('is told again until the node answers', async () => {
    let refusals = 2;
    inbox.handle('user.revoke', async (revocation) => {
      refusals -= 1;
      if (refusals >= 0) throw new MeridianError('internal');
      told.push(revocation);
      return { ended: 0 };
    });
    const { user, userToken } = await rig.account('Bob');
    await logOut(userToken);
    await eventually('the node has heard of it', () => told.some(({ userId }) => userId === user.userId));
  });

  test('reaches a node that was announced only just after', async () => {
    const { user, userToken } = await rig.account('Cid');
    const late = await cluster.inbox(NodeId.parse('late1'));
    const heard: Revocation[] = [];
    late.handle('user.revoke', async (revocation) => {
      heard.push(revocation);
      return { ended: 0 };
    });
    await logOut(userToken);
    await cluster.announce(aNodeRecord('late1'));
    await eventually('it is told too', () => heard.some(({ userId }) => userId === user.userId));
  });

  test('refuses the tokens of before wherever they are used', async () => {
    const { userToken } = await rig.account('Dan');
    const room = await rig.room(userToken);
    const session = await eventually('a session is placed', () => rig.session(userToken));
    await attach(cluster, session.sessionToken);

    await logOut(userToken);

    expect(await rig.codeOf('POST', '/v1/sessions', { token: userToken, body: {} })).toBe('token-revoked');
    expect(await rig.codeOf('GET', '/v1/me', { token: userToken })).toBe('token-revoked');
    const join = { token: session.sessionToken, body: {} };
    expect(await rig.codeOf('POST', `/v1/rooms/${room.slug}/join`, join)).toBe('token-revoked');
  });

  test('a new password does the same, and its answer holds a token that works', async () => {
    const { user, userToken } = await rig.account('Eve');
    const changed = await rig.ok(UserTokenReply, 'POST', '/v1/me/password', {
      token: userToken,
      body: { current: 'correct horse', next: 'battery staple' },
    });
    await eventually('the node has heard of it', () => told.some(({ userId }) => userId === user.userId));
    expect((await rig.call('GET', '/v1/me', { token: changed.userToken })).status).toBe(200);
  });
});

describe('with Redis away', () => {
  test('the tokens end at once, and the nodes hear of it when Redis is back, empty', async () => {
    const own = await startRedis();
    const lonely = await Rig.start({ redis: own });
    try {
      const { user, userToken } = await lonely.account('Fay');
      await own.kill();
      expect((await lonely.call('POST', '/v1/me/logout-everywhere', { token: userToken })).status).toBe(204);
      expect(await lonely.codeOf('GET', '/v1/me', { token: userToken })).toBe('token-revoked');

      await own.startAgain();

      const back = await lonely.cluster();
      await eventually('the mark is there', async () => {
        expect((await back.revocations.since(0)).revocations).toEqual([{ userId: user.userId, ver: 1 }]);
      });
    } finally {
      await lonely.stop();
      await own.stop();
    }
  });
});
