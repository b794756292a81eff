import { type MongoServer, startMongo } from '@meridian/harness';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openStore } from '../../src/index.ts';
import { aMember, aMessage, anInvitation, aRoom, aUser } from '../builders.ts';
import type { Database } from './subject.ts';
import { isFerretdb, mongoDatabase, withDriver } from './subjects.ts';

describe('the database of a MongoDB store', () => {
  let server: MongoServer;
  let data: Database;
  beforeAll(async () => {
    server = await startMongo();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    data = await mongoDatabase(server);
  });
  afterEach(() => data.remove());

  const indexesOf = (collection: string) =>
    withDriver(data.url, async (db) => {
      const found = await db.collection(collection).listIndexes().toArray();
      return Object.fromEntries(found.map(({ name, key, unique }) => [name, { key, unique: unique === true }]));
    });

  it('has the indexes, the unique ones on the server', async () => {
    await data.open();
    expect(await indexesOf('users')).toMatchObject({ email_unique: { key: { emailKey: 1 }, unique: true } });
    expect(await indexesOf('rooms')).toMatchObject({
      slug_unique: { key: { slug: 1 }, unique: true },
      by_owner: { key: { ownerId: 1, createdAtMs: -1, _id: -1 }, unique: false },
    });
    expect(await indexesOf('members')).toMatchObject({
      member_unique: { key: { roomId: 1, userId: 1 }, unique: true },
      by_user: { key: { userId: 1, joinedAtMs: -1, roomId: -1 }, unique: false },
    });
    expect(await indexesOf('expulsions')).toMatchObject({
      expulsion_unique: { key: { roomId: 1, userId: 1 }, unique: true },
    });
    expect(await indexesOf('messages')).toMatchObject({
      message_unique: { key: { roomId: 1, id: 1 }, unique: true },
      by_time: { key: { sentAtMs: 1 }, unique: false },
    });
    expect(await indexesOf('invitations')).toMatchObject({ by_room: { key: { roomId: 1 } } });
  });

  it('has a TTL index for invitations, or the store says that the server has none', async () => {
    const warnings: string[] = [];
    await data.open({ onWarning: (message) => warnings.push(message) });
    if (await isFerretdb(data.url)) {
      expect(warnings).toEqual([expect.stringContaining('no TTL indexes')]);
    } else {
      expect(warnings).toEqual([]);
      expect(await indexesOf('invitations')).toMatchObject({ expiry: { key: { expiresAt: 1 } } });
    }
  });

  it('keeps its indexes when it is opened again', async () => {
    await data.open();
    const before = await indexesOf('rooms');
    await data.open();
    expect(await indexesOf('rooms')).toEqual(before);
  });

  it('is the one in the URL', async () => {
    const store = await data.open();
    const user = aUser();
    await store.users.create(user);
    const found = await withDriver(data.url, (db) => db.collection('users').findOne({ email: user.email }));
    expect(found).toMatchObject({ _id: user.userId, emailKey: user.email });
  });

  it('hides a room whose deletion was interrupted, and the next purge or start finishes it', async () => {
    for (const finish of ['purge', 'start'] as const) {
      const store = await data.open();
      const room = aRoom();
      const member = aMember();
      const invitation = anInvitation(room.roomId, { expiresAtMs: 4_000_000_000_000 });
      await store.rooms.create(room);
      await store.rooms.addMember(room.roomId, member);
      const expelled = aMember();
      await store.rooms.addMember(room.roomId, expelled);
      await store.rooms.expelMember(room.roomId, expelled.userId, 1_000);
      await store.rooms.addInvitation(invitation);
      await store.messages.keep([aMessage(room.roomId, 1)]);
      // What a process leaves that ends right after the first write of `delete`.
      await withDriver(data.url, (db) =>
        db.collection('rooms').updateOne({ slug: room.slug }, { $set: { deleting: true } }),
      );

      expect(await store.rooms.find(room.roomId)).toBeUndefined();
      expect(await store.rooms.findBySlug(room.slug)).toBeUndefined();
      expect(await store.rooms.listByOwner(room.ownerId, 5)).toEqual([]);
      expect(await store.rooms.listByMember(member.userId, 5)).toEqual([]);
      expect(await store.rooms.isMember(room.roomId, member.userId)).toBe(false);
      expect(await store.rooms.members(room.roomId)).toEqual([]);
      expect(await store.rooms.findInvitation(invitation.invitationId)).toBeUndefined();
      expect(await store.rooms.update(room.roomId, { title: 'Other' })).toBeUndefined();
      expect(await store.rooms.delete(room.roomId)).toBe(false);

      if (finish === 'purge') await store.purgeInvitations(0);
      else await data.open();
      const left = await withDriver(data.url, async (db) => {
        const counts = ['rooms', 'members', 'expulsions', 'invitations', 'messages'].map((name) =>
          db.collection(name).countDocuments(),
        );
        return await Promise.all(counts);
      });
      expect(left).toEqual([0, 0, 0, 0, 0]);
    }
  });

  it('with a record in it that is none gives an internal error that names the field', async () => {
    const store = await data.open();
    const user = aUser();
    await store.users.create(user);
    await withDriver(data.url, (db) => db.collection('users').updateMany({}, { $set: { tokenVersion: 'many' } }));
    await expect(store.users.find(user.userId)).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('tokenVersion'),
    });
  });

  it('is not reached with a wrong login, and the error says what to check', async ({ skip }) => {
    skip(await isFerretdb(data.url), 'FerretDB without its own accounts takes every login');
    const url = data.url.replace('mongodb://', 'mongodb://nobody:wrong@');
    await expect(openStore(url)).rejects.toMatchObject({ code: 'config-invalid' });
  });
});
