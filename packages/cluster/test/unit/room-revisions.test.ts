import { RoomId } from '@meridian/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RevisionTracker } from '../../src/room-revisions.ts';

const room = RoomId.parse('r1');

describe('the revisions of a room', () => {
  it('start with whatever comes first', () => {
    const tracker = new RevisionTracker();
    expect([7, 8, 9].map((revision) => tracker.event(room, revision))).toEqual(['deliver', 'deliver', 'deliver']);
  });

  it('tell a skipped one, once', () => {
    const tracker = new RevisionTracker();
    expect([1, 3, 4].map((revision) => tracker.event(room, revision))).toEqual(['deliver', 'gap', 'deliver']);
  });

  it('tell that the first event after entering is missing', () => {
    const tracker = new RevisionTracker();
    tracker.entered(room, 10, true);
    expect(tracker.event(room, 12)).toBe('gap');
  });

  it('tell it also when the events came before the answer to the entering', () => {
    const tracker = new RevisionTracker();
    expect(tracker.event(room, 12)).toBe('deliver');
    expect(tracker.entered(room, 10, true)).toBe(true);
    expect(tracker.event(room, 13)).toBe('deliver');
  });

  it('take no notice of what happened while the node was out of the room', () => {
    const tracker = new RevisionTracker();
    tracker.entered(room, 10, true);
    tracker.event(room, 11);
    tracker.left(room, 12);
    expect(tracker.event(room, 12)).toBe('deliver');
    tracker.entered(room, 90, true);
    expect(tracker.event(room, 91)).toBe('deliver');
  });

  it('drop what is older than what is known', () => {
    const tracker = new RevisionTracker();
    tracker.entered(room, 10, true);
    expect(tracker.event(room, 10)).toBe('old');
    expect(tracker.event(room, 11)).toBe('deliver');
    expect(tracker.event(room, 11)).toBe('old');
  });

  it('of rooms that somebody has made up are forgotten, and those of rooms that were entered are not', () => {
    const tracker = new RevisionTracker();
    tracker.entered(room, 10, true);
    for (let i = 0; i < 100_000; i += 1) tracker.event(RoomId.parse(`made-up-${i}`), 7);
    expect(tracker.size).toBeLessThan(2_000);
    expect(tracker.event(room, 11)).toBe('deliver');
    expect(tracker.event(room, 13)).toBe('gap');
  });

  it('of a room whose event was forgotten meanwhile: the next one tells that something is missing', () => {
    const tracker = new RevisionTracker();
    tracker.event(room, 11);
    for (let i = 0; i < 2_000; i += 1) tracker.event(RoomId.parse(`made-up-${i}`), 7);
    expect(tracker.entered(room, 10, true)).toBe(false);
    expect(tracker.event(room, 12)).toBe('gap');
  });

  it('of rooms that were left, and whose last event was lost, are forgotten', () => {
    const tracker = new RevisionTracker();
    for (let i = 0; i < 5_000; i += 1) {
      tracker.entered(RoomId.parse(`left-${i}`), 7, true);
      tracker.left(RoomId.parse(`left-${i}`), 9);
    }
    expect(tracker.size).toBeLessThan(2_000);
  });

  it('never miss a loss between entering and leaving, whatever is lost', () => {
    const losses = fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { maxLength: 10 });
    fc.assert(
      fc.property(losses, fc.boolean(), (lost, answerLate) => {
        const tracker = new RevisionTracker();
        const revisions = Array.from({ length: 31 }, (_, i) => i + 1).filter((revision) => !lost.includes(revision));
        let gaps = 0;
        if (!answerLate) tracker.entered(room, 0, true);
        for (const [i, revision] of revisions.entries()) {
          if (tracker.event(room, revision) === 'gap') gaps += 1;
          if (i === 0 && answerLate && tracker.entered(room, 0, true)) gaps += 1;
        }
        const runs = revisions.filter((revision, i) => revision !== (revisions[i - 1] ?? 0) + 1).length;
        expect(gaps).toBe(runs);
      }),
    );
  });
});
