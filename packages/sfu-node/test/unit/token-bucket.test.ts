import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TokenBucket } from '../../src/token-bucket.ts';

describe('a token bucket', () => {
  test('lets a burst through, then says how long to wait', () => {
    const bucket = new TokenBucket({ perSecond: 10, burst: 3 }, 0);
    expect([0, 0, 0, 0].map((now) => bucket.take(now))).toEqual([0, 0, 0, 100]);
    expect(bucket.take(99)).toBe(1);
    expect(bucket.take(100)).toBe(0);
  });

  test('never grants more than the burst and what time has brought, and keeps its word on waiting', () => {
    fc.assert(
      fc.property(
        fc.record({ perSecond: fc.integer({ min: 1, max: 1_000 }), burst: fc.integer({ min: 1, max: 50 }) }),
        fc.array(fc.integer({ min: 0, max: 500 }), { maxLength: 200 }),
        (options, gaps) => {
          const bucket = new TokenBucket(options, 0);
          let now = 0;
          let granted = 0;
          for (const gap of gaps) {
            now += gap;
            const wait = bucket.take(now);
            if (wait === 0) granted += 1;
            else {
              expect(wait).toBeLessThanOrEqual(Math.ceil(1_000 / options.perSecond));
              now += wait;
              expect(bucket.take(now)).toBe(0);
              granted += 1;
            }
            expect(granted).toBeLessThanOrEqual(options.burst + (now * options.perSecond) / 1_000 + 1e-6);
          }
        },
      ),
    );
  });

  test('a clock that runs backwards brings no tokens', () => {
    const bucket = new TokenBucket({ perSecond: 1, burst: 1 }, 1_000);
    expect(bucket.take(1_000)).toBe(0);
    expect(bucket.take(0)).toBeGreaterThan(0);
    expect(bucket.take(1_000)).toBeGreaterThan(0);
  });
});
