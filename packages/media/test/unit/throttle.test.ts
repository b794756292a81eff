import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Throttle } from '../../src/room/throttle.ts';

describe('a throttle', () => {
  let runs: number[];
  let throttle: Throttle;

  beforeEach(() => {
    vi.useFakeTimers({ now: 0 });
    runs = [];
    throttle = new Throttle({
      everyMs: 300,
      clock: { nowMs: () => Date.now() },
      action: () => runs.push(Date.now()),
    });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it('runs the first call at once and makes one of those that come too soon', () => {
    throttle.call();
    vi.advanceTimersByTime(100);
    throttle.call();
    throttle.call();
    vi.advanceTimersByTime(1_000);
    throttle.call();

    expect(runs).toEqual([0, 300, 1_100]);
  });

  it('never runs twice within the interval, and never loses the last call', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 50 }), (pauses) => {
        runs = [];
        vi.advanceTimersByTime(1_000);
        let lastCallMs = 0;
        for (const pauseMs of pauses) {
          vi.advanceTimersByTime(pauseMs);
          lastCallMs = Date.now();
          throttle.call();
        }
        vi.advanceTimersByTime(300);

        for (const [i, at] of runs.entries()) if (i > 0) expect(at - (runs[i - 1] ?? 0)).toBeGreaterThanOrEqual(300);
        expect(runs.at(-1)).toBeGreaterThanOrEqual(lastCallMs);
      }),
    );
  });

  it('runs no more once it is closed', () => {
    throttle.call();
    throttle.call();
    throttle.close();
    throttle.call();
    vi.advanceTimersByTime(1_000);

    expect(runs).toEqual([0]);
  });
});
