import { randomUUID } from 'node:crypto';
import { eventually, type RedisProcess } from '@meridian/harness';
import { RoomView, type SessionLease, type UserTokenReply } from '@meridian/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aNodeRecord, attach, Rig, startRedis } from '../rig.ts';

let redis: RedisProcess;
let rig: Rig;
let cluster: Awaited<ReturnType<Rig['cluster']>>;
beforeAll(async () => {
  redis = await startRedis();
  rig = await Rig.start({ redis });
  cluster = await rig.cluster();
  await cluster.announce(aNodeRecord('eu1'));
});
afterAll(async () => {
  await rig?.stop();
  await redis?.stop();
});

/** A session with a place in the room that has not been taken yet. */
async function withPlace({ userToken }: UserTokenReply, slug: string) {
  const { sessionToken } = await rig.session(userToken, { room: slug });
  const lease = await attach(cluster, sessionToken);
  await rig.join(sessionToken, slug);
  return { sessionToken, lease };
}

const takePlace = (room: RoomView, { sessionId, epoch, nodeId }: SessionLease) =>
  cluster.rooms.confirm({ roomId: room.roomId, sessionId, epoch, nodeId, tokenId: randomUUID(), tokenTtlMs: 60_000 });

async function inCall(who: UserTokenReply, room: RoomView) {
  const { sessionToken, lease } = await withPlace(who, room.slug);
  expect(await takePlace(room, lease)).toMatchObject({ confirmed: true });
  return sessionToken;
}

const namesIn = async (room: RoomView) =>
  (await cluster.rooms.snapshot(room.roomId)).participants.map(({ name }) => name).sort();

const joinCode = (sessionToken: string, room: RoomView) =>
  rig.codeOf('POST', `/v1/rooms/${room.slug}/join`, { token: sessionToken, body: {} });

async function privateRoom() {
  const owner = await rig.guest('Owner');
  const member = await rig.guest('Member');
  const room = await rig.room(owner.userToken, { visibility: 'private' });
  const { invitation } = await rig.invitation(owner.userToken, room.slug);
  await rig.ok(RoomView, 'POST', `/v1/rooms/${room.slug}/members`, { token: member.userToken, body: { invitation } });
  return { owner, member, room };
}

describe('a room that becomes private during a call', () => {
  test('keeps its owner and members, and visitors go, also those who were on their way in', async () => {
    // Given a public room with everybody inside, and a visitor with a place
    const { owner, member, room } = await privateRoom();
    const change = (visibility: string) =>
      rig.ok(RoomView, 'PATCH', `/v1/rooms/${room.slug}`, { token: owner.userToken, body: { visibility } });
    await change('public');
    const visitor = await rig.guest('Visitor');
    await inCall(owner, room);
    await inCall(member, room);
    const visitorToken = await inCall(visitor, room);
    const late = await withPlace(await rig.guest('Late'), room.slug);
    expect(await namesIn(room)).toEqual(['Member', 'Owner', 'Visitor']);

    // When it becomes private
    await change('private');

    // Then
    expect(await namesIn(room)).toEqual(['Member', 'Owner']);
    expect(await takePlace(room, late.lease)).toMatchObject({ confirmed: false, reason: 'place-expired' });
    expect(await joinCode(visitorToken, room)).toBe('room-private');

    // And when it is public again, the visitor may come back at once
    await change('public');
    expect((await rig.join(visitorToken, room.slug)).room.role).toBe('visitor');
  });
});

describe('a member of a private room', () => {
  test('who is removed leaves the running call, and comes back only by a new invitation', async () => {
    const { owner, member, room } = await privateRoom();
    await inCall(owner, room);
    const token = await inCall(member, room);

    await rig.call('DELETE', `/v1/rooms/${room.slug}/members/${member.user.userId}`, { token: owner.userToken });

    expect(await namesIn(room)).toEqual(['Owner']);
    expect(await joinCode(token, room)).toBe('room-private');
    const { invitation } = await rig.invitation(owner.userToken, room.slug);
    await rig.ok(RoomView, 'POST', `/v1/rooms/${room.slug}/members`, { token: member.userToken, body: { invitation } });
    expect((await rig.join(token, room.slug)).room.role).toBe('member');
  });

  test('who gives the membership up leaves the call as well', async () => {
    const { member, room } = await privateRoom();
    await inCall(member, room);
    await rig.call('DELETE', `/v1/rooms/${room.slug}/members/${member.user.userId}`, { token: member.userToken });
    expect(await namesIn(room)).toEqual([]);
  });
});

describe('a member of a public room', () => {
  test('who is removed is a visitor from then on, and the call goes on', async () => {
    const { owner, member, room } = await privateRoom();
    await rig.call('PATCH', `/v1/rooms/${room.slug}`, { token: owner.userToken, body: { visibility: 'public' } });
    await inCall(member, room);
    await rig.call('DELETE', `/v1/rooms/${room.slug}/members/${member.user.userId}`, { token: owner.userToken });
    expect(await namesIn(room)).toEqual(['Member']);
  });
});

describe('a room that is deleted', () => {
  test('ends for everybody inside and takes nobody any more', async () => {
    const { owner, member, room } = await privateRoom();
    await inCall(owner, room);
    const token = await inCall(member, room);
    await rig.call('DELETE', `/v1/rooms/${room.slug}`, { token: owner.userToken });
    expect(await namesIn(room)).toEqual([]);
    expect(await joinCode(token, room)).toBe('room-not-found');
  });
});

describe('somebody who was kicked', () => {
  test('is told so when they ask for a place, and when they may come back', async () => {
    const owner = await rig.guest('Owner');
    const loud = await rig.guest('Loud');
    const room = await rig.room(owner.userToken);
    const token = await inCall(loud, room);

    // What the owner's node does
    await cluster.rooms.expel({
      roomId: room.roomId,
      who: { userId: loud.user.userId },
      reason: 'kicked',
      forMs: 60_000,
    });

    const refused = await rig.refused('POST', `/v1/rooms/${room.slug}/join`, { token, body: {} });
    expect(refused).toMatchObject({ status: 403, code: 'session-kicked' });
    expect(refused.retryAfterMs).toBeGreaterThan(0);
    expect(refused.retryAfterMs).toBeLessThanOrEqual(60_000);
    // A new session of the same user is the same user.
    const again = await rig.session(loud.userToken, { room: room.slug });
    await attach(cluster, again.sessionToken);
    expect(await joinCode(again.sessionToken, room)).toBe('session-kicked');
  });

  test('comes back at once when the owner invites them after that', async () => {
    const owner = await rig.guest('Owner');
    const loud = await rig.guest('Loud');
    const room = await rig.room(owner.userToken);
    const before = await rig.invitation(owner.userToken, room.slug);
    const token = await inCall(loud, room);
    const accept = (invitation: string) =>
      rig.ok(RoomView, 'POST', `/v1/rooms/${room.slug}/members`, { token: loud.userToken, body: { invitation } });
    await cluster.rooms.expel({
      roomId: room.roomId,
      who: { userId: loud.user.userId },
      reason: 'kicked',
      forMs: 60_000,
    });

    await accept(before.invitation);
    expect(await joinCode(token, room)).toBe('session-kicked');
    const after = await eventually('an invitation of after the kick', async () => {
      const { invitation } = await rig.invitation(owner.userToken, room.slug);
      await accept(invitation);
      return (await rig.call('POST', `/v1/rooms/${room.slug}/join`, { token, body: {} })).status === 200;
    });
    expect(after).toBe(true);
  });
});

describe('with Redis away', () => {
  test('the room is private at once, and its visitors go when Redis is back', async () => {
    const own = await startRedis();
    const lonely = await Rig.start({ redis: own });
    try {
      const owner = await lonely.guest('Owner');
      const room = await lonely.room(owner.userToken);
      await own.freeze();
      const body = { visibility: 'private' };
      expect((await lonely.call('PATCH', `/v1/rooms/${room.slug}`, { token: owner.userToken, body })).status).toBe(200);
      own.thaw();
      await eventually('visitors are kept out', async () => {
        expect(await own.call('KEYS', `${lonely.prefix}*:expelled`)).toContain(room.roomId);
      });
    } finally {
      own.thaw();
      await lonely.stop();
      await own.stop();
    }
  });
});
