import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, freePort, lockSqlite, type MongoServer, startMongo } from '@meridian/harness';
import { type ChatMessage, MessagesReply, RoomView, SessionId, UserId, type UserTokenReply } from '@meridian/protocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { aNodeRecord, attach, Rig, startRedis } from '../rig.ts';

let redis: Awaited<ReturnType<typeof startRedis>>;
let mongo: MongoServer;
let folder: string;
/** Two instances of the service on one database. */
let rig: Rig;
let other: Rig;
let cluster: Awaited<ReturnType<Rig['cluster']>>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meridian-store-outage-'));
  [redis, mongo] = await Promise.all([startRedis(), startMongo({ port: await freePort(), dir: folder })]);
  const env = { MERIDIAN_STORE: mongo.database('outage') };
  rig = await Rig.start({ redis, env });
  other = await Rig.start({ redis, env, beside: rig });
  cluster = await rig.cluster();
  await cluster.announce(aNodeRecord('eu1'));
  await eventually('the node is known', () => rig.guest().then(({ userToken }) => rig.session(userToken)));
});
afterEach(async () => {
  await other?.api.close();
  await rig?.stop();
  await mongo?.stop();
  await redis?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Gets a session, attaches, and joins: the whole way, as a page does. */
async function enters({ userToken }: UserTokenReply, slug: string) {
  const { sessionToken } = await rig.session(userToken, { room: slug });
  await attach(cluster, sessionToken);
  return rig.join(sessionToken, slug);
}

/** How that way ends for somebody who is not let in. */
async function refusal({ userToken }: UserTokenReply, slug: string) {
  const session = await rig.call('POST', '/v1/sessions', { token: userToken, body: { room: slug } });
  if (session.status >= 400) return rig.refused('POST', '/v1/sessions', { token: userToken, body: { room: slug } });
  const { sessionToken } = await rig.session(userToken, { room: slug });
  await attach(cluster, sessionToken);
  return rig.refused('POST', `/v1/rooms/${slug}/join`, { token: sessionToken, body: {} });
}

const UNAVAILABLE = { status: 503, code: 'store-unavailable', retryAfterMs: expect.any(Number) };

async function member(owner: UserTokenReply, slug: string, name: string): Promise<UserTokenReply> {
  const account = await rig.account(name);
  const { invitation } = await rig.invitation(owner.userToken, slug);
  await rig.ok(RoomView, 'POST', `/v1/rooms/${slug}/members`, { token: account.userToken, body: { invitation } });
  return account;
}

describe('while the database is away', () => {
  test('people who were seen lately join rooms that were seen lately, and what needs the database says 503', async () => {
    const ann = await rig.account('Ann');
    const stranger = await other.account('Stranger');
    const { slug } = await rig.room(ann.userToken, { visibility: 'private' });
    const { slug: open } = await rig.room(ann.userToken);
    const bob = await member(ann, slug, 'Bob');
    for (const one of [ann, bob]) await enters(one, slug);
    await enters(bob, open);

    await mongo.kill();

    expect((await enters(ann, slug)).grants.moderate).toBe(true);
    expect((await enters(bob, slug)).room.role).toBe('member');
    // Guests have no record: any of them may enter a public room that is known.
    expect((await enters(await rig.guest(), open)).room.role).toBe('visitor');
    // This instance has never seen them, or the room.
    expect(await refusal(stranger, open)).toMatchObject(UNAVAILABLE);
    expect(await refusal(ann, 'nowhere')).toMatchObject(UNAVAILABLE);
    const { userToken: token } = ann;
    for (const [method, path, body] of [
      ['POST', '/v1/users', { name: 'New', email: 'new@example.org', password: 'correct horse' }],
      ['POST', '/v1/login', { email: 'ann@example.org', password: 'correct horse' }],
      ['POST', '/v1/rooms', {}],
      ['GET', '/v1/rooms', undefined],
      ['PATCH', `/v1/rooms/${slug}`, { title: 'New' }],
      ['DELETE', `/v1/rooms/${slug}`, undefined],
      ['GET', `/v1/rooms/${slug}/messages`, undefined],
      ['POST', '/v1/me/logout-everywhere', undefined],
    ] as const) {
      const refused = await rig.refused(method, path, { token, ...(body === undefined ? {} : { body }) });
      expect(refused, path).toMatchObject(UNAVAILABLE);
      expect(Number(refused.headers.get('retry-after')), path).toBeGreaterThan(0);
    }
    expect(await rig.call('GET', '/readyz')).toMatchObject({ status: 200, body: { status: 'degraded', store: false } });
    expect(String((await rig.call('GET', '/metrics')).body)).toContain('meridian_store_up 0');

    await mongo.startAgain();
    await eventually('all is as before', async () => {
      expect(await rig.call('GET', '/readyz')).toMatchObject({ status: 200, body: { status: 'ready', store: true } });
      await enters(stranger, open);
    });
  });

  test('nobody gets in by what was undone shortly before: marks in Redis speak against memory', async () => {
    // Given an instance that has seen all of them, and another one at which everything is undone
    const ann = await rig.account('Ann');
    const { slug } = await rig.room(ann.userToken, { visibility: 'private' });
    const [bob, cid] = [await member(ann, slug, 'Bob'), await member(ann, slug, 'Cid')];
    const { slug: gone } = await rig.room(ann.userToken);
    const { slug: open } = await rig.room(ann.userToken);
    for (const one of [ann, bob, cid]) await enters(one, slug);
    for (const room of [gone, open]) await enters(bob, room);
    const { slug: quiet } = await rig.room(cid.userToken);
    await enters(cid, quiet);
    expect(
      await other.call('DELETE', `/v1/rooms/${slug}/members/${bob.user.userId}`, { token: ann.userToken }),
    ).toMatchObject({ status: 204 });
    expect(await other.call('POST', '/v1/me/logout-everywhere', { token: cid.userToken })).toMatchObject({
      status: 204,
    });
    expect(await other.call('DELETE', `/v1/rooms/${gone}`, { token: ann.userToken })).toMatchObject({ status: 204 });
    expect(
      await other.call('PATCH', `/v1/rooms/${open}`, { token: ann.userToken, body: { visibility: 'private' } }),
    ).toMatchObject({ status: 200 });

    await mongo.kill();

    expect(await refusal(bob, slug)).toMatchObject(UNAVAILABLE);
    expect(await refusal(cid, quiet)).toMatchObject({ code: 'token-revoked' });
    expect(await refusal(ann, gone)).toMatchObject(UNAVAILABLE);
    expect(await refusal(bob, open)).toMatchObject(UNAVAILABLE);
    // Whom nothing speaks against gets in.
    expect((await enters(ann, slug)).room.role).toBe('owner');
  });

  test('chat is stored later: every line once, in order', async () => {
    const { userToken: token } = await rig.guest();
    const { slug, roomId } = await rig.room(token);
    const said: ChatMessage[] = [];
    const say = async (text: string) => {
      const who = { sessionId: SessionId.parse('s-1'), userId: UserId.parse('u-1'), name: 'Ann' };
      const draft = cluster.chat.draft({ ...who, roomId, text });
      said.push(await cluster.chat.append(draft));
    };
    const history = async () =>
      (await rig.ok(MessagesReply, 'GET', `/v1/rooms/${slug}/messages?limit=100`, { token })).messages;
    for (let i = 0; i < 5; i += 1) await say(`before ${i}`);
    await eventually('the first lines are stored', async () => (await history()).length === 5);

    await mongo.freeze();
    for (let i = 0; i < 10; i += 1) await say(`frozen ${i}`);
    await mongo.kill();
    for (let i = 0; i < 10; i += 1) await say(`gone ${i}`);
    await mongo.startAgain();
    for (let i = 0; i < 5; i += 1) await say(`after ${i}`);

    await eventually('all lines are stored', async () => (await history()).length >= said.length, { withinMs: 30_000 });
    expect(await history()).toEqual(said);
  });
});

describe('a start before the database is there', () => {
  test('waits for it', async () => {
    await mongo.kill();
    const early = Rig.start({ redis, env: { MERIDIAN_STORE: mongo.database('outage') }, beside: rig });
    await mongo.startAgain();
    const third = await early;
    expect((await third.call('GET', '/readyz')).status).toBe(200);
    await third.api.close();
  });

  test('ends with a clear error when it does not come', async () => {
    await mongo.kill();
    await expect(
      Rig.start({
        redis,
        env: { MERIDIAN_STORE: mongo.database('outage'), MERIDIAN_START_WAIT_MS: '100' },
        beside: rig,
      }),
    ).rejects.toMatchObject({ code: 'store-unavailable' });
  });
});

describe('an SQLite file that somebody else has locked', () => {
  test('is read on; what has to be written is 503 until the file is free', async () => {
    const local = await Rig.start({ redis });
    try {
      const { userToken: token } = await local.account('Ann');
      const { slug } = await local.room(token);
      const lock = await lockSqlite(join(local.dir, 'meridian.sqlite'));
      try {
        expect((await local.call('GET', `/v1/rooms/${slug}`, { token })).status).toBe(200);
        expect(await local.refused('POST', '/v1/rooms', { token, body: {} })).toMatchObject(UNAVAILABLE);
        expect((await local.call('GET', '/readyz')).status).toBe(200);
      } finally {
        await lock.unlock();
      }
      expect((await local.room(token)).slug).not.toBe(slug);
    } finally {
      await local.stop();
    }
  });
});
