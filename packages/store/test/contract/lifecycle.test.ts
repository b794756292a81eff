import { inspect } from 'node:util';
import { MeridianError } from '@meridian/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore } from '../../src/index.ts';
import { aMessage, anInvitation, aRoom, aUser } from '../builders.ts';
import type { Database } from './subject.ts';
import { SUBJECTS } from './subjects.ts';

describe.each(SUBJECTS)('a store on $name', ({ create }) => {
  let data: Database;
  beforeEach(async () => {
    data = await create();
  });
  afterEach(() => data.remove());

  it('answers a ping', async () => {
    const store = await data.open();
    await expect(store.ping()).resolves.toBeUndefined();
  });

  it('has its data after it was closed and opened again', async () => {
    const user = aUser();
    const room = aRoom({ ownerId: user.userId });
    const message = aMessage(room.roomId, 1);
    const first = await data.open();
    await first.users.create(user);
    await first.rooms.create(room);
    await first.messages.keep([message]);
    await first.close();

    const second = await data.open();
    expect(await second.users.findByEmail(user.email)).toEqual(user);
    expect(await second.rooms.findBySlug(room.slug)).toEqual(room);
    expect(await second.messages.page(room.roomId, { limit: 5 })).toEqual([message]);
  });

  it('can be opened by several processes at the same time, also for the first time', async () => {
    const stores = await Promise.all([data.open(), data.open(), data.open()]);
    const user = aUser();
    await stores[0]?.users.create(user);
    for (const store of stores) expect(await store.users.find(user.userId)).toEqual(user);
  });

  it('is closed once and for all: everything afterwards says so', async () => {
    const store = await data.open();
    const room = aRoom();
    await store.close();
    await store.close();
    const calls = [
      store.ping(),
      store.users.create(aUser()),
      store.users.rename(room.ownerId, 'Ada'),
      store.rooms.find(room.roomId),
      store.rooms.delete(room.roomId),
      store.rooms.addInvitation(anInvitation(room.roomId)),
      store.messages.keep([aMessage(room.roomId, 1)]),
      store.messages.purge(1),
      store.purgeInvitations(1),
    ];
    for (const call of await Promise.allSettled(calls)) {
      expect(call).toMatchObject({ status: 'rejected', reason: { code: 'closed' } });
    }
  });
});

describe('the URL of a store', () => {
  it.each([
    ['postgres://localhost/x', 'sqlite:<path>'],
    ['data.db', 'sqlite:<path>'],
    ['sqlite:', 'needs a path'],
    ['sqlite:/dev/null/store.db', 'cannot be opened'],
    ['mongodb://', 'cannot be parsed'],
    ['mongodb://localhost/?nonsense=1', 'nonsense'],
  ])('%s is refused with a sentence that says what is wrong', async (url, part) => {
    await expect(openStore(url)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining(part),
    });
  });

  it.each([
    ['wrong', 'mongodb://ada:secret-word@localhost:no-port/'],
    ['right, but no server is there', 'mongodb://ada:secret-word@127.0.0.1:9/'],
  ])('never shows its password in an error, when it is %s', async (_, url) => {
    const error: unknown = await openStore(url, { serverSelectionTimeoutMs: 50 }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(MeridianError);
    expect(inspect(error, { depth: 10 })).not.toContain('secret-word');
  });

  it('may be sqlite::memory:, private to the store that opened it', async () => {
    const [one, other] = [await openStore('sqlite::memory:'), await openStore('sqlite::memory:')];
    const user = aUser();
    await one.users.create(user);
    expect(await other.users.find(user.userId)).toBeUndefined();
    await one.close();
    await other.close();
  });
});
