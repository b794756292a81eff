import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LinkModel, type Verdict } from '../../src/wan/model/link-model.ts';
import { LinkSettings, type LinkSettingsInput, meanLoss } from '../../src/wan/model/settings.ts';

const linkWith = (settings: LinkSettingsInput, seed = 1) =>
  new LinkModel({ settings: LinkSettings.parse(settings), seed });
const outAt = (verdict: Verdict | undefined): number => (verdict?.kind === 'deliver' ? verdict.atMs : Number.NaN);
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const deviation = (values: readonly number[]) => {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
};

/** Packets one after another: gaps in milliseconds and sizes in bytes. */
const traffic = fc.array(
  fc.record({ gapMs: fc.double({ min: 0, max: 20, noNaN: true }), bytes: fc.integer({ min: 28, max: 1_500 }) }),
  { minLength: 1, maxLength: 200 },
);
const anyLink: fc.Arbitrary<LinkSettingsInput> = fc.record({
  delayMs: fc.integer({ min: 60, max: 200 }),
  jitter: fc.option(
    fc.record({
      distribution: fc.constantFrom('uniform' as const, 'normal' as const, 'pareto' as const),
      sdMs: fc.double({ min: 0.1, max: 15, noNaN: true }),
      reorder: fc.boolean(),
    }),
  ),
  loss: fc.option(
    fc.oneof(
      fc.record({ kind: fc.constant('independent' as const), ratio: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({
        kind: fc.constant('gilbert-elliott' as const),
        goodToBad: fc.double({ min: 0, max: 1, noNaN: true }),
        badToGood: fc.double({ min: 0.01, max: 1, noNaN: true }),
      }),
    ),
  ),
  rateBps: fc.option(fc.integer({ min: 100_000, max: 50_000_000 })),
  queue: fc.oneof(
    fc.record({ bytes: fc.integer({ min: 1_500, max: 100_000 }) }),
    fc.record({ ms: fc.integer({ min: 1, max: 500 }) }),
  ),
});

const offerAll = (model: LinkModel, packets: readonly { gapMs: number; bytes: number }[]) => {
  let now = 0;
  return packets.map(({ gapMs, bytes }) => {
    now += gapMs;
    return { now, bytes, verdict: model.offer({ bytes }, now) };
  });
};

describe('a link, whatever its settings and traffic', () => {
  it('is the same with the same seed', () => {
    fc.assert(
      fc.property(anyLink, traffic, fc.nat(), (settings, packets, seed) => {
        expect(offerAll(linkWith(settings, seed), packets)).toEqual(offerAll(linkWith(settings, seed), packets));
      }),
    );
  });

  it('delivers nothing before it could have been sent', () => {
    fc.assert(
      fc.property(anyLink, traffic, (settings, packets) => {
        const sendingMs = (bytes: number) => (settings.rateBps ? (bytes * 8_000) / settings.rateBps : 0);
        for (const { now, bytes, verdict } of offerAll(linkWith(settings), packets)) {
          if (verdict.kind === 'deliver') expect(verdict.atMs).toBeGreaterThanOrEqual(now + sendingMs(bytes) - 1e-6);
        }
      }),
    );
  });

  it('keeps the order unless told to reorder', () => {
    fc.assert(
      fc.property(anyLink, traffic, (settings, packets) => {
        const ordered = settings.jitter ? { ...settings, jitter: { ...settings.jitter, reorder: false } } : settings;
        let last = 0;
        for (const { verdict } of offerAll(linkWith(ordered), packets)) {
          if (verdict.kind !== 'deliver') continue;
          expect(verdict.atMs).toBeGreaterThanOrEqual(last);
          last = verdict.atMs;
        }
      }),
    );
  });

  it('never sends faster than its rate', () => {
    fc.assert(
      fc.property(traffic, fc.integer({ min: 50_000, max: 10_000_000 }), (packets, rateBps) => {
        let last = Number.NEGATIVE_INFINITY;
        for (const { bytes, verdict } of offerAll(linkWith({ rateBps, queue: { bytes: 20_000 } }), packets)) {
          if (verdict.kind !== 'deliver') continue;
          expect(verdict.atMs - last).toBeGreaterThanOrEqual((bytes * 8_000) / rateBps - 1e-6);
          last = verdict.atMs;
        }
      }),
    );
  });

  it('never holds more than its queue, and drops only what does not fit', () => {
    fc.assert(
      fc.property(traffic, fc.integer({ min: 1_500, max: 20_000 }), (packets, bytesOfQueue) => {
        const model = linkWith({ rateBps: 200_000, queue: { bytes: bytesOfQueue } });
        let now = 0;
        for (const { gapMs, bytes } of packets) {
          now += gapMs;
          const held = model.backlogBytes(now);
          const verdict = model.offer({ bytes }, now);
          expect(verdict.kind === 'drop').toBe(held > 0 && held + bytes > bytesOfQueue);
          expect(model.backlogBytes(now)).toBeLessThanOrEqual(bytesOfQueue);
        }
      }),
    );
  });

  it('never lets a packet wait longer than a queue of so many milliseconds', () => {
    fc.assert(
      fc.property(traffic, fc.integer({ min: 5, max: 100 }), (packets, queueMs) => {
        const sendingMs = (bytes: number) => (bytes * 8_000) / 300_000;
        for (const { now, bytes, verdict } of offerAll(
          linkWith({ rateBps: 300_000, queue: { ms: queueMs } }),
          packets,
        )) {
          if (verdict.kind !== 'deliver') continue;
          expect(verdict.atMs - now - sendingMs(bytes)).toBeLessThanOrEqual(queueMs + 1e-6);
        }
      }),
    );
  });

  it('takes a refused packet of a stream at the time it named', () => {
    fc.assert(
      fc.property(traffic, (packets) => {
        const model = linkWith({ rateBps: 100_000, queue: { bytes: 3_000 } });
        let now = 0;
        for (const { gapMs, bytes } of packets) {
          now += gapMs;
          const first = model.offer({ bytes, reliable: true }, now);
          if (first.kind === 'deliver') continue;
          expect(first.retryAtMs).toBeGreaterThan(now);
          now = first.retryAtMs;
          expect(model.offer({ bytes, reliable: true }, now).kind).toBe('deliver');
        }
      }),
    );
  });

  it('loses the same packets at any speed, of any size, and with streams in between', () => {
    const losses = (verdicts: { verdict: Verdict }[]) => verdicts.map(({ verdict }) => verdict.kind);
    fc.assert(
      fc.property(traffic, fc.nat(), (packets, seed) => {
        const settings: LinkSettingsInput = { loss: { kind: 'gilbert-elliott', goodToBad: 0.2, badToGood: 0.4 } };
        const calm = losses(
          offerAll(
            linkWith(settings, seed),
            packets.map(() => ({ gapMs: 1, bytes: 100 })),
          ),
        );
        const model = linkWith(settings, seed);
        const mixed = packets.map(({ gapMs, bytes }, i) => {
          expect(model.offer({ bytes: 1_500, reliable: true }, i * 20).kind).toBe('deliver');
          return { verdict: model.offer({ bytes }, i * 20 + gapMs) };
        });
        expect(losses(mixed)).toEqual(calm);
      }),
    );
  });
});

describe('the figures of a link over many packets', () => {
  const PACKETS = 200_000;

  it.each<[string, LinkSettingsInput['loss']]>([
    ['independent 1 %', { kind: 'independent', ratio: 0.01 }],
    ['independent 20 %', { kind: 'independent', ratio: 0.2 }],
    ['Gilbert-Elliott, bursts of 4', { kind: 'gilbert-elliott', goodToBad: 0.0278, badToGood: 0.25 }],
    [
      'Gilbert-Elliott with loss in both states',
      { kind: 'gilbert-elliott', goodToBad: 0.05, badToGood: 0.2, lossInGood: 0.02, lossInBad: 0.5 },
    ],
  ])('lose what was asked for within 5 %%: %s', (_name, loss) => {
    const settings = LinkSettings.parse({ loss });
    const model = new LinkModel({ settings, seed: 3 });
    let lost = 0;
    for (let i = 0; i < PACKETS; i += 1) if (model.offer({ bytes: 100 }, i).kind === 'drop') lost += 1;
    expect(lost / PACKETS / meanLoss(settings.loss)).toBeGreaterThan(0.95);
    expect(lost / PACKETS / meanLoss(settings.loss)).toBeLessThan(1.05);
  });

  it('lose in bursts of the mean length 1 / badToGood', () => {
    const model = linkWith({ loss: { kind: 'gilbert-elliott', goodToBad: 0.01, badToGood: 0.2 } });
    let [lost, bursts, before] = [0, 0, false];
    for (let i = 0; i < PACKETS; i += 1) {
      const now = model.offer({ bytes: 100 }, i).kind === 'drop';
      if (now) lost += 1;
      if (now && !before) bursts += 1;
      before = now;
    }
    expect(lost / bursts).toBeGreaterThan(4.75);
    expect(lost / bursts).toBeLessThan(5.25);
  });

  for (const distribution of ['uniform', 'normal', 'pareto'] as const) {
    for (const reorder of [true, false]) {
      it(`have the asked mean and deviation of ${distribution} jitter ${reorder ? 'with reordering' : 'in order'}`, () => {
        const model = linkWith({ delayMs: 50, jitter: { distribution, sdMs: 4, reorder } });
        const delays = Array.from({ length: PACKETS }, (_, i) => outAt(model.offer({ bytes: 100 }, i)) - i);
        expect(mean(delays)).toBeGreaterThan(50 * 0.99);
        expect(mean(delays)).toBeLessThan(50 * 1.01);
        expect(deviation(delays)).toBeGreaterThan(4 * 0.95);
        expect(deviation(delays)).toBeLessThan(4 * 1.05);
        const overtakes = delays.filter((delay, i) => i > 0 && delay + 1 < (delays[i - 1] ?? 0)).length;
        if (reorder) expect(overtakes).toBeGreaterThan(PACKETS / 10);
        else expect(overtakes).toBe(0);
      });
    }
  }

  it('make Pareto delays lean to the late side', () => {
    const model = linkWith({ delayMs: 50, jitter: { distribution: 'pareto', sdMs: 4, reorder: true } });
    const delays = Array.from({ length: PACKETS }, (_, i) => outAt(model.offer({ bytes: 100 }, i)) - i).sort(
      (a, b) => a - b,
    );
    const at = (q: number) => delays[Math.floor(q * PACKETS)] ?? Number.NaN;
    expect(at(0.999) - at(0.5)).toBeGreaterThan(5 * (at(0.5) - at(0.001)));
  });
});

describe('a link whose settings change', () => {
  const schedule: LinkSettingsInput['schedule'] = [
    { atS: 10, change: { outage: true } },
    { atS: 12, change: { outage: false, delayMs: 70 } },
  ];

  it('follows its schedule from the moment it is started', () => {
    const model = linkWith({ delayMs: 50, schedule });
    expect(outAt(model.offer({ bytes: 100 }, 60_000))).toBe(60_050);
    model.startSchedule(100_000);
    expect(outAt(model.offer({ bytes: 100 }, 109_999))).toBe(110_049);
    expect(model.offer({ bytes: 100 }, 110_000)).toEqual({ kind: 'drop', reason: 'outage', retryAtMs: 112_000 });
    expect(model.offer({ bytes: 100 }, 111_999)).toMatchObject({ reason: 'outage' });
    expect(outAt(model.offer({ bytes: 100 }, 112_000))).toBe(112_070);
  });

  it('delivers nothing that would leave the queue during an outage', () => {
    const model = linkWith({ rateBps: 80_000, queue: { bytes: 50_000 }, schedule });
    model.startSchedule(0);
    // 1,000 bytes take 100 ms: the fourth would be sent until 10.05 s.
    const verdicts = Array.from({ length: 5 }, () => model.offer({ bytes: 1_000 }, 9_650));
    expect(verdicts.map((verdict) => verdict.kind)).toEqual(['deliver', 'deliver', 'deliver', 'drop', 'drop']);
  });

  it('knows of no end to an outage made by hand, until it is ended by hand', () => {
    const model = linkWith({});
    model.change({ outage: true }, 5);
    expect(model.offer({ bytes: 100 }, 6)).toEqual({
      kind: 'drop',
      reason: 'outage',
      retryAtMs: Number.POSITIVE_INFINITY,
    });
    model.change({ outage: false }, 7);
    expect(outAt(model.offer({ bytes: 100 }, 8))).toBe(8);
  });

  it('keeps a change made by hand while later steps of the schedule apply on top of it', () => {
    const model = linkWith({ delayMs: 50, rateBps: 1e6, schedule });
    model.startSchedule(0);
    model.change({ rateBps: 2e6 }, 5_000);
    expect(model.stateAt(13_000)).toMatchObject({ rateBps: 2e6, delayMs: 70, outage: false });
  });

  it('sends one packet over a change of the rate', () => {
    const model = linkWith({ rateBps: 8_000, schedule: [{ atS: 1, change: { rateBps: 80_000 } }] });
    model.startSchedule(0);
    // 1,000 bytes in the first second at 8,000 bit/s, the other 1,000 in 0.1 s.
    expect(outAt(model.offer({ bytes: 2_000 }, 0))).toBeCloseTo(1_100);
  });
});
