import { MeridianError } from '@meridian/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SharedCounter } from '../../src/limits/shared-counter.ts';

const MINUTE_MS = 60_000;

/** What Redis does, without Redis. */
class FakeShared {
  counts = new Map<string, number>();
  calls = 0;
  down = false;

  count = async (name: string, who: string, amount: number) => {
    this.calls += 1;
    if (this.down) throw new MeridianError('cluster-unavailable');
    const count = (this.counts.get(`${name} ${who}`) ?? 0) + amount;
    this.counts.set(`${name} ${who}`, count);
    return { count, resetMs: MINUTE_MS };
  };
}

function aCounter(limit: number, shared = new FakeShared()) {
  const clock = { ms: 0 };
  const unshared: unknown[] = [];
  const counter = new SharedCounter({
    name: 'test',
    limit,
    windowMs: MINUTE_MS,
    shared,
    isShared: () => !shared.down,
    now: () => clock.ms,
    mostKeys: 2,
    onUnshared: (cause) => unshared.push(cause),
  });
  const passes = async (key = 'somebody') => {
    const passed = await counter.take(key).then(
      () => true,
      () => false,
    );
    // What is reported in the background has come through.
    await new Promise((resolve) => setImmediate(resolve));
    return passed;
  };
  return { counter, clock, shared, unshared, passes };
}

describe('a limit that all instances share', () => {
  test('costs Redis nothing for those who stay far below it', async () => {
    const { shared, passes } = aCounter(1_000);
    for (let i = 0; i < 100; i += 1) expect(await passes()).toBe(true);
    expect(shared.calls).toBe(0);
  });

  test('is exact where it is small', async () => {
    const shared = new FakeShared();
    const [one, two] = [aCounter(10, shared), aCounter(10, shared)];
    const outcomes = [];
    for (let i = 0; i < 10; i += 1) outcomes.push(await one.passes(), await two.passes());
    expect(outcomes.filter(Boolean)).toHaveLength(10);
  });

  test('lets n instances pass at most n * 15 % more, however requests are spread over them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.nat({ max: 3 }), { minLength: 0, maxLength: 1_200 }),
        async (limit, instances, order) => {
          const shared = new FakeShared();
          const counters = Array.from({ length: instances }, () => aCounter(limit, shared));
          let passed = 0;
          for (const which of order) {
            const { counter } = counters[which % instances] ?? aCounter(limit);
            const { current } = await counter.hit('somebody');
            if (current <= limit) passed += 1;
            await Promise.resolve();
          }
          // Nobody is refused before the limit, and few pass beyond it.
          expect(passed).toBeGreaterThanOrEqual(Math.min(order.length, limit));
          expect(passed).toBeLessThanOrEqual(limit + Math.ceil(instances * limit * 0.15));
        },
      ),
      { numRuns: 100 },
    );
  });

  test('is counted alone while Redis is away, and reported when it is back', async () => {
    const { counter, shared, unshared, passes } = aCounter(10);
    shared.down = true;
    const outcomes = [];
    for (let i = 0; i < 12; i += 1) outcomes.push(await passes());
    expect(outcomes.filter(Boolean)).toHaveLength(10);
    shared.down = false;
    await counter.hit('somebody');
    expect([...shared.counts.values()]).toEqual([13]);
    expect(unshared).toEqual([]);
  });

  test('does not fail with Redis in the middle of a request', async () => {
    const shared = new FakeShared();
    const { counter, unshared } = aCounter(10, shared);
    shared.count = async () => {
      throw new MeridianError('cluster-unavailable');
    };
    expect((await counter.hit('somebody')).current).toBe(1);
    expect(unshared).toHaveLength(1);
  });

  test('begins anew with its window, and remembers a bounded number of keys', async () => {
    const { counter, clock, passes } = aCounter(1);
    expect([await passes(), await passes()]).toEqual([true, false]);
    clock.ms += MINUTE_MS + 1;
    for (const key of ['a', 'b', 'c', 'd']) await passes(key);
    expect(counter.size).toBe(2);
  });
});
