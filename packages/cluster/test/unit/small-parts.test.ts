import { MessageId } from '@meridian/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { messageIdOf } from '../../src/chat-outbox.ts';
import { CommandCounter } from '../../src/index.ts';
import { keysOf, roomOfNodesKey } from '../../src/keys.ts';
import { RecentIds } from '../../src/recent-ids.ts';
import { encode } from '../../src/records.ts';
import { backOffMs } from '../../src/redis/clients.ts';

describe('recent ids', () => {
  it('know the last so many and forget the others', () => {
    const recent = new RecentIds(2);
    expect(['a', 'a', 'b', 'c', 'b', 'a'].map((id) => recent.add(id))).toEqual([true, false, true, true, false, true]);
  });
});

describe('message ids', () => {
  it('sort as text exactly as time and number do', () => {
    const entry = fc.tuple(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 0, max: 99_999_999 }));
    fc.assert(
      fc.property(entry, entry, (a, b) => {
        const [idA, idB] = [a, b].map(([ms, sequence]) => messageIdOf(ms, sequence));
        expect(MessageId.parse(idA)).toBe(idA);
        expect(Math.sign(a[0] - b[0] || a[1] - b[1])).toBe(idA === idB ? 0 : (idA ?? '') < (idB ?? '') ? -1 : 1);
      }),
    );
  });
});

describe('back-off', () => {
  it('grows from tens of milliseconds to a second and no further', () => {
    const longest = Array.from({ length: 20 }, (_, attempt) => backOffMs(attempt, () => 1));
    expect(longest.slice(0, 6)).toEqual([50, 100, 200, 400, 800, 1_000]);
    expect(Math.max(...longest)).toBe(1_000);
    expect(backOffMs(10_000, () => 0)).toBe(500);
  });
});

describe('keys', () => {
  it('refuse a prefix that could break a hash tag', () => {
    for (const prefix of ['', '{a}', 'a b', 'a*', '-a']) {
      expect(() => keysOf(prefix)).toThrow(expect.objectContaining({ code: 'config-invalid' }));
    }
  });

  it('lead back from a found key to its room', () => {
    expect(roomOfNodesKey('m', 'm:{r:room_1}:nodes')).toBe('room_1');
    expect(roomOfNodesKey('m', 'm:{r:room_1}:places')).toBeUndefined();
    expect(roomOfNodesKey('m', 'x:{r:room_1}:nodes')).toBeUndefined();
  });
});

describe('records', () => {
  it('hold well-formed text only: the JSON of Redis refuses lone surrogates', () => {
    expect(encode({ name: 'a\ud800b', nested: ['\udc00'] })).toBe('{"name":"a\ufffdb","nested":["\ufffd"]}');
  });
});

describe('the command counter', () => {
  it('counts by name until it is reset', () => {
    const counter = new CommandCounter();
    for (const name of ['a', 'b', 'a']) counter.command(name);
    expect(counter.counts()).toEqual({ a: 2, b: 1 });
    expect(counter.total).toBe(3);
    counter.reset();
    expect(counter.total).toBe(0);
  });
});
