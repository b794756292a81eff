import { openCluster } from '@meridian/cluster';
import { eventually } from '@meridian/harness';
import {
  type ChatMessage,
  MeridianError,
  MessageId,
  MessagesReply,
  RoomId,
  RoomSlug,
  SessionId,
  UserId,
} from '@meridian/protocol';
import { openStore, type Room, type Store } from '@meridian/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ChatKeeper } from '../../src/jobs/chat-keeper.ts';
import { Purge } from '../../src/jobs/purge.ts';
import { Rig, startRedis } from '../rig.ts';

let redis: Awaited<ReturnType<typeof startRedis>>;
let rig: Rig;
beforeAll(async () => {
  redis = await startRedis();
  rig = await Rig.start({ redis });
});
afterAll(async () => {
  await rig?.stop();
  await redis?.stop();
});

const line = (roomId: RoomId, text: string) => ({
  roomId,
  sessionId: SessionId.parse('s1'),
  userId: UserId.parse('u1'),
  name: 'Ann',
  text,
});

const aRoom = (roomId: RoomId): Room => ({
  roomId,
  slug: RoomSlug.parse('room-1'),
  title: 'Room',
  ownerId: UserId.parse('u1'),
  visibility: 'public',
  duplicates: 'allow',
  capacity: 5,
  createdAtMs: 0,
});

describe('chat', () => {
  test('that nodes accept is readable as history, in order, page by page', async () => {
    const { userToken: token } = await rig.guest();
    const { slug, roomId } = await rig.room(token);
    const { chat } = await rig.cluster();
    for (let i = 1; i <= 25; i += 1) await chat.append(chat.draft(line(roomId, `line ${i}`)));
    const page = (query: string) => rig.ok(MessagesReply, 'GET', `/v1/rooms/${slug}/messages${query}`, { token });
    const texts = ({ messages }: MessagesReply) => messages.map(({ text }) => text);

    await eventually('all lines are in the store', async () => (await page('?limit=100')).messages.length === 25);
    const last = await page('?limit=10');
    expect(texts(last)).toEqual(Array.from({ length: 10 }, (_, i) => `line ${i + 16}`));
    const middle = await page(`?limit=10&before=${last.before}`);
    expect(texts(middle)).toEqual(Array.from({ length: 10 }, (_, i) => `line ${i + 6}`));
    const first = await page(`?limit=10&before=${middle.before}`);
    expect(texts(first)).toEqual(Array.from({ length: 5 }, (_, i) => `line ${i + 1}`));
    expect(first.before).toBeNull();
    // A page that ends exactly at the beginning says so.
    expect((await page(`?limit=5&before=${middle.before}`)).before).toBeNull();
    expect(await rig.codeOf('GET', `/v1/rooms/${slug}/messages?before=${encodeURIComponent('../x')}`, { token })).toBe(
      'bad-request',
    );
    expect(await rig.codeOf('GET', `/v1/rooms/${slug}/messages?limit=101`, { token })).toBe('bad-request');
  });

  test('of a room is gone with the room', async () => {
    const { userToken: token } = await rig.guest();
    const { slug, roomId } = await rig.room(token);
    const { chat } = await rig.cluster();
    await chat.append(chat.draft(line(roomId, 'hello')));
    const history = () => rig.ok(MessagesReply, 'GET', `/v1/rooms/${slug}/messages`, { token });
    await eventually('the line is in the store', async () => (await history()).messages.length === 1);
    await rig.call('DELETE', `/v1/rooms/${slug}`, { token });
    await rig.room(token, { slug });

    expect((await history()).messages).toEqual([]);
  });
});

describe('keeping chat', () => {
  test('goes through an outage of the store: nothing lost, nothing doubled, the order kept', async () => {
    const cluster = await openCluster({ url: redis.url, keyPrefix: 'outage:' });
    const store = await openStore('sqlite::memory:');
    const roomId = RoomId.parse('r1');
    await store.rooms.create(aRoom(roomId));
    let away = true;
    const tried: string[] = [];
    const order: string[] = [];
    const messages: Store['messages'] = {
      page: (id, options) => store.messages.page(id, options),
      purge: (olderThanMs) => store.messages.purge(olderThanMs),
      keep: async (lines: readonly ChatMessage[]) => {
        tried.push(...lines.map(({ text }) => text));
        if (away) throw new MeridianError('store-unavailable');
        order.push(...lines.map(({ text }) => text));
        await store.messages.keep(lines);
      },
    };
    const kept = { lines: 0 };
    const keeper = new ChatKeeper({
      outbox: cluster.chat,
      messages,
      consumer: 'test',
      onKept: (lines) => {
        kept.lines += lines;
      },
      onFailed: (cause) => {
        throw cause;
      },
    });
    try {
      for (let i = 0; i < 5; i += 1) await cluster.chat.append(cluster.chat.draft(line(roomId, `early ${i}`)));
      await eventually(
        'the store was tried at least twice',
        () => tried.filter((text) => text === 'early 0').length > 1,
      );
      expect(order).toEqual([]);
      for (let i = 0; i < 5; i += 1) await cluster.chat.append(cluster.chat.draft(line(roomId, `late ${i}`)));
      away = false;
      await eventually('everything is kept', () => kept.lines >= 10);

      const expected = [
        ...Array.from({ length: 5 }, (_, i) => `early ${i}`),
        ...Array.from({ length: 5 }, (_, i) => `late ${i}`),
      ];
      expect([...new Set(order)]).toEqual(expected);
      expect((await store.messages.page(roomId, { limit: 100 })).map(({ text }) => text)).toEqual(expected);
    } finally {
      await keeper.close();
      await keeper.close();
      await cluster.close();
      await store.close();
    }
  });
});

describe('purging', () => {
  const open = async (now: () => number, chatKeepDays: number) => {
    const cluster = await openCluster({ url: redis.url, keyPrefix: 'purge:' });
    const store = await openStore('sqlite::memory:');
    const removed: unknown[] = [];
    const purge = new Purge({
      store,
      locks: cluster.locks,
      now,
      chatKeepDays,
      everyMs: 3_600_000,
      onDone: (what) => removed.push(what),
      onFailed: (cause) => {
        throw cause;
      },
    });
    const close = async () => {
      await purge.close();
      await cluster.close();
      await store.close();
    };
    return { cluster, store, purge, removed, close };
  };
  const message = (id: string, sentAtMs: number): ChatMessage => ({
    ...line(RoomId.parse('r1'), id),
    id: MessageId.parse(id),
    sentAtMs,
  });

  test('removes invitations that have run out, and chat that is older than it is kept', async () => {
    const nowMs = 100 * 86_400_000;
    const { store, purge, removed, close } = await open(() => nowMs, 30);
    try {
      const roomId = RoomId.parse('r1');
      await store.rooms.create(aRoom(roomId));
      const invitation = { roomId, invitedBy: UserId.parse('u1'), createdAtMs: 0 };
      await store.rooms.addInvitation({ ...invitation, invitationId: 'over', expiresAtMs: nowMs - 1 });
      await store.rooms.addInvitation({ ...invitation, invitationId: 'valid', expiresAtMs: nowMs + 1_000 });
      await store.messages.keep([message('a', nowMs - 31 * 86_400_000), message('b', nowMs - 29 * 86_400_000)]);
      await purge.run();

      expect(removed).toEqual([{ invitations: 1, messages: 1 }]);
      expect(await store.rooms.findInvitation('valid')).toBeDefined();
      expect((await store.messages.page(roomId, { limit: 10 })).map(({ id }) => id)).toEqual(['b']);
    } finally {
      await close();
    }
  });

  test('is done by one instance at a time', async () => {
    const { cluster, purge, removed, close } = await open(() => 0, 0);
    try {
      await cluster.locks.withLock('purge', { ttlMs: 5_000 }, () => purge.run());
      expect(removed).toEqual([]);
      await purge.run();
      expect(removed).toEqual([{ invitations: 0, messages: 0 }]);
    } finally {
      await close();
    }
  });
});
