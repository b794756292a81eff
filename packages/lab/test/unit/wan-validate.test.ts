import { describe, expect, it } from 'vitest';
import { LinkSettings, type LinkSettingsInput } from '../../src/wan/model/settings.ts';
import { readProfiles } from '../../src/wan/profiles.ts';
import { type Cell, parameterCells, profileCells } from '../../src/wan/validate/cells.ts';
import { bitsOf, type Figures, figuresOf, loadOfBits, loadOfPackets } from '../../src/wan/validate/figures.ts';
import { judge, type Live } from '../../src/wan/validate/judge.ts';
import { expectation, simulate } from '../../src/wan/validate/simulate.ts';
import { rowOf, tableOf } from '../../src/wan/validate/table.ts';

const packets = loadOfPackets(1_000, 200, 3);

function cellWith(settings: LinkSettingsInput, asked: Partial<Figures>): Cell {
  return {
    name: 'a link',
    settings: LinkSettings.parse(settings),
    load: packets,
    asked,
    alone: false,
    scheduled: false,
  };
}

/** A probe that measured exactly what was planned, but for `more`. */
function liveOf(
  cell: Cell,
  more: { figures?: Partial<Figures>; plan?: Partial<Figures> } & Partial<Omit<Live, 'figures' | 'plan'>> = {},
): Live {
  const plan = { ...simulate(cell.settings, cell.load, 5), ...more.plan };
  return { addedP50Ms: 0.1, addedP99Ms: 0.4, vanished: 0, ...more, plan, figures: { ...plan, ...more.figures } };
}

describe('the figures of a probe', () => {
  it('are the mean and deviation of the delay, the part that is missing, and the rate between first and last arrival', () => {
    // 972 bytes and 28 of headers are 8,000 bits.
    const load = { label: 'a load', packetsPerS: 100, payloadBytes: 972, count: 4 };
    const figures = figuresOf(
      [
        { sentMs: 0, receivedMs: 10 },
        { sentMs: 10, receivedMs: 24 },
        { sentMs: 20, receivedMs: Number.NaN },
        { sentMs: 30, receivedMs: 42 },
      ],
      load,
    );
    expect(figures).toEqual({ delayMs: 12, jitterMs: Math.sqrt(8 / 3), loss: 0.25, rateBps: 2 * (8_000 / 0.032) });
  });

  it('come from loads that take what they are called after', () => {
    expect(bitsOf(loadOfBits(5e6, 1_200, 3))).toBeCloseTo(5e6);
    expect(loadOfBits(5e6, 1_200, 3)).toMatchObject({ label: '5 Mbit/s', count: 1_527 });
    expect(packets).toMatchObject({ label: '1,000/s', count: 3_000 });
  });
});

describe('what is asked of each link', () => {
  it('is what the model shows in virtual time, for all parameters and all profiles', async () => {
    const cells = [...parameterCells(2), ...profileCells((await readProfiles()).values(), 2)];
    for (const cell of cells) {
      const complaints = judge(cell, liveOf(cell), expectation(cell.settings, cell.load)).complaints;
      expect(
        complaints.filter((complaint) => complaint.includes('the model has')),
        cell.name,
      ).toEqual([]);
    }
  });

  it('covers each profile at 1,000 packets/s and at 5 Mbit/s, and both ways where they differ', async () => {
    const profiles = await readProfiles();
    const names = profileCells(profiles.values(), 3).map((cell) => `${cell.name}, ${cell.load.label}`);
    for (const profile of profiles.values()) {
      const ways = names.filter((name) => name.startsWith(`${profile.name},`) || name.startsWith(`${profile.name} `));
      expect(ways).toHaveLength(JSON.stringify(profile.forward) === JSON.stringify(profile.backward) ? 2 : 4);
    }
  });
});

describe('the judgement', () => {
  const cell = cellWith({ delayMs: 50 }, { delayMs: 50, jitterMs: 0, loss: 0 });
  const expected = expectation(cell.settings, cell.load);
  const complaintsOf = (live: Live) => judge(cell, live, expected).complaints;

  it('lets pass what is within 5 %', () => {
    expect(complaintsOf(liveOf(cell))).toEqual([]);
    expect(complaintsOf(liveOf(cell, { figures: { delayMs: 52.4 } }))).toEqual([]);
  });

  it('complains of what is measured more than 5 % from what was asked and planned', () => {
    expect(complaintsOf(liveOf(cell, { figures: { delayMs: 52.6 } }))).toEqual([
      'delayMs: measured 52.60, 50.00 was planned',
      'delayMs: measured 52.60, 50.00 was asked',
    ]);
  });

  it('complains of loss where none was asked, however small', () => {
    expect(complaintsOf(liveOf(cell, { figures: { loss: 0.001 } }))).not.toEqual([]);
  });

  it('complains of a model that does not do what was asked', () => {
    const wrong = cellWith({ delayMs: 40 }, { delayMs: 50 });
    expect(judge(wrong, liveOf(wrong), expectation(wrong.settings, wrong.load)).complaints).toContain(
      'delayMs: the model has 40.00, 50.00 was asked',
    );
  });

  it('lets a rare loss stray by chance, but not from what its packets were to show', () => {
    const lossy = cellWith({ loss: { kind: 'independent', ratio: 0.005 } }, { loss: 0.005 });
    const long = expectation(lossy.settings, lossy.load);
    expect(judge(lossy, liveOf(lossy, { plan: { loss: 0.007 } }), long).complaints).toEqual([]);
    expect(judge(lossy, liveOf(lossy, { plan: { loss: 0.007 }, figures: { loss: 0.008 } }), long).complaints).toEqual([
      'loss: measured 0.008000, 0.007000 was planned',
    ]);
  });

  it('complains of too much added delay, of packets that vanished and of a probe without any', () => {
    expect(complaintsOf(liveOf(cell, { addedP99Ms: 1 }))).toEqual(['1.00 ms added at p99, 1 ms is the most']);
    expect(complaintsOf(liveOf(cell, { vanished: 2 }))).toEqual(['2 packets vanished outside the links']);
    expect(complaintsOf(liveOf(cell, { addedP99Ms: Number.NaN, figures: { delayMs: Number.NaN } }))).toHaveLength(3);
  });

  it('is shown as a table with a line for each link', () => {
    const bad = judge(cell, liveOf(cell, { figures: { delayMs: 60 } }), expected);
    const lines = tableOf([rowOf(judge(cell, liveOf(cell), expected), 1), rowOf(bad, 3)]);
    expect(lines).toHaveLength(4);
    expect(lines[2]).toMatch(
      /\| a link +\| 1,000\/s +\| 50\.00, 50\.00; 50\.00 > 50\.00 +\|.*\| 0\.10 \/ 0\.40 +\| 1 +\| ok +\|$/,
    );
    expect(lines[3]).toMatch(/50\.00, 50\.00; 50\.00 > 60\.00 ! .*\| 3 +\| OUT +\|$/);
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  });
});
