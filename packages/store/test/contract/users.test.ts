import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Store } from '../../src/index.ts';
import { aMember, aRoom, aUser, aUserId } from '../builders.ts';
import type { Database } from './subject.ts';
import { SUBJECTS } from './subjects.ts';

describe.each(SUBJECTS)('users in $name', ({ create }) => {
  let data: Database;
  let store: Store;
  beforeAll(async () => {
    data = await create();
    store = await data.open();
  });
  afterAll(() => data.remove());

  it('are found by id and by address just as they were created', async () => {
    const user = aUser({ email: 'Ada.Lovelace@Example.org', name: 'Ada ✨ Lovelace' });
    await store.users.create(user);
    expect(await store.users.find(user.userId)).toEqual(user);
    expect(await store.users.findByEmail('Ada.Lovelace@Example.org')).toEqual(user);
  });

  it('are undefined where there are none', async () => {
    expect(await store.users.find(aUserId())).toBeUndefined();
    expect(await store.users.findByEmail('nobody@example.org')).toBeUndefined();
    expect(await store.users.rename(aUserId(), 'Nobody')).toBeUndefined();
    expect(await store.users.changePassword(aUserId(), 'hash')).toBeUndefined();
    expect(await store.users.rehash(aUserId(), 'hash', 'other')).toBe(false);
    expect(await store.users.raiseTokenVersion(aUserId())).toBeUndefined();
  });

  it('are found by their address in another letter case and another Unicode form', async () => {
    const user = aUser({ email: 'Élodie.ΟΔΥΣΣΕΥΣ@example.org'.normalize('NFC') });
    await store.users.create(user);
    expect(await store.users.findByEmail('éLODIE.οδυσσευς@EXAMPLE.ORG'.normalize('NFD'))).toEqual(user);
  });

  it.each([
    ['the same', 'taken@example.org'],
    ['another letter case of the', 'TAKEN@Example.ORG'],
  ])('are refused with email-taken when %s address has an account', async (_, email) => {
    const first = aUser({ email: 'Taken@example.org' });
    await store.users.create(first).catch(() => undefined);
    await expect(store.users.create(aUser({ email }))).rejects.toMatchObject({ code: 'email-taken', status: 409 });
  });

  it('of one address that are created at the same time leave one account and email-taken for the others', async () => {
    const addresses = ['race@example.org', 'RACE@example.org', 'Race@Example.org', 'rAcE@example.org'];
    const results = await Promise.allSettled(addresses.map((email) => store.users.create(aUser({ email }))));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'email-taken' });
    }
  });

  it('whose id is known are an internal error, not a taken address, and change nothing', async () => {
    const user = aUser();
    await store.users.create(user);
    const twin = aUser({ userId: user.userId, email: 'another@example.org' });
    await expect(store.users.create(twin)).rejects.toMatchObject({ code: 'internal' });
    expect(await store.users.find(user.userId)).toEqual(user);
    expect(await store.users.findByEmail('another@example.org')).toBeUndefined();
  });

  it('are unique in any letter case, for any address', async () => {
    // Letters whose upper and lower case lead back to each other; the rest is documented in email-key.ts.
    const letter = fc
      .oneof(
        fc.constantFrom(...'aåéßжωσçñüğ9.-_+'),
        fc.integer({ min: 0xe0, max: 0x52f }).map((c) => String.fromCodePoint(c)),
      )
      .filter((c) => c === c.toLowerCase() && c.toUpperCase().toLowerCase() === c && c.normalize('NFC') === c);
    const spelling = fc.array(fc.tuple(letter, fc.boolean(), fc.boolean()), { minLength: 1, maxLength: 24 });
    await fc.assert(
      fc.asyncProperty(spelling, async (letters) => {
        const unique = aUserId();
        const spell = (which: 1 | 2) =>
          `${letters.map((l) => (l[which] ? l[0].toUpperCase() : l[0])).join('')}@${unique}.example`;
        const user = aUser({ email: spell(1) });
        await store.users.create(user);
        await expect(store.users.create(aUser({ email: spell(2) }))).rejects.toMatchObject({ code: 'email-taken' });
        expect(await store.users.findByEmail(spell(2).normalize('NFD'))).toEqual(user);
      }),
      { numRuns: 60 },
    );
  });

  it('keep an address that only looks alike apart', async () => {
    const pairs: [string, string][] = [
      ['strasse@example.org', 'straße@example.org'],
      ['info@example.com', 'ınfo@example.com'],
    ];
    for (const [one, other] of pairs) {
      await store.users.create(aUser({ email: one }));
      await store.users.create(aUser({ email: other }));
      expect((await store.users.findByEmail(other))?.email).toBe(other);
    }
  });

  it('get another name, also in the member lists they are in', async () => {
    const user = aUser({ name: 'Before' });
    const room = aRoom();
    await store.users.create(user);
    await store.rooms.create(room);
    await store.rooms.addMember(room.roomId, aMember({ userId: user.userId, name: 'Before' }));
    expect(await store.users.rename(user.userId, 'After')).toEqual({ ...user, name: 'After' });
    expect(await store.users.find(user.userId)).toEqual({ ...user, name: 'After' });
    expect((await store.rooms.members(room.roomId)).map(({ name }) => name)).toEqual(['After']);
  });

  it('change their password and raise their token version in one step', async () => {
    const user = aUser({ tokenVersion: 3 });
    await store.users.create(user);
    const changed = { ...user, passwordHash: 'new hash', tokenVersion: 4 };
    expect(await store.users.changePassword(user.userId, 'new hash')).toEqual(changed);
    expect(await store.users.find(user.userId)).toEqual(changed);
  });

  it('raise their token version once for every call', async () => {
    const user = aUser();
    await store.users.create(user);
    for (const tokenVersion of [1, 2, 3]) {
      expect(await store.users.raiseTokenVersion(user.userId)).toEqual({ ...user, tokenVersion });
    }
    expect(await store.users.find(user.userId)).toEqual({ ...user, tokenVersion: 3 });
  });

  it('raise their token version once for every call, also at the same time', async ({ skip }) => {
    skip(data.updatesNotAtomic !== undefined, data.updatesNotAtomic);
    const user = aUser();
    await store.users.create(user);
    const versions = await Promise.all(
      Array.from({ length: 12 }, async () => (await store.users.raiseTokenVersion(user.userId))?.tokenVersion ?? -1),
    );
    expect(versions.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  it('are re-hashed only while the hash is the expected one, and keep their token version', async () => {
    const user = aUser({ passwordHash: 'old' });
    await store.users.create(user);
    expect(await store.users.rehash(user.userId, 'something else', 'new')).toBe(false);
    expect(await store.users.find(user.userId)).toEqual(user);
    expect(await store.users.rehash(user.userId, 'old', 'new')).toBe(true);
    expect(await store.users.find(user.userId)).toEqual({ ...user, passwordHash: 'new' });
  });

  it('that could not be read back are refused with bad-request', async () => {
    const user = aUser({ name: 'a name\u0007with a bell' });
    await expect(store.users.create(user)).rejects.toMatchObject({ code: 'bad-request' });
    expect(await store.users.find(user.userId)).toBeUndefined();
    const kept = aUser();
    await store.users.create(kept);
    await expect(store.users.rename(kept.userId, '')).rejects.toMatchObject({ code: 'bad-request' });
    await expect(store.users.changePassword(kept.userId, '')).rejects.toMatchObject({ code: 'bad-request' });
    expect(await store.users.find(kept.userId)).toEqual(kept);
  });

  it('are seen by another store on the same data', async () => {
    const user = aUser();
    await store.users.create(user);
    const other = await data.open();
    expect(await other.users.find(user.userId)).toEqual(user);
    await expect(other.users.create(aUser({ email: user.email }))).rejects.toMatchObject({ code: 'email-taken' });
  });
});
