import { MembersReply, RoomListReply, RoomView } from '@meridian/protocol';
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

const slugsOf = async (token: string) =>
  (await rig.ok(RoomListReply, 'GET', '/v1/rooms', { token })).rooms.map(({ slug, role }) => `${slug} ${role}`);

describe('rooms', () => {
  test('are created with a chosen or a generated slug', async () => {
    const { userToken: token, user } = await rig.guest();
    const chosen = await rig.room(token, { slug: 'weekly', title: 'Weekly', capacity: 7 });
    const generated = await rig.room(token);

    expect(chosen).toMatchObject({
      slug: 'weekly',
      title: 'Weekly',
      path: '/r/weekly',
      ownerId: user.userId,
      visibility: 'public',
      duplicates: 'allow',
      capacity: 7,
      role: 'owner',
    });
    expect(generated.slug).toMatch(/^[a-z]{4}(-[a-z]{4}){3}$/);
    expect(generated.title).toBe(generated.slug);
    // Operators find it by its slug.
    expect(await cluster.names.find(chosen.slug)).toBe(chosen.roomId);
  });

  test('of one slug are refused, also when they are created at the same time', async () => {
    const { userToken: token } = await rig.guest();
    const create = () => rig.call('POST', '/v1/rooms', { token, body: { slug: 'same-time' } });
    const statuses = (await Promise.all([create(), create(), create()])).map(({ status }) => status);

    expect(statuses.toSorted()).toEqual([201, 409, 409]);
    expect(await rig.codeOf('POST', '/v1/rooms', { token, body: { slug: 'same-time' } })).toBe('room-slug-taken');
  });

  test('are checked field by field', async () => {
    const { userToken: token } = await rig.guest();
    for (const body of [
      { slug: 'No Slug' },
      { slug: 'ab' },
      { capacity: 0 },
      { capacity: 1_001 },
      { visibility: 'x' },
    ]) {
      expect(await rig.codeOf('POST', '/v1/rooms', { token, body })).toBe('bad-request');
    }
  });

  test('are read by everybody who is signed in when public', async () => {
    const { slug } = await rig.room((await rig.guest()).userToken);

    expect(await rig.codeOf('GET', `/v1/rooms/${slug}`)).toBe('unauthenticated');
    expect(await rig.ok(RoomView, 'GET', `/v1/rooms/${slug}`, { token: (await rig.guest()).userToken })).toMatchObject({
      slug,
      role: 'visitor',
    });
    expect(await rig.codeOf('GET', '/v1/rooms/no-such-room', { token: (await rig.guest()).userToken })).toBe(
      'room-not-found',
    );
  });

  test('are closed to strangers when private: reading, chat, members, heading there', async () => {
    const { userToken: owner } = await rig.guest();
    const { slug } = await rig.room(owner, { visibility: 'private' });
    const { userToken: token } = await rig.guest();

    for (const path of ['', '/messages', '/members']) {
      expect(await rig.refused('GET', `/v1/rooms/${slug}${path}`, { token })).toMatchObject({
        status: 403,
        code: 'room-private',
      });
    }
    expect(await rig.codeOf('POST', '/v1/sessions', { token, body: { room: slug } })).toBe('room-private');
    expect(await rig.ok(RoomView, 'GET', `/v1/rooms/${slug}`, { token: owner })).toMatchObject({ role: 'owner' });
  });

  test('of mine are listed, newest first, then those I am a member of', async () => {
    const ann = (await rig.account('Ann')).userToken;
    const bob = (await rig.account('Bob')).userToken;
    const bobs = await rig.room(bob, { slug: 'bobs-room' });
    await rig.room(ann, { slug: 'anns-first' });
    rig.clock.offsetMs += 1_000;
    await rig.room(ann, { slug: 'anns-second' });
    const { invitation } = await rig.invitation(bob, bobs.slug);
    await rig.ok(RoomView, 'POST', `/v1/rooms/${bobs.slug}/members`, { token: ann, body: { invitation } });

    expect(await slugsOf(ann)).toEqual(['anns-second owner', 'anns-first owner', 'bobs-room member']);
    expect(await slugsOf(bob)).toEqual(['bobs-room owner']);
  });

  test('are changed by their owner alone, only where something was given', async () => {
    const { userToken: token } = await rig.guest();
    const before = await rig.room(token, { title: 'Before', capacity: 9 });
    const path = `/v1/rooms/${before.slug}`;
    const change = { title: 'After', visibility: 'private' };

    expect(await rig.codeOf('PATCH', path, { token: (await rig.guest()).userToken, body: change })).toBe('forbidden');
    expect(await rig.ok(RoomView, 'PATCH', path, { token, body: change })).toEqual({ ...before, ...change });
    expect(await rig.ok(RoomView, 'PATCH', path, { token, body: {} })).toEqual({ ...before, ...change });
    expect(await rig.ok(RoomView, 'GET', path, { token })).toEqual({ ...before, ...change });
  });

  test('are deleted by their owner alone, and the call ends for everybody inside', async () => {
    const { userToken: token } = await rig.guest();
    const { slug, roomId } = await rig.room(token);
    const guest = await rig.guest();
    const { sessionToken, sessionId } = await rig.session(guest.userToken, { room: slug });
    const lease = await attach(cluster, sessionToken);
    const { roomToken } = await rig.join(sessionToken, slug);
    const claims = JSON.parse(Buffer.from(roomToken.split('.')[1] ?? '', 'base64url').toString());
    await cluster.rooms.confirm({
      roomId,
      sessionId,
      epoch: lease.epoch,
      tokenId: claims.jti,
      tokenTtlMs: 60_000,
      nodeId: lease.nodeId,
    });
    expect((await cluster.rooms.snapshot(roomId)).participants).toHaveLength(1);

    expect(await rig.codeOf('DELETE', `/v1/rooms/${slug}`, { token: guest.userToken })).toBe('forbidden');
    expect((await rig.call('DELETE', `/v1/rooms/${slug}`, { token })).status).toBe(204);

    expect((await cluster.rooms.snapshot(roomId)).participants).toEqual([]);
    expect(await rig.codeOf('GET', `/v1/rooms/${slug}`, { token })).toBe('room-not-found');
    expect(await rig.codeOf('POST', `/v1/rooms/${slug}/join`, { token: sessionToken, body: {} })).toBe(
      'room-not-found',
    );
    // The slug is free again, for a room of its own.
    const again = await rig.room(guest.userToken, { slug });
    expect(again.roomId).not.toBe(roomId);
    expect((await rig.join(sessionToken, slug)).room.roomId).toBe(again.roomId);
  });

  test('are for accounts only where guests may not create them', async () => {
    const strict = await Rig.start({ redis, env: { MERIDIAN_GUESTS_MAY_CREATE_ROOMS: 'false' } });
    try {
      const guest = await strict.guest();
      const account = await strict.account();

      expect(await strict.codeOf('POST', '/v1/rooms', { token: guest.userToken, body: {} })).toBe('forbidden');
      await strict.room(account.userToken);
    } finally {
      await strict.stop();
    }
  });
});

describe('invitations', () => {
  const setUp = async () => {
    const { userToken: owner } = await rig.guest('Owner');
    const { slug } = await rig.room(owner, { visibility: 'private' });
    const invitation = await rig.invitation(owner, slug);
    return { owner, slug, path: `/v1/rooms/${slug}/members`, ...invitation };
  };
  const accept = (path: string, token: string, invitation: string) =>
    rig.refused('POST', path, { token, body: { invitation } });

  test('are links whose token stands in the fragment, and let a stranger in', async () => {
    const { slug, path, url, invitation } = await setUp();
    const { userToken: token } = await rig.guest('Friend');

    expect(url).toBe(`https://meet.example.org/r/${slug}#invite=${invitation}`);
    expect(await rig.codeOf('GET', `/v1/rooms/${slug}`, { token })).toBe('room-private');
    expect(await rig.ok(RoomView, 'POST', path, { token, body: { invitation } })).toMatchObject({ role: 'member' });
    expect(await rig.ok(RoomView, 'POST', path, { token, body: { invitation } })).toMatchObject({ role: 'member' });
    expect(await rig.ok(RoomView, 'GET', `/v1/rooms/${slug}`, { token })).toMatchObject({ role: 'member' });
  });

  test('of another room, changed, of another kind or too old are refused, each with its reason', async () => {
    const { path, invitation, owner } = await setUp();
    const other = await setUp();
    const { userToken: token } = await rig.guest();
    const reason = async (text: string, at = path) => (await accept(at, token, text)).details?.reason;

    expect(await accept(path, token, other.invitation)).toMatchObject({ status: 403, code: 'invitation-invalid' });
    expect(await reason(other.invitation)).toBe('token-room');
    expect(await reason(`${invitation.slice(0, -4)}AAAA`)).toBe('token-invalid');
    expect(await reason(owner)).toBe('token-kind');
    expect(await reason('nothing')).toBe('token-invalid');
    const short = await rig.invitation(owner, path.split('/')[3] ?? '', { expiresInS: 60 });
    rig.clock.offsetMs += 70_000;
    expect(await reason(short.invitation)).toBe('token-expired');
  });

  test('end when they are revoked; who is inside stays', async () => {
    const { owner, slug, path, invitation, invitationId } = await setUp();
    const { userToken: early } = await rig.guest();
    const { userToken: late } = await rig.guest();
    await rig.ok(RoomView, 'POST', path, { token: early, body: { invitation } });
    const revoke = (token: string) => rig.call('DELETE', `/v1/rooms/${slug}/invitations/${invitationId}`, { token });

    expect((await revoke(early)).status).toBe(403);
    expect((await revoke(owner)).status).toBe(204);
    expect((await revoke(owner)).status).toBe(404);
    expect((await accept(path, late, invitation)).details).toEqual({ reason: 'token-revoked' });
    await rig.ok(RoomView, 'GET', `/v1/rooms/${slug}`, { token: early });
  });

  test('cannot be revoked through another room', async () => {
    const { invitationId, path, invitation } = await setUp();
    const { owner, slug } = await setUp();
    const { userToken: token } = await rig.guest();

    expect(await rig.codeOf('DELETE', `/v1/rooms/${slug}/invitations/${invitationId}`, { token: owner })).toBe(
      'not-found',
    );
    await rig.ok(RoomView, 'POST', path, { token, body: { invitation } });
  });

  test('are made by the owner alone, for 90 days at most', async () => {
    const { slug, path, invitation, owner } = await setUp();
    const { userToken: token } = await rig.guest();
    await rig.ok(RoomView, 'POST', path, { token, body: { invitation } });
    const invite = (by: string, body: Record<string, unknown>) =>
      rig.codeOf('POST', `/v1/rooms/${slug}/invitations`, { token: by, body });

    expect(await invite(token, {})).toBe('forbidden');
    expect(await invite(owner, { expiresInS: 91 * 86_400 })).toBe('bad-request');
  });
});

describe('members', () => {
  const roomOfTwo = async () => {
    const owner = await rig.guest('Owner');
    const member = await rig.guest('Member');
    const { slug } = await rig.room(owner.userToken, { visibility: 'private' });
    const { invitation } = await rig.invitation(owner.userToken, slug);
    await rig.ok(RoomView, 'POST', `/v1/rooms/${slug}/members`, { token: member.userToken, body: { invitation } });
    return { owner, member, slug, invitation, path: `/v1/rooms/${slug}/members` };
  };

  test('and the owner are shown to each other', async () => {
    const { owner, member, path } = await roomOfTwo();

    expect((await rig.ok(MembersReply, 'GET', path, { token: owner.userToken })).members).toEqual([
      { userId: owner.user.userId, name: 'Owner', role: 'owner' },
      { userId: member.user.userId, name: 'Member', role: 'member' },
    ]);
    await rig.ok(MembersReply, 'GET', path, { token: member.userToken });
  });

  test('of a public room are not shown to visitors', async () => {
    const { slug } = await rig.room((await rig.guest()).userToken);

    expect(await rig.codeOf('GET', `/v1/rooms/${slug}/members`, { token: (await rig.guest()).userToken })).toBe(
      'forbidden',
    );
  });

  test('are removed by the owner and are strangers from then on', async () => {
    const { owner, member, slug, path } = await roomOfTwo();
    const remove = () => rig.call('DELETE', `${path}/${member.user.userId}`, { token: owner.userToken });

    expect((await remove()).status).toBe(204);
    expect((await remove()).status).toBe(404);
    expect(await rig.codeOf('GET', `/v1/rooms/${slug}`, { token: member.userToken })).toBe('room-private');
  });

  test('whom the owner removed come back by no earlier invitation, but by a later one', async () => {
    const { owner, member, slug, path, invitation } = await roomOfTwo();
    const unused = await rig.invitation(owner.userToken, slug);
    const other = await rig.guest('Other');
    const accept = { token: member.userToken, body: { invitation } };
    rig.clock.offsetMs += 1_000;
    await rig.call('DELETE', `${path}/${member.user.userId}`, { token: owner.userToken });

    for (const earlier of [invitation, unused.invitation]) {
      const refusal = await rig.refused('POST', path, { ...accept, body: { invitation: earlier } });
      expect(refusal).toMatchObject({
        status: 403,
        code: 'invitation-invalid',
        details: { reason: 'token-revoked' },
        message: expect.stringContaining('ask for a new one'),
      });
    }
    expect(await rig.codeOf('GET', `/v1/rooms/${slug}`, { token: member.userToken })).toBe('room-private');
    // For everybody else the link is worth what it was.
    await rig.ok(RoomView, 'POST', path, { token: other.userToken, body: { invitation } });

    rig.clock.offsetMs += 1_000;
    const later = await rig.invitation(owner.userToken, slug);
    await rig.ok(RoomView, 'POST', path, { ...accept, body: { invitation: later.invitation } });
    // Who is a member again loses nothing by opening the old link.
    expect(await rig.ok(RoomView, 'POST', path, accept)).toMatchObject({ role: 'member' });
    expect(await rig.ok(RoomView, 'GET', `/v1/rooms/${slug}`, { token: member.userToken })).toMatchObject({ slug });
  });

  test('who left by themselves come back by the same invitation', async () => {
    const { member, path, invitation } = await roomOfTwo();
    rig.clock.offsetMs += 1_000;
    await rig.call('DELETE', `${path}/${member.user.userId}`, { token: member.userToken });

    const back = await rig.ok(RoomView, 'POST', path, { token: member.userToken, body: { invitation } });
    expect(back).toMatchObject({ role: 'member' });
  });

  test('leave by themselves, and remove nobody else', async () => {
    const { owner, member, slug, path } = await roomOfTwo();

    expect(await rig.codeOf('DELETE', `${path}/${owner.user.userId}`, { token: member.userToken })).toBe('forbidden');
    expect((await rig.call('DELETE', `${path}/${member.user.userId}`, { token: member.userToken })).status).toBe(204);
    expect(await rig.codeOf('GET', `/v1/rooms/${slug}`, { token: member.userToken })).toBe('room-private');
  });
});
