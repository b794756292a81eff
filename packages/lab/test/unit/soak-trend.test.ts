import { describe, expect, test } from 'vitest';
import { type Point, trendOf } from '../../src/soak/trend.ts';

/** A figure every two seconds for ten minutes, with noise that repeats. */
const series = (value: (index: number) => number): Point[] =>
  Array.from({ length: 300 }, (_, index) => ({
    atMs: index * 2_000,
    value: value(index) + ((index * 7_919) % 13) / 2,
  }));

describe('the trend of a figure', () => {
  test('is flat where it only moves about', () => {
    expect(
      trendOf(
        series(() => 100),
        5,
      ).verdict,
    ).toBe('flat');
  });

  test('grows where a slow leak hides in the noise, by what it leaks', () => {
    const trend = trendOf(
      series((index) => 100 + index * 0.1),
      5,
    );
    expect(trend.verdict).toBe('grows');
    expect(trend.growth).toBeGreaterThan(25);
    expect(trend.growth).toBeLessThan(35);
  });

  test('is flat where the growth is less than what is allowed, or a single step up and down', () => {
    expect(
      trendOf(
        series((index) => 100 + index * 0.01),
        5,
      ).verdict,
    ).toBe('flat');
    expect(
      trendOf(
        series((index) => (index > 100 && index < 130 ? 500 : 100)),
        5,
      ).verdict,
    ).toBe('flat');
  });

  test('is not judged by a handful of points', () => {
    expect(trendOf(series((index) => index).slice(0, 8), 0).verdict).toBe('too-short');
  });
});
