import { eventually } from '@meridian/harness';
import { JoinRoomReply } from '@meridian/protocol';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aNodeRecord, attach, Rig, startRedis } from '../rig.ts';

let redis: Awaited<ReturnType<typeof startRedis>>;
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

/** A session of a (new) user with its WebSocket attached. */
const attached = async (userToken?: string) => {
  const token = userToken ?? (await rig.guest()).userToken;
  const { sessionToken, sessionId } = await rig.session(token);
  return { userToken: token, sessionToken, sessionId, lease: await attach(cluster, sessionToken) };
};
const join = (sessionToken: string, slug: string) =>
  rig.refused('POST', `/v1/rooms/${slug}/join`, { token: sessionToken, body: {} });
const confirm = (lease: Awaited<ReturnType<typeof attach>>, { roomToken, room }: JoinRoomReply) =>
  cluster.rooms.confirm({
    roomId: room.roomId,
    sessionId: lease.sessionId,
    epoch: lease.epoch,
    tokenId: String(decodeJwt(roomToken).jti),
    tokenTtlMs: 60_000,
    nodeId: lease.nodeId,
  });

describe('joining', () => {
  test('gives a room token for the node and the connection of the session', async () => {
    const owner = await attached();
    const { slug, roomId } = await rig.room(owner.userToken);
    const reply = await rig.join(owner.sessionToken, slug);

    expect(reply).toMatchObject({
      room: { roomId, slug, role: 'owner' },
      grants: { publish: true, subscribe: true, chat: true, moderate: true },
    });
    expect(decodeJwt(reply.roomToken)).toMatchObject({ aud: 'eu1', epoch: owner.lease.epoch, room: roomId });
    expect(reply.expiresAtMs).toBe(Number(decodeJwt(reply.roomToken).exp) * 1_000);
    expect(await confirm(owner.lease, reply)).toMatchObject({ confirmed: true });
  });

  test('lets only the owner moderate', async () => {
    const { slug } = await rig.room((await rig.guest()).userToken);
    const visitor = await attached();

    expect((await rig.join(visitor.sessionToken, slug)).grants).toEqual({
      publish: true,
      subscribe: true,
      chat: true,
      moderate: false,
    });
  });

  test('waits for the WebSocket', async () => {
    const { userToken } = await rig.guest();
    const { slug } = await rig.room(userToken);
    const { sessionToken } = await rig.session(userToken);

    expect(await join(sessionToken, slug)).toMatchObject({ status: 409, code: 'session-not-attached' });
    const lease = await attach(cluster, sessionToken);
    await rig.join(sessionToken, slug);
    await cluster.leases.end(lease.nodeId, lease.sessionId, lease.epoch);
    expect(await join(sessionToken, slug)).toMatchObject({ code: 'session-not-attached' });
  });

  test('of a newer connection carries the newer epoch', async () => {
    const session = await attached();
    const { slug } = await rig.room(session.userToken);
    const first = decodeJwt((await rig.join(session.sessionToken, slug)).roomToken);
    const lease = await attach(cluster, session.sessionToken);
    const second = decodeJwt((await rig.join(session.sessionToken, slug)).roomToken);

    expect(second.epoch).toBe(lease.epoch);
    expect(Number(second.epoch)).toBeGreaterThan(Number(first.epoch));
  });

  test('keeps to the capacity, however many come at once, and gives places back', async () => {
    const owner = await attached();
    const { slug } = await rig.room(owner.userToken, { capacity: 3 });
    const people = await Promise.all(Array.from({ length: 8 }, () => attached()));
    const answers = await Promise.all(
      people.map(({ sessionToken }) => rig.call('POST', `/v1/rooms/${slug}/join`, { token: sessionToken, body: {} })),
    );
    const admitted = people.filter((_, i) => answers[i]?.status === 200);

    expect(admitted).toHaveLength(3);
    expect(await join(owner.sessionToken, slug)).toMatchObject({ status: 409, code: 'room-full' });
    // Who has a place already may ask again for it.
    const [lucky] = admitted;
    if (lucky === undefined) throw new Error('nobody was admitted');
    const place = await rig.join(lucky.sessionToken, slug);
    await confirm(lucky.lease, place);
    await cluster.rooms.leave({
      roomId: place.room.roomId,
      sessionId: lucky.sessionId,
      epoch: lucky.lease.epoch,
      reason: 'left',
    });
    await rig.join(owner.sessionToken, slug);
  });

  test('a second time as the same user follows the room: side by side, refused, or in place of the first', async () => {
    const owner = await rig.guest();
    const enter = async (slug: string) => {
      const tab = await attached(owner.userToken);
      return { ...tab, reply: await rig.call('POST', `/v1/rooms/${slug}/join`, { token: tab.sessionToken, body: {} }) };
    };
    const twice = async (duplicates: string) => {
      const { slug, roomId } = await rig.room(owner.userToken, { duplicates });
      const first = await enter(slug);
      await confirm(first.lease, JoinRoomReply.parse(first.reply.body));
      const second = await enter(slug);
      if (second.reply.status === 200) await confirm(second.lease, JoinRoomReply.parse(second.reply.body));
      const inside = (await cluster.rooms.snapshot(roomId)).participants.map(({ sessionId }) => sessionId);
      return { status: second.reply.status, body: second.reply.body, inside, ids: [first.sessionId, second.sessionId] };
    };

    const allow = await twice('allow');
    expect(allow.inside.toSorted()).toEqual(allow.ids.toSorted());
    const reject = await twice('reject');
    expect(reject).toMatchObject({ status: 409, body: { error: { code: 'already-joined' } } });
    expect(reject.inside).toEqual([reject.ids[0]]);
    const replace = await twice('replace');
    expect(replace.inside).toEqual([replace.ids[1]]);
  });

  test('is for members where the room is private', async () => {
    const { userToken } = await rig.guest();
    const { slug } = await rig.room(userToken, { visibility: 'private' });
    const stranger = await attached();

    expect(await join(stranger.sessionToken, slug)).toMatchObject({ status: 403, code: 'room-private' });
    const { invitation } = await rig.invitation(userToken, slug);
    await rig.call('POST', `/v1/rooms/${slug}/members`, { token: stranger.userToken, body: { invitation } });
    await rig.join(stranger.sessionToken, slug);
  });

  test('an ended or unknown room is refused', async () => {
    const [owner, guest] = [await attached(), await attached()];
    const { slug, roomId } = await rig.room(owner.userToken);
    await cluster.rooms.end(roomId);

    expect(await join(guest.sessionToken, slug)).toMatchObject({ status: 410, code: 'room-ended' });
    expect(await join(guest.sessionToken, 'no-such-room')).toMatchObject({ status: 404, code: 'room-not-found' });
  });

  test('an ended room opens again for all when its owner comes back', async () => {
    const [owner, guest] = [await attached(), await attached()];
    const { slug, roomId } = await rig.room(owner.userToken);
    await cluster.rooms.end(roomId);
    expect(await join(guest.sessionToken, slug)).toMatchObject({ code: 'room-ended' });

    await rig.join(owner.sessionToken, slug);
    await rig.join(guest.sessionToken, slug);
  });

  test('costs Redis two commands: the lease and the admission', async () => {
    const session = await attached();
    const { slug } = await rig.room(session.userToken);
    const commands = async () => {
      const text = String((await rig.call('GET', '/metrics')).body);
      const counts = text.matchAll(/^meridian_redis_command_duration_seconds_count\{command="([^"]+)"[^}]*\} (\d+)$/gm);
      return new Map([...counts].map(([, name = '', count]) => [name, Number(count)]));
    };
    // The first time, scripts are loaded and the room is named.
    await rig.join(session.sessionToken, slug);
    await eventually('the room is named', async () => {
      const counts = await commands();
      return counts.has('names.set') && counts.has('names.set-slug');
    });
    const before = await commands();
    for (let i = 0; i < 5; i += 1) await rig.join(session.sessionToken, slug);
    const after = await commands();
    const grown = [...after]
      .map(([name, count]): [string, number] => [name, count - (before.get(name) ?? 0)])
      .filter(([name, count]) => count > 0 && /^(leases|rooms|names)\./.test(name));

    expect(grown.toSorted()).toEqual([
      ['leases.find', 5],
      ['rooms.admit', 5],
    ]);
  });
});
