import { describe, expect, test } from 'vitest';
import { outageOfFrames, outageOfSound } from '../../src/faults/gaps.ts';

const window = { fromMs: 0, faultMs: 2_000, untilMs: 10_000 };
/** A frame every 50 ms. */
const frames = (fromMs: number, toMs: number) =>
  Array.from({ length: Math.round((toMs - fromMs) / 50) + 1 }, (_, index) => fromMs + index * 50);

describe('how long a picture was gone', () => {
  test('is the longest pause, and back is when it ends', () => {
    expect(outageOfFrames([...frames(0, 2_100), ...frames(2_900, 10_000)], window)).toEqual({
      gapMs: 800,
      gapAtMs: 100,
      backAfterMs: 900,
      usualGapMs: 50,
    });
  });

  test('a picture that comes and goes again is back with the last time', () => {
    const moments = [...frames(0, 2_000), ...frames(2_800, 3_000), ...frames(4_000, 10_000)];
    expect(outageOfFrames(moments, window)).toMatchObject({ gapMs: 1_000, backAfterMs: 2_000 });
  });

  test('a stutter long after that is a gap, but says nothing of when it was back', () => {
    const moments = [...frames(0, 2_000), ...frames(2_800, 8_000), ...frames(8_400, 10_000)];
    expect(outageOfFrames(moments, window)).toMatchObject({ gapMs: 800, backAfterMs: 800 });
  });

  test('one that never comes back is gone until the end', () => {
    expect(outageOfFrames(frames(0, 2_000), window)).toMatchObject({ gapMs: 8_000, backAfterMs: 8_000 });
  });

  test('one that went on was never gone', () => {
    expect(outageOfFrames(frames(0, 10_000), window)).toMatchObject({ gapMs: 50, backAfterMs: 0, usualGapMs: 50 });
  });

  test('nothing is said where there was no picture before', () => {
    expect(outageOfFrames(frames(3_000, 10_000), window)).toBeNull();
    expect(outageOfFrames([], window)).toBeNull();
  });
});

describe('how long somebody could not be heard', () => {
  test('is the longest pause between two spells, however they overlap', () => {
    const spells: [number, number][] = [
      [0, 2_100],
      [500, 1_000],
      [2_700, 10_000],
    ];
    expect(outageOfSound(spells, window)).toEqual({ gapMs: 600, gapAtMs: 100, backAfterMs: 700, usualGapMs: 0 });
  });

  test('includes a silence that lasts to the end', () => {
    expect(outageOfSound([[0, 4_000]], window)).toMatchObject({ gapMs: 6_000, backAfterMs: 8_000 });
  });

  test('is nothing where the sound went on', () => {
    expect(outageOfSound([[0, 10_020]], window)).toEqual({ gapMs: 0, gapAtMs: 0, backAfterMs: 0, usualGapMs: 0 });
  });
});
