import type { ChatMessage, MessageId } from '@meridian/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Store } from '../../src/index.ts';
import { aMessage, aRoom, aRoomId } from '../builders.ts';
import type { Database } from './subject.ts';
import { SUBJECTS } from './subjects.ts';

describe.each(SUBJECTS)('messages in $name', ({ create }) => {
  let data: Database;
  let store: Store;
  beforeAll(async () => {
    data = await create();
    store = await data.open();
  });
  afterAll(() => data.remove());

  const inRoom = async () => {
    const room = aRoom();
    await store.rooms.create(room);
    return room.roomId;
  };
  const lines = (roomId: ChatMessage['roomId'], count: number) =>
    Array.from({ length: count }, (_, n) => aMessage(roomId, n));

  it('are paged from the newest backwards, each page oldest first', async () => {
    const roomId = await inRoom();
    const kept = lines(roomId, 5);
    await store.messages.keep(kept);
    expect(await store.messages.page(roomId, { limit: 2 })).toEqual(kept.slice(3));
    expect(await store.messages.page(roomId, { before: kept[3]?.id, limit: 2 })).toEqual(kept.slice(1, 3));
    expect(await store.messages.page(roomId, { before: kept[1]?.id, limit: 2 })).toEqual(kept.slice(0, 1));
    expect(await store.messages.page(roomId, { before: kept[0]?.id, limit: 2 })).toEqual([]);
  });

  it('are left as they are when they are kept again', async () => {
    const roomId = await inRoom();
    const [first, second, third] = [aMessage(roomId, 1), aMessage(roomId, 2), aMessage(roomId, 3)];
    await store.messages.keep([first, second]);
    await store.messages.keep([{ ...first, text: 'changed' }, { ...second, text: 'changed' }, third, third]);
    expect(await store.messages.page(roomId, { limit: 10 })).toEqual([first, second, third]);
  });

  it('of two rooms may have the same ids', async () => {
    const [one, other] = [await inRoom(), await inRoom()];
    await store.messages.keep([aMessage(one, 1, { text: 'in one' }), aMessage(other, 1, { text: 'in the other' })]);
    expect((await store.messages.page(one, { limit: 10 })).map(({ text }) => text)).toEqual(['in one']);
    expect((await store.messages.page(other, { limit: 10 })).map(({ text }) => text)).toEqual(['in the other']);
  });

  it('of a room that is not there are dropped, the others of the batch are kept', async () => {
    const [gone, roomId] = [aRoomId(), await inRoom()];
    await store.messages.keep([aMessage(gone, 1), aMessage(roomId, 2)]);
    expect(await store.messages.page(gone, { limit: 10 })).toEqual([]);
    expect(await store.messages.page(roomId, { limit: 10 })).toHaveLength(1);
  });

  it('need not be any', async () => {
    await store.messages.keep([]);
    expect(await store.messages.page(await inRoom(), { limit: 1 })).toEqual([]);
  });

  it.each([0, -5, 2.5, 1_001])('are not paged with the limit %d', async (limit) => {
    await expect(store.messages.page(aRoomId(), { limit })).rejects.toMatchObject({ code: 'bad-request' });
  });

  it('come back with every character they were sent with', async () => {
    const roomId = await inRoom();
    const texts = fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }).filter((text) => text.trim() !== '');
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(texts, { minLength: 1, maxLength: 10 }), async (all) => {
        const sent = all.map((text, n) => aMessage(roomId, n, { text }));
        await store.messages.keep(sent);
        expect(await store.messages.page(roomId, { limit: 100 })).toEqual(sent);
        await store.messages.purge(4_000_000_000_000);
      }),
      {
        numRuns: 40,
        examples: [[['a\0b', '\u{1F469}\u200D\u{1F680}', '$set', '{"$oid":1}', "'; DROP TABLE messages; --"]]],
      },
    );
  });

  it('are each seen exactly once by paging, in order, whatever was kept in which order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 80 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 9 }),
        async (arrivals, batch, limit) => {
          const roomId = await inRoom();
          for (let at = 0; at < arrivals.length; at += batch) {
            await store.messages.keep(arrivals.slice(at, at + batch).map((n) => aMessage(roomId, n)));
          }
          const seen: ChatMessage[] = [];
          for (let before: MessageId | undefined; ; ) {
            const page: ChatMessage[] = await store.messages.page(roomId, { before, limit });
            expect(page.length).toBeLessThanOrEqual(limit);
            seen.unshift(...page);
            before = page[0]?.id;
            if (page.length < limit) break;
          }
          const expected = [...new Set(arrivals)].sort((a, b) => a - b).map((n) => aMessage(roomId, n));
          expect(seen).toEqual(expected);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('are purged when they are older than the given time, however many they are', async () => {
    const roomId = await inRoom();
    const old = Array.from({ length: 2_500 }, (_, n) => aMessage(roomId, n, { sentAtMs: 1_000 + (n % 7) }));
    const kept = aMessage(roomId, 2_500, { sentAtMs: 1_007 });
    await store.messages.keep([...old, kept]);
    expect(await store.messages.purge(1_007)).toBe(2_500);
    expect(await store.messages.purge(1_007)).toBe(0);
    expect(await store.messages.page(roomId, { limit: 10 })).toEqual([kept]);
  });
});
