import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DueQueue, monotonicMs, PreciseScheduler } from '../../src/wan/scheduler.ts';

describe('the queue of what is due', () => {
  it('runs everything due, earliest first, and the same time in the order given', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 })), fc.integer({ min: 0, max: 20 }), (times, now) => {
        const queue = new DueQueue();
        const ran: { dueMs: number; index: number }[] = [];
        for (const [index, dueMs] of times.entries()) queue.push(dueMs, (due) => ran.push({ dueMs: due, index }));

        queue.runDue(now);

        const expected = times.map((dueMs, index) => ({ dueMs, index })).filter(({ dueMs }) => dueMs <= now);
        expect(ran).toEqual(expected.sort((a, b) => a.dueMs - b.dueMs || a.index - b.index));
        expect(queue.size).toBe(times.length - ran.length);
        const left = times.filter((dueMs) => dueMs > now);
        expect(queue.nextDueMs).toBe(left.length === 0 ? undefined : Math.min(...left));
      }),
    );
  });

  it('also runs what actions add, if it is due by then', () => {
    const queue = new DueQueue();
    const ran: string[] = [];
    queue.push(1, () => {
      ran.push('first');
      queue.push(2, () => ran.push('added and due'));
      queue.push(9, () => ran.push('added and not due'));
    });
    queue.runDue(5);
    expect(ran).toEqual(['first', 'added and due']);
  });
});

describe('the clock', () => {
  it("is the machine's monotonic one", () => {
    const hrtimeMs = (): number => Number(process.hrtime.bigint()) / 1e6;
    for (let i = 0; i < 100; i += 1) {
      const [before, now, after] = [hrtimeMs(), monotonicMs(), hrtimeMs()];
      // Set by trials, one of which was not interrupted for longer than this.
      expect(now).toBeGreaterThan(before - 0.05);
      expect(now).toBeLessThanOrEqual(after);
    }
  });
});

describe('the precise scheduler', () => {
  it('runs far, near and past times in their order and never before their time', async () => {
    const scheduler = new PreciseScheduler();
    const start = scheduler.now();
    const order: number[] = [];
    await new Promise<void>((resolve) => {
      for (const offset of [12, 0.3, -5, 6, 2, 2.1]) {
        scheduler.at(start + offset, (dueMs) => {
          expect(scheduler.now()).toBeGreaterThanOrEqual(dueMs);
          order.push(offset);
          if (offset === 12) resolve();
        });
      }
    });
    scheduler.close();
    expect(order).toEqual([-5, 0.3, 2, 2.1, 6, 12]);
  });

  it('goes round the event loop no more than once for what is due in a moment', async () => {
    const scheduler = new PreciseScheduler();
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      scheduler.at(scheduler.now() + 0.15, () => order.push('due'));
      setImmediate(() => {
        order.push('the rest of the first round');
        resolve();
      });
    });
    scheduler.close();
    expect(order).toEqual(['due', 'the rest of the first round']);
  });

  it('runs nothing after it was closed', async () => {
    const scheduler = new PreciseScheduler();
    let ran = false;
    scheduler.at(scheduler.now() + 1, () => {
      ran = true;
    });
    scheduler.close();
    scheduler.at(scheduler.now(), () => {
      ran = true;
    });
    const other = new PreciseScheduler();
    await new Promise<void>((resolve) => other.at(other.now() + 5, () => resolve()));
    other.close();
    expect(ran).toBe(false);
  });
});
