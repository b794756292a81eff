import { EndReason, Epoch, SessionId } from '@meridian/protocol';
import { describe, expect, test } from 'vitest';
import { FinalWords } from '../../src/sessions/final-words.ts';

const ann = SessionId.parse('ann');
const epoch = (value: number) => Epoch.parse(value);

describe('the last word on a session', () => {
  test('is said about endings that are meant to last, and about no others', () => {
    const said = EndReason.options.flatMap((reason) => {
      const words = new FinalWords({ keepMs: 1_000 });
      words.note(ann, epoch(5), reason, 0);
      const code = words.on(ann, epoch(5), 0);
      return code === undefined ? [] : [`${reason}: ${code}`];
    });
    expect(said).toEqual([
      'replaced: session-replaced',
      'kicked: session-kicked',
      'room-ended: room-ended',
      'moved: session-replaced',
      'token-revoked: token-revoked',
    ]);
  });

  test('concerns the attachment that ended and older ones, not a later one', () => {
    const words = new FinalWords({ keepMs: 1_000 });
    words.note(ann, epoch(5), 'kicked', 0);
    expect([4, 5, 6].map((value) => words.on(ann, epoch(value), 0))).toEqual([
      'session-kicked',
      'session-kicked',
      undefined,
    ]);
  });

  test('is forgotten in time, and when there are too many', () => {
    const words = new FinalWords({ keepMs: 1_000, most: 2 });
    words.note(ann, epoch(1), 'kicked', 0);
    expect(words.on(ann, epoch(1), 1_000)).toBe('session-kicked');
    expect(words.on(ann, epoch(1), 1_001)).toBeUndefined();
    for (const name of ['bob', 'cid', 'dan']) words.note(SessionId.parse(name), epoch(1), 'kicked', 2_000);
    expect(words.size).toBe(2);
    expect(words.on(SessionId.parse('bob'), epoch(1), 2_000)).toBeUndefined();
    expect(words.on(SessionId.parse('dan'), epoch(1), 2_000)).toBe('session-kicked');
  });
});
