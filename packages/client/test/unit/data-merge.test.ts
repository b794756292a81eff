import { DataProducerId, SessionId } from '@meridian/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataMerge, joinLogs } from '../../src/media/data-merge.ts';
import type { DataMessage } from '../../src/media/receiver.ts';

const FROM = DataProducerId.parse('d1');
const message = (payload: string | ArrayBuffer): DataMessage => ({
  sessionId: SessionId.parse('s-other'),
  label: 'x',
  payload,
});
const texts = (payloads: readonly string[]) => payloads.map((payload) => message(payload));

describe('the logs of two ways', () => {
  const cases = [
    ['both at the same point', ['a', 'b', 'c'], ['b', 'c'], [], []],
    ['the new one is ahead', ['a', 'b'], ['b', 'c', 'd'], ['c', 'd'], []],
    ['the new one is behind', ['a', 'b', 'c', 'd'], ['b', 'c'], [], ['d']],
    ['nothing came over the old one', [], ['a'], ['a'], []],
    ['nothing came over the new one', ['a'], [], [], []],
    ['the same message several times, both at the same point', ['a', 'a', 'a'], ['a'], [], []],
    ['they have nothing in common', ['a'], ['b'], ['b'], []],
  ] as const;
  it.each(cases)('are joined where %s', (_what, old, next, fresh, repeats) => {
    expect(joinLogs(texts(old), texts(next))).toEqual({ fresh: texts(fresh), repeats: texts(repeats) });
  });

  it('compare bytes by their contents', () => {
    const bytes = (...values: number[]) => message(Uint8Array.from(values).buffer);
    expect(joinLogs([bytes(1), bytes(2)], [bytes(2), bytes(3)]).fresh).toEqual([bytes(3)]);
  });
});

describe('messages during a move', () => {
  it('are delivered once each, wherever the ways stand at the cut', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 12 }),
        fc.nat({ max: 12 }),
        fc.nat({ max: 12 }),
        fc.nat({ max: 12 }),
        (count, a, b, c) => {
          // The new way begins at `start`; at the cut the old one has brought `old`, the new one `next` messages.
          const start = Math.min(a, count);
          const old = Math.max(start, Math.min(b, count));
          // Something has come over both, or neither is behind.
          const next = Math.max(Math.min(c, count), Math.min(start + 1, old));
          const delivered: unknown[] = [];
          const merge = new DataMerge(({ payload }) => delivered.push(payload));
          const send = (way: 'fromOld' | 'fromNew', from: number, to: number) => {
            for (let index = from; index < to; index += 1) merge[way](message(`m${index}`), FROM);
          };
          send('fromNew', 0, 0);
          merge.begin();
          send('fromOld', 0, old);
          send('fromNew', start, Math.max(start, next));
          merge.cut();
          send('fromOld', old, count);
          send('fromNew', Math.max(start, next), count);
          expect(delivered).toEqual(Array.from({ length: count }, (_, index) => `m${index}`));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('of a way that failed are forgotten: the old one goes on', () => {
    const delivered: unknown[] = [];
    const merge = new DataMerge(({ payload }) => delivered.push(payload));
    merge.begin();
    merge.fromOld(message('a'), FROM);
    merge.fromNew(message('a'), FROM);
    merge.cancel();
    merge.fromNew(message('b'), FROM);
    expect(delivered).toEqual(['a', 'b']);
  });
});
