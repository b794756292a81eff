import { RoomSlug } from '@meridian/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Store } from '../../src/index.ts';
import { aMember, aMessage, anInvitation, aRoom, aRoomId, aUserId } from '../builders.ts';
import type { Database } from './subject.ts';
import { SUBJECTS } from './subjects.ts';

describe.each(SUBJECTS)('rooms in $name', ({ create }) => {
  let data: Database;
  let store: Store;
  beforeAll(async () => {
    data = await create();
    store = await data.open();
  });
  afterAll(() => data.remove());

  it('are found by id and by slug just as they were created', async () => {
    const room = aRoom({ title: 'Tuần · 週会', visibility: 'public', duplicates: 'replace', capacity: 7 });
    await store.rooms.create(room);
    expect(await store.rooms.find(room.roomId)).toEqual(room);
    expect(await store.rooms.findBySlug(room.slug)).toEqual(room);
  });

  it('are undefined where there are none', async () => {
    expect(await store.rooms.find(aRoomId())).toBeUndefined();
    expect(await store.rooms.findBySlug(RoomSlug.parse('no-such-room'))).toBeUndefined();
    expect(await store.rooms.update(aRoomId(), { title: 'Other' })).toBeUndefined();
    expect(await store.rooms.update(aRoomId(), {})).toBeUndefined();
    expect(await store.rooms.delete(aRoomId())).toBe(false);
    expect(await store.rooms.members(aRoomId())).toEqual([]);
    expect(await store.rooms.isMember(aRoomId(), aUserId())).toBe(false);
    expect(await store.rooms.findInvitation('none')).toBeUndefined();
  });

  it('are refused with room-slug-taken when the slug is in use, also when created at the same time', async () => {
    const slug = RoomSlug.parse('one-slug');
    const results = await Promise.allSettled([1, 2, 3, 4].map(() => store.rooms.create(aRoom({ slug }))));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'room-slug-taken', status: 409 });
    }
  });

  it('whose id is known are an internal error, not a taken slug', async () => {
    const room = aRoom();
    await store.rooms.create(room);
    const twin = aRoom({ roomId: room.roomId, slug: RoomSlug.parse('another-slug') });
    await expect(store.rooms.create(twin)).rejects.toMatchObject({ code: 'internal' });
    expect(await store.rooms.find(room.roomId)).toEqual(room);
  });

  it('are changed in the given parts only', async () => {
    const room = aRoom({ title: 'Before', capacity: 10 });
    await store.rooms.create(room);
    expect(await store.rooms.update(room.roomId, { title: 'After' })).toEqual({ ...room, title: 'After' });
    const changed = { ...room, title: 'After', visibility: 'public', duplicates: 'reject', capacity: 11 } as const;
    const change = { visibility: 'public', duplicates: 'reject', capacity: 11 } as const;
    expect(await store.rooms.update(room.roomId, change)).toEqual(changed);
    expect(await store.rooms.update(room.roomId, {})).toEqual(changed);
    expect(await store.rooms.find(room.roomId)).toEqual(changed);
  });

  it('are not changed into what could not be read back', async () => {
    const room = aRoom();
    await store.rooms.create(room);
    await expect(store.rooms.update(room.roomId, { capacity: 0 })).rejects.toMatchObject({ code: 'bad-request' });
    await expect(store.rooms.update(room.roomId, { title: ' ' })).rejects.toMatchObject({ code: 'bad-request' });
    await expect(store.rooms.create(aRoom({ capacity: 1.5 }))).rejects.toMatchObject({ code: 'bad-request' });
    expect(await store.rooms.find(room.roomId)).toEqual(room);
  });

  it('of an owner are listed newest first, up to the limit, and nobody else’s', async () => {
    const ownerId = aUserId();
    const rooms = [10, 30, 20].map((createdAtMs) => aRoom({ ownerId, createdAtMs }));
    for (const room of [...rooms, aRoom()]) await store.rooms.create(room);
    const [oldest, newest, middle] = rooms;
    expect(await store.rooms.listByOwner(ownerId, 10)).toEqual([newest, middle, oldest]);
    expect(await store.rooms.listByOwner(ownerId, 2)).toEqual([newest, middle]);
    expect(await store.rooms.listByOwner(aUserId(), 10)).toEqual([]);
  });

  it.each([0, -1, 1.5, 1_001, Number.NaN])('are not listed with the limit %d', async (limit) => {
    await expect(store.rooms.listByOwner(aUserId(), limit)).rejects.toMatchObject({ code: 'bad-request' });
    await expect(store.rooms.listByMember(aUserId(), limit)).rejects.toMatchObject({ code: 'bad-request' });
  });

  it('have members, longest membership first, each of them once', async () => {
    const room = aRoom();
    await store.rooms.create(room);
    const [late, early] = [aMember({ joinedAtMs: 200 }), aMember({ joinedAtMs: 100 })];
    expect(await store.rooms.addMember(room.roomId, late)).toBe(true);
    expect(await store.rooms.addMember(room.roomId, early)).toBe(true);
    expect(await store.rooms.addMember(room.roomId, { ...early, name: 'Again', joinedAtMs: 300 })).toBe(false);
    expect(await store.rooms.members(room.roomId)).toEqual([early, late]);
    expect(await store.rooms.isMember(room.roomId, early.userId)).toBe(true);
    expect(await store.rooms.isMember(room.roomId, aUserId())).toBe(false);
  });

  it('count a member once when it is added many times at the same time', async () => {
    const room = aRoom();
    await store.rooms.create(room);
    const member = aMember();
    const added = await Promise.all(Array.from({ length: 8 }, () => store.rooms.addMember(room.roomId, member)));
    expect(added.filter(Boolean)).toHaveLength(1);
    expect(await store.rooms.members(room.roomId)).toEqual([member]);
  });

  it('lose a member once', async () => {
    const room = aRoom();
    await store.rooms.create(room);
    const member = aMember();
    await store.rooms.addMember(room.roomId, member);
    expect(await store.rooms.removeMember(room.roomId, member.userId)).toBe(true);
    expect(await store.rooms.removeMember(room.roomId, member.userId)).toBe(false);
    expect(await store.rooms.isMember(room.roomId, member.userId)).toBe(false);
  });

  it('keep out whom they expelled until there is an invitation of a later time', async () => {
    const room = aRoom();
    await store.rooms.create(room);
    const member = aMember();
    const add = (invitedAtMs?: number) => store.rooms.addMember(room.roomId, member, invitedAtMs);
    const refused = { code: 'invitation-invalid', details: { reason: 'token-revoked' } };
    await add(1_000);

    expect(await store.rooms.expelMember(room.roomId, member.userId, 2_000)).toBe(true);

    expect(await store.rooms.isMember(room.roomId, member.userId)).toBe(false);
    for (const invitedAtMs of [1_000, 2_000]) await expect(add(invitedAtMs)).rejects.toMatchObject(refused);
    expect(await store.rooms.members(room.roomId)).toEqual([]);
    // Others come by the same invitation, and so does the expelled one into another room.
    expect(await store.rooms.addMember(room.roomId, aMember(), 1_000)).toBe(true);
    const other = aRoom();
    await store.rooms.create(other);
    expect(await store.rooms.addMember(other.roomId, member, 1_000)).toBe(true);

    expect(await add(2_001)).toBe(true);
    // Who is a member again loses nothing by the old one.
    expect(await add(1_000)).toBe(false);
    expect(await store.rooms.isMember(room.roomId, member.userId)).toBe(true);
    // An expulsion is remembered when the member left in between, and an earlier one takes nothing back.
    expect(await store.rooms.removeMember(room.roomId, member.userId)).toBe(true);
    await expect(add(2_000)).rejects.toMatchObject(refused);
    expect(await add(2_001)).toBe(true);
    expect(await store.rooms.expelMember(room.roomId, member.userId, 1_500)).toBe(true);
    await expect(add(2_000)).rejects.toMatchObject(refused);
    expect(await add()).toBe(true);
  });

  it('expel a member once, and remember nothing of who was none', async () => {
    const room = aRoom();
    await store.rooms.create(room);
    const member = aMember();
    expect(await store.rooms.expelMember(room.roomId, member.userId, 5_000)).toBe(false);
    expect(await store.rooms.expelMember(aRoomId(), member.userId, 5_000)).toBe(false);
    expect(await store.rooms.addMember(room.roomId, member, 1_000)).toBe(true);
    const expelling = Array.from({ length: 6 }, (_, n) =>
      store.rooms.expelMember(room.roomId, member.userId, 2_000 + n),
    );
    expect((await Promise.all(expelling)).filter(Boolean)).toHaveLength(1);
    await expect(store.rooms.addMember(room.roomId, member, 2_000)).rejects.toMatchObject({
      code: 'invitation-invalid',
    });
    for (const timeMs of [-1, 0.5, Number.NaN]) {
      await expect(store.rooms.expelMember(room.roomId, member.userId, timeMs)).rejects.toMatchObject({
        code: 'bad-request',
      });
    }
  });

  it('do not have an expelled member who accepts an earlier invitation at the same time', async () => {
    const room = aRoom();
    await store.rooms.create(room);
    for (let round = 0; round < 10; round += 1) {
      const member = aMember();
      await store.rooms.addMember(room.roomId, member, 1_000);
      const add = () => store.rooms.addMember(room.roomId, member, 1_000);
      await Promise.allSettled([
        add(),
        store.rooms.expelMember(room.roomId, member.userId, 2_000),
        ...Array.from({ length: 6 }, add),
      ]);
      expect(await store.rooms.isMember(room.roomId, member.userId)).toBe(false);
    }
  });

  it('forget their expulsions when they are deleted', async () => {
    const room = aRoom();
    await store.rooms.create(room);
    const member = aMember();
    await store.rooms.addMember(room.roomId, member, 1_000);
    await store.rooms.expelMember(room.roomId, member.userId, 2_000);

    await store.rooms.delete(room.roomId);

    await expect(store.rooms.addMember(room.roomId, member, 1_000)).rejects.toMatchObject({ code: 'room-not-found' });
    // The same id again shows what was left under it.
    await store.rooms.create(room);
    expect(await store.rooms.addMember(room.roomId, member, 1_000)).toBe(true);
  });

  it('of a member are listed newest membership first, without the member’s own rooms', async () => {
    const userId = aUserId();
    const rooms = [aRoom(), aRoom(), aRoom({ ownerId: userId }), aRoom(), aRoom({ ownerId: userId })];
    for (const [index, room] of rooms.entries()) {
      await store.rooms.create(room);
      await store.rooms.addMember(room.roomId, aMember({ userId, joinedAtMs: 1_000 + index }));
    }
    const [first, second, , fourth] = rooms;
    expect(await store.rooms.listByMember(userId, 10)).toEqual([fourth, second, first]);
    expect(await store.rooms.listByMember(userId, 2)).toEqual([fourth, second]);
    expect(await store.rooms.listByMember(userId, 1)).toEqual([fourth]);
  });

  it('that are not there take no members and no invitations', async () => {
    const roomId = aRoomId();
    await expect(store.rooms.addMember(roomId, aMember())).rejects.toMatchObject({ code: 'room-not-found' });
    const invitation = anInvitation(roomId);
    await expect(store.rooms.addInvitation(invitation)).rejects.toMatchObject({ code: 'room-not-found' });
    expect(await store.rooms.members(roomId)).toEqual([]);
    expect(await store.rooms.findInvitation(invitation.invitationId)).toBeUndefined();
  });

  it('remember invitations as they were first issued until they are revoked', async () => {
    const room = aRoom();
    await store.rooms.create(room);
    // Far ahead, so that a server with a TTL index keeps it.
    const invitation = anInvitation(room.roomId, { expiresAtMs: 4_000_000_000_123 });
    await store.rooms.addInvitation(invitation);
    await store.rooms.addInvitation({ ...invitation, expiresAtMs: 4_100_000_000_000 });
    expect(await store.rooms.findInvitation(invitation.invitationId)).toEqual(invitation);
    expect(await store.rooms.revokeInvitation(invitation.invitationId)).toBe(true);
    expect(await store.rooms.revokeInvitation(invitation.invitationId)).toBe(false);
    expect(await store.rooms.findInvitation(invitation.invitationId)).toBeUndefined();
  });

  it('lose the invitations that have expired, at the very millisecond, and keep the others', async () => {
    const room = aRoom();
    await store.rooms.create(room);
    const [expired, kept] = [4_000_000_000_000, 4_000_000_000_001].map((expiresAtMs) =>
      anInvitation(room.roomId, { expiresAtMs }),
    );
    if (!expired || !kept) throw new Error('two invitations were made');
    await store.rooms.addInvitation(expired);
    await store.rooms.addInvitation(kept);
    expect(await store.purgeInvitations(4_000_000_000_000)).toBeGreaterThanOrEqual(1);
    expect(await store.rooms.findInvitation(expired.invitationId)).toBeUndefined();
    expect(await store.rooms.findInvitation(kept.invitationId)).toEqual(kept);
    expect(await store.purgeInvitations(4_000_000_000_000)).toBe(0);
  });

  it('are deleted with their members, invitations and messages, and free their slug', async () => {
    const room = aRoom();
    const other = aRoom();
    const member = aMember();
    const invitation = anInvitation(room.roomId, { expiresAtMs: 4_000_000_500_000 });
    for (const each of [room, other]) {
      await store.rooms.create(each);
      await store.rooms.addMember(each.roomId, member);
      await store.messages.keep([aMessage(each.roomId, 1)]);
    }
    await store.rooms.addInvitation(invitation);

    expect(await store.rooms.delete(room.roomId)).toBe(true);

    expect(await store.rooms.delete(room.roomId)).toBe(false);
    expect(await store.rooms.find(room.roomId)).toBeUndefined();
    expect(await store.rooms.findBySlug(room.slug)).toBeUndefined();
    expect(await store.rooms.listByOwner(room.ownerId, 10)).toEqual([]);
    expect(await store.rooms.members(room.roomId)).toEqual([]);
    expect(await store.rooms.findInvitation(invitation.invitationId)).toBeUndefined();
    expect(await store.messages.page(room.roomId, { limit: 10 })).toEqual([]);
    expect(await store.rooms.listByMember(member.userId, 10)).toEqual([other]);
    expect(await store.messages.page(other.roomId, { limit: 10 })).toHaveLength(1);
    await store.rooms.create(aRoom({ slug: room.slug }));
  });

  it('leave nothing behind that is written while they are deleted', async () => {
    for (let round = 0; round < 10; round += 1) {
      const room = aRoom();
      await store.rooms.create(room);
      const writes = Array.from({ length: 6 }, (_, n) => [
        store.messages.keep([aMessage(room.roomId, n)]),
        store.rooms.addMember(room.roomId, aMember()),
      ]).flat();
      await Promise.allSettled([...writes.slice(0, 6), store.rooms.delete(room.roomId), ...writes.slice(6)]);
      // The same id again shows what was left under it.
      await store.rooms.create(room);
      expect(await store.messages.page(room.roomId, { limit: 10 })).toEqual([]);
      expect(await store.rooms.members(room.roomId)).toEqual([]);
    }
  });
});
