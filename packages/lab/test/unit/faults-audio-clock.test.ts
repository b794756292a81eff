import { describe, expect, test } from 'vitest';
import { audioClock } from '../../src/faults/audio-clock.ts';

const KEPT_MS = 100;

/**
 * A clock whose context has listened to so much when it is ready to say so, every 100 ms, and whose messages come so much late.
 * @param behindMs how far the context is behind at a moment on its clock
 */
function clockOf(untilMs: number, behindMs: (audioMs: number) => number, lateMs: (audioMs: number) => number) {
  const clock = audioClock(KEPT_MS);
  for (let audioMs = 100; audioMs <= untilMs; audioMs += 100) {
    clock.told(audioMs, 50_000 + audioMs + behindMs(audioMs) + lateMs(audioMs));
  }
  return clock;
}

/** As from a page that is busy half of the time. */
const late = (audioMs: number): number => (audioMs % 1_000) / 20;

describe('when something was heard', () => {
  test('is known as well as the promptest message, though the others come late', () => {
    const clock = clockOf(10_000, () => 0, late);
    expect([20, 1_230, 5_555, 9_980].map(clock.wallOf)).toEqual([50_020, 51_230, 55_555, 59_980]);
  });

  test('is now for what is heard now, however far the context has fallen behind', () => {
    const clock = clockOf(10_000, (audioMs) => (audioMs > 4_000 ? 2_500 : 0), late);
    expect(clock.wallOf(10_000)).toBe(62_500);
    expect(clock.wallOf(4_500)).toBe(57_000);
  });

  test('stays what it was for what was heard before that', () => {
    const clock = clockOf(10_000, (audioMs) => (audioMs > 4_000 ? 2_500 : 0), late);
    expect([1_230, 3_000].map(clock.wallOf)).toEqual([51_230, 53_000]);
  });

  test('is followed through a context that falls behind all the time', () => {
    const clock = clockOf(
      20_000,
      (audioMs) => audioMs / 4,
      () => 0,
    );
    expect([1_000, 10_000, 20_000].map(clock.wallOf)).toEqual([51_250, 62_500, 75_000]);
  });
});

describe('a sound that went on', () => {
  test('is one spell where the context went on as well', () => {
    expect(clockOf(10_000, () => 0, late).onWall([1_000, 9_000])).toEqual([[51_000, 59_000]]);
  });

  test('is one spell where the browser kept what came in a pause of the context', () => {
    const clock = clockOf(
      10_000,
      (audioMs) => (audioMs > 4_000 ? 80 : 0),
      () => 0,
    );
    expect(clock.onWall([1_000, 9_000])).toEqual([[51_000, 59_080]]);
  });

  test('was not heard while the context paused for longer', () => {
    const clock = clockOf(
      10_000,
      (audioMs) => (audioMs > 4_000 ? 900 : 0),
      () => 0,
    );
    expect(clock.onWall([1_000, 9_000])).toEqual([
      [51_000, 54_000],
      [54_900, 59_900],
    ]);
    expect(clock.onWall([5_000, 9_000])).toEqual([[55_900, 59_900]]);
  });

  test('is no silence for messages that come late', () => {
    const clock = clockOf(
      10_000,
      () => 0,
      (audioMs) => Math.max(0, 4_500 - Math.abs(audioMs - 4_500)) / 2,
    );
    expect(clock.onWall([1_000, 9_500])).toEqual([[51_000, 59_500]]);
  });
});

test('a silence is as long as it was by the wall, though the context lost time in it', () => {
  const clock = clockOf(10_000, (audioMs) => (audioMs > 4_000 ? 700 : 0), late);
  const [before, after] = [[1_000, 3_000] as const, [5_000, 9_000] as const].map((spell) => clock.onWall(spell));
  expect(before).toEqual([[51_000, 53_000]]);
  expect(after).toEqual([[55_700, 59_700]]);
});
