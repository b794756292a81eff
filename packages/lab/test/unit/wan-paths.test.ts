import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DatagramPath } from '../../src/wan/drivers/datagram-path.ts';
import { StreamPath } from '../../src/wan/drivers/stream-path.ts';
import { Link } from '../../src/wan/link.ts';
import { LinkSettings, type LinkSettingsInput } from '../../src/wan/model/settings.ts';
import { DueQueue, type Scheduler } from '../../src/wan/scheduler.ts';

/** A clock that moves only when told to. */
class VirtualTime implements Scheduler {
  readonly #queue = new DueQueue();
  #now = 0;

  now(): number {
    return this.#now;
  }

  at(dueMs: number, action: (dueMs: number) => void): void {
    this.#queue.push(Math.max(dueMs, this.#now), action);
  }

  runUntil(timeMs: number): void {
    for (let next = this.#queue.nextDueMs; next !== undefined && next <= timeMs; next = this.#queue.nextDueMs) {
      this.#now = Math.max(this.#now, next);
      this.#queue.runDue(this.#now);
    }
    this.#now = timeMs;
  }
}

const linkWith = (settings: LinkSettingsInput, name = 'a link') =>
  new Link({ name, settings: LinkSettings.parse(settings), seed: 1 });

describe('datagrams over a row of links', () => {
  it('take the sum of the delays, with the rate of the slowest', () => {
    const time = new VirtualTime();
    const path = new DatagramPath({
      links: [linkWith({ delayMs: 10, rateBps: 8_000_000 }), linkWith({ delayMs: 30, rateBps: 800_000 })],
      scheduler: time,
    });
    const arrivals: number[] = [];
    // 972 bytes and 28 of headers: 1 ms on the first link, 10 ms on the second.
    for (let i = 0; i < 3; i += 1) path.send(Buffer.alloc(972), () => arrivals.push(time.now()));
    time.runUntil(1_000);
    expect(arrivals).toEqual([51, 61, 71]);
  });

  it('are counted by the link that dropped them', () => {
    const [first, second] = [
      linkWith({ loss: { kind: 'independent', ratio: 0.5 } }, 'first'),
      linkWith({ rateBps: 80_000, queue: { bytes: 1_500 } }, 'second'),
    ];
    const time = new VirtualTime();
    const path = new DatagramPath({ links: [first, second], scheduler: time });
    let arrived = 0;
    for (let i = 0; i < 1_000; i += 1) path.send(Buffer.alloc(472), () => (arrived += 1));
    time.runUntil(60_000);
    expect(first.counters()).toMatchObject({ offered: 1_000, queueDrops: 0, outageDrops: 0 });
    expect(first.counters().delivered + first.counters().lost).toBe(1_000);
    expect(second.counters()).toMatchObject({ offered: first.counters().delivered, delivered: 3, lost: 0 });
    expect(second.counters().queueDrops).toBe(first.counters().delivered - 3);
    expect(arrived).toBe(3);
  });
});

describe('a byte stream over a row of links', () => {
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

  it('arrives complete and in order over any links, however they jitter, lose and cut', () => {
    const anyLink = fc.record({
      delayMs: fc.integer({ min: 20, max: 200 }),
      jitter: fc.option(
        fc.record({
          distribution: fc.constantFrom('uniform' as const, 'normal' as const, 'pareto' as const),
          sdMs: fc.integer({ min: 1, max: 5 }),
          reorder: fc.boolean(),
        }),
      ),
      loss: fc.option(fc.record({ kind: fc.constant('independent' as const), ratio: fc.constantFrom(0.1, 1) })),
      rateBps: fc.option(fc.integer({ min: 100_000, max: 10_000_000 })),
      queue: fc.oneof(fc.constant({ bytes: 1_500 }), fc.constant({ ms: 20 })),
      schedule: fc.constantFrom(
        [],
        [
          { atS: 0.05, change: { outage: true } },
          { atS: 2, change: { outage: false } },
        ],
      ),
    });
    fc.assert(
      fc.property(
        fc.array(anyLink, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 100 }),
        (settings, count) => {
          const time = new VirtualTime();
          const links = settings.map((one) => linkWith(one));
          for (const link of links) link.startSchedule(0);
          const path = new StreamPath({ links, scheduler: time });
          const arrived: number[] = [];
          for (const i of numbers(count)) {
            path.send({ bytes: 1_500, deliver: () => arrived.push(i) });
            if (i % 10 === 0) time.runUntil(time.now() + 7);
          }
          time.runUntil(120_000);
          expect(arrived).toEqual(numbers(count));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('takes as long as its bytes at the rate, even where the queue is small', () => {
    const time = new VirtualTime();
    const path = new StreamPath({
      links: [linkWith({ rateBps: 1_200_000, queue: { bytes: 3_000 } })],
      scheduler: time,
    });
    let last = 0;
    for (const _ of numbers(100)) path.send({ bytes: 1_500, deliver: () => (last = time.now()) });
    time.runUntil(60_000);
    expect(last).toBeGreaterThanOrEqual(1_000);
    expect(last).toBeLessThan(1_050);
  });

  it('stands still during an outage and goes on when it ends, planned or by hand', () => {
    const time = new VirtualTime();
    const link = linkWith({ delayMs: 10 });
    const path = new StreamPath({ links: [link], scheduler: time });
    const arrived: number[] = [];
    link.change({ outage: true }, time.now());
    for (const i of numbers(3)) path.send({ bytes: 100, deliver: () => arrived.push(i) });
    time.runUntil(100_000);
    expect(arrived).toEqual([]);
    link.change({ outage: false }, time.now());
    time.runUntil(100_011);
    expect(arrived).toEqual([0, 1, 2]);
  });

  it('delivers nothing after it was closed', () => {
    const time = new VirtualTime();
    const path = new StreamPath({ links: [linkWith({ delayMs: 10 })], scheduler: time });
    path.send({ bytes: 100, deliver: () => expect.unreachable() });
    path.close();
    path.send({ bytes: 100, deliver: () => expect.unreachable() });
    time.runUntil(1_000);
  });
});
