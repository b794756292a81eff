import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalAt, normalCdf, seedOf, uniformAt } from '../../src/wan/model/random.ts';

const DRAWS = 100_000;
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const correlation = (a: readonly number[], b: readonly number[]) => {
  const [meanA, meanB] = [mean(a), mean(b)];
  const covariance = mean(a.map((value, i) => (value - meanA) * ((b[i] ?? Number.NaN) - meanB)));
  return covariance / Math.sqrt(mean(a.map((v) => (v - meanA) ** 2)) * mean(b.map((v) => (v - meanB) ** 2)));
};

describe('random numbers by counter', () => {
  it('lie in [0, 1) and depend on seed and index alone', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (seed, index) => {
        const value = uniformAt(seed, index);
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThan(1);
        expect(uniformAt(seed, index)).toBe(value);
      }),
    );
  });

  it.each([0, 1, 4_711])('fill sixteen bins evenly with seed %i', (seed) => {
    const bins = new Array<number>(16).fill(0);
    for (let i = 0; i < DRAWS; i += 1) {
      const bin = Math.floor(uniformAt(seed, i) * 16);
      bins[bin] = (bins[bin] ?? 0) + 1;
    }
    const expected = DRAWS / 16;
    const chiSquare = bins.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    // 15 degrees of freedom: 99.99 % of good generators stay below 44.
    expect(chiSquare).toBeLessThan(44);
  });

  it('are unrelated from one index to the next and from one stream to another', () => {
    const one = Array.from({ length: DRAWS }, (_, i) => uniformAt(seedOf(1, 'loss'), i));
    const next = Array.from({ length: DRAWS }, (_, i) => uniformAt(seedOf(1, 'loss'), i + 1));
    const other = Array.from({ length: DRAWS }, (_, i) => uniformAt(seedOf(1, 'jitter'), i));
    const nextSeed = Array.from({ length: DRAWS }, (_, i) => uniformAt(seedOf(2, 'loss'), i));
    for (const second of [next, other, nextSeed]) expect(Math.abs(correlation(one, second))).toBeLessThan(0.015);
  });

  it('make normal values with mean 0, deviation 1 and the tails of a normal', () => {
    const values = Array.from({ length: DRAWS }, (_, i) => normalAt(7, i));
    expect(mean(values)).toBeCloseTo(0, 1);
    expect(Math.sqrt(mean(values.map((value) => value ** 2)))).toBeCloseTo(1, 1);
    expect(values.filter((value) => Math.abs(value) > 1.96).length / DRAWS).toBeCloseTo(0.05, 2);
  });

  it('know the normal distribution function', () => {
    for (const [x, p] of [
      [0, 0.5],
      [1, 0.841345],
      [-1.96, 0.024998],
      [3, 0.99865],
    ] as const) {
      expect(normalCdf(x)).toBeCloseTo(p, 5);
    }
  });
});
