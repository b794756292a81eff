import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { armOrders } from '../../src/analysis/design.ts';
import { compare, type PairedSeries } from '../../src/analysis/effects.ts';
import { quantile } from '../../src/analysis/quantile.ts';
import { findingOf, interactivityOf, type Judged, verdictOf } from '../../src/analysis/verdict.ts';
import { normalAt, seedOf, uniformAt } from '../../src/wan/model/random.ts';

const latency: Judged = { name: 'latency', title: 'latency', unit: 'ms', better: 'lower', matters: 20, digits: 1 };

/** Blocks that share a drift, with noise of deviation 1 and a known effect. */
function simulated(options: {
  seed: number;
  blocks: number;
  effect: number;
  noise?: (stream: number, index: number) => number;
  name?: string;
}): PairedSeries {
  const { seed, blocks, effect, noise = normalAt, name = 'latency' } = options;
  const own = seedOf(seed, name);
  const shared = seedOf(seed, 'drift');
  const value = (arm: number, block: number) => 100 + 5 * normalAt(shared, block) + noise(own, arm * 1_000 + block);
  return {
    name,
    arm: Array.from({ length: blocks }, (_, block) => value(0, block) + effect),
    reference: Array.from({ length: blocks }, (_, block) => value(1, block)),
    resolution: 0.01,
  };
}

describe('the order of the arms', () => {
  test('rotates, and every arm stands in every place equally often', () => {
    expect(armOrders(3, 3)).toEqual([
      [0, 1, 2],
      [2, 0, 1],
      [1, 2, 0],
    ]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 4 }), (arms, rounds) => {
        const orders = armOrders(arms, arms * rounds);
        for (let place = 0; place < arms; place += 1) {
          const count = new Map<number, number>();
          for (const order of orders) count.set(order[place] ?? -1, (count.get(order[place] ?? -1) ?? 0) + 1);
          expect([...count.values()]).toEqual(Array.from({ length: arms }, () => rounds));
        }
      }),
    );
  });

  test('two arms also follow each other in both orders', () => {
    expect(armOrders(2, 4)).toEqual([
      [0, 1],
      [1, 0],
      [1, 0],
      [0, 1],
    ]);
  });

  test('a design of nothing is refused', () => {
    expect(() => armOrders(0, 3)).toThrow(RangeError);
    expect(() => armOrders(2, 0)).toThrow(RangeError);
  });
});

test('quantiles interpolate between neighbours', () => {
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
  expect(quantile([1, 2, 3, 4, 5], 0.95)).toBeCloseTo(4.8);
  expect(quantile([], 0.5)).toBeNaN();
});

describe('paired effects', () => {
  test('a known effect is recovered with sign and size although the blocks drift by more', () => {
    for (const effect of [-50, -3, 3, 50]) {
      const [found] = compare([simulated({ seed: 7, blocks: 10, effect })], { seed: 1 });
      expect(found?.difference).toBeGreaterThan(effect - 1.5);
      expect(found?.difference).toBeLessThan(effect + 1.5);
      expect(Math.sign(found?.interval?.low ?? 0)).toBe(Math.sign(effect));
      expect(Math.sign(found?.interval?.high ?? 0)).toBe(Math.sign(effect));
    }
  });

  test.each([
    { kind: 'normal', noise: normalAt },
    { kind: 'skewed', noise: (stream: number, index: number) => -Math.log(1 - uniformAt(stream, index)) },
    {
      kind: 'mostly zero',
      noise: (stream: number, index: number) =>
        uniformAt(stream, index) < 0.8 ? 0 : -5 * Math.log(1 - uniformAt(stream, 5_000 + index)),
    },
  ])('without an effect, six figures of $kind noise give no finding in 95 % of seeds', ({ noise }) => {
    for (const blocks of [6, 10]) {
      const seeds = 300;
      let wrong = 0;
      for (let seed = 0; seed < seeds; seed += 1) {
        const series = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) =>
          simulated({ seed, blocks, effect: 0, noise, name }),
        );
        const effects = compare(series, { seed, resamples: 400 });
        if (effects.some(({ jointInterval: at }) => at !== undefined && (at.low > 0 || at.high < 0))) wrong += 1;
      }
      // 5 % and what 300 seeds may be off by chance in one of a hundred thousand runs; the seeds are fixed.
      expect(wrong / seeds).toBeLessThanOrEqual(0.05 + 0.02);
    }
  });

  test('a block that lacks a figure in one arm is left out of that figure alone', () => {
    const whole = simulated({ seed: 3, blocks: 8, effect: 4, name: 'whole' });
    const holed = { ...simulated({ seed: 3, blocks: 8, effect: 4, name: 'holed' }) };
    const arm = holed.arm.map((value, block) => (block === 2 ? null : value));
    const [first, second] = compare([whole, { ...holed, arm }], { seed: 1 });
    expect([first?.blocks, second?.blocks]).toEqual([8, 7]);
  });

  test('too few blocks give a difference but no interval', () => {
    const [found] = compare([simulated({ seed: 1, blocks: 4, effect: 4 })], { seed: 1 });
    expect(found?.difference).toBeTypeOf('number');
    expect(found?.interval).toBeUndefined();
    expect(findingOf({ difference: 4, jointInterval: undefined }, latency)).toBe('too-few');
  });

  test('an arm without a figure is not found to be alike', () => {
    const verdict = verdictOf({ arm: 'one', reference: 'other', effects: [], judged: [latency] });
    expect(verdict).toMatchObject({ outcome: 'too-few', headline: expect.stringContaining('Too few valid blocks') });
  });

  test('the same seed gives the same intervals', () => {
    const series = [simulated({ seed: 5, blocks: 10, effect: 1 })];
    expect(compare(series, { seed: 9 })).toEqual(compare(series, { seed: 9 }));
  });

  test('equal figures in both arms are no difference', () => {
    const flat = { name: 'flat', arm: Array(8).fill(30), reference: Array(8).fill(30), resolution: 1 };
    const [found] = compare([flat], { seed: 1 });
    expect(found?.difference).toBe(0);
    expect(found?.jointInterval?.low).toBeLessThanOrEqual(0);
    expect(found?.jointInterval?.high).toBeGreaterThanOrEqual(0);
  });

  test('series of different lengths are refused', () => {
    const broken = { name: 'x', arm: [1, 2], reference: [1], resolution: 1 };
    expect(() => compare([broken], { seed: 1 })).toThrow('"x" has 2 and 1 blocks');
  });
});

describe('the verdict', () => {
  const effect = (name: string, low: number, high: number) => ({
    name,
    blocks: 10,
    armMean: 0,
    referenceMean: 0,
    difference: (low + high) / 2,
    interval: { low, high },
    jointInterval: { low, high },
  });

  test.each([
    [-60, -40, 'better'],
    [40, 60, 'worse'],
    [-12, -4, 'slightly-better'],
    [4, 12, 'slightly-worse'],
    [-15, 10, 'same'],
    [-15, 45, 'not-found'],
  ] as const)('an interval of %d to %d ms around what matters (20 ms) is %s', (low, high, finding) => {
    expect(findingOf(effect('latency', low, high), latency)).toBe(finding);
  });

  test('more of what ought to be more is better', () => {
    expect(findingOf(effect('rate', 1, 2), { ...latency, name: 'rate', better: 'higher', matters: 0.5 })).toBe(
      'better',
    );
  });

  test('says no difference found where that is what the interval says', () => {
    const verdict = verdictOf({ arm: 'A', reference: 'B', effects: [effect('latency', -15, 45)], judged: [latency] });
    expect(verdict.outcome).toBe('no-difference');
    expect(verdict.headline).toBe('No difference found between "A" and "B".');
    expect(verdict.sentences).toEqual(['Latency: no difference found (interval −15.0 ms to 45.0 ms).']);
  });

  test('a gain in one figure and a loss in another are a trade, not a win', () => {
    const freezes: Judged = { ...latency, name: 'freezes', title: 'freezes', unit: '%', matters: 1 };
    const verdict = verdictOf({
      arm: 'relayed',
      reference: 'direct',
      effects: [effect('latency', 20, 40), effect('freezes', -6, -4)],
      judged: [latency, freezes],
    });
    expect(verdict.outcome).toBe('mixed');
    expect(verdict.headline).toContain('better in freezes; worse in latency');
  });

  test('a slight gain does not outweigh a loss that matters', () => {
    const freezes: Judged = { ...latency, name: 'freezes', title: 'freezes', unit: '%', matters: 10 };
    const effects = [effect('latency', 20, 40), effect('freezes', -6, -4)];
    expect(verdictOf({ arm: 'A', reference: 'B', effects, judged: [latency, freezes] }).outcome).toBe('worse');
  });

  test('mouth to ear is graded by G.114', () => {
    expect([100, 150, 400, 401].map(interactivityOf)).toEqual(['good', 'acceptable', 'acceptable', 'unacceptable']);
  });
});
