import { describe, expect, it } from 'vitest';
import { LinkSettings, type LinkSettingsInput } from '../../src/wan/model/settings.ts';
import { readProfiles } from '../../src/wan/profiles.ts';
import { type Cell, parameterCells, profileCells } from '../../src/wan/validate/cells.ts';
import { bitsOf, type Figures, figuresOf, loadOfBits, loadOfPackets } from '../../src/wan/validate/figures.ts';
import { judge, type Live } from '../../src/wan/validate/judge.ts';
import { liveOf as liveOfRecording, type Recording, spreadOf } from '../../src/wan/validate/probe.ts';
import { Prober } from '../../src/wan/validate/prober.ts';
import { expectation, simulate } from '../../src/wan/validate/simulate.ts';
import { rowOf, tableOf } from '../../src/wan/validate/table.ts';
import { DISTURBED, MOST_DISTURBED, MOST_RUNS, Task } from '../../src/wan/validate/task.ts';

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

/** What is judged of a probe that measured exactly what was planned, but for `more`. */
function liveOf(
  cell: Cell,
  more: { figures?: Partial<Figures>; plan?: Partial<Figures> } & Partial<Omit<Live, 'figures' | 'plan'>> = {},
): Live {
  const plan = { ...simulate(cell.settings, cell.load, 5), ...more.plan };
  return {
    own: { p50Ms: 0.1, p99Ms: 0.4 },
    added: { p50Ms: 0.2, p99Ms: 1.4 },
    vanished: 0,
    ...more,
    plan,
    figures: { ...plan, ...more.figures },
  };
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

describe('what a probe has noted', () => {
  /** Planned: 10 ms. The emulator read each 0.25 ms after it was sent and let it go 0.5 ms late. */
  const recording = (receivedMs: readonly number[]): Recording => ({
    load: { label: 'a load', packetsPerS: 1_000, payloadBytes: 200, count: receivedMs.length },
    passages: receivedMs.map((received, i) => ({ sentMs: 100 + i, receivedMs: received })),
    trace: { rows: Float64Array.from(receivedMs.flatMap((_, i) => [i, 100.25 + i, 10, 0.5])), drops: [] },
  });

  it("tells the emulator's own delay from what the receiver of the probe added", () => {
    const live = liveOfRecording(recording([110.75, 115.75]));
    expect(live.own).toEqual({ p50Ms: 0.75, p99Ms: 0.75 });
    expect(live.added.p50Ms).toBeCloseTo((0.75 + 4.75) / 2);
    expect(live).toMatchObject({ vanished: 0, plan: { delayMs: 10 }, figures: { delayMs: 12.75 } });
  });

  it('counts a packet that did not arrive as vanished, and what the emulator did to it nevertheless', () => {
    const live = liveOfRecording(recording([110.75, Number.NaN]));
    expect(live).toMatchObject({ vanished: 1, own: { p99Ms: 0.75 } });
    expect(live.added.p50Ms).toBeCloseTo(0.75);
  });

  it('is when each packet left and when it came, for a probe that goes straight to its target', async () => {
    const prober = new Prober();
    try {
      const load = { label: 'a load', packetsPerS: 1_000, payloadBytes: 200, count: 150 };
      const target = await prober.open(load.count);
      const passages = await prober.run(load, target.port, target, 300);
      target.close();
      expect(passages).toHaveLength(150);
      expect(passages.every(({ sentMs, receivedMs }) => receivedMs > sentMs)).toBe(true);
      expect(['real-time', 'raised', 'ordinary']).toContain(await prober.priority());
    } finally {
      await prober.close();
    }
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

  it('complains of too much delay of the emulator, of packets that vanished and of a probe without any', () => {
    expect(complaintsOf(liveOf(cell, { own: { p50Ms: 0.1, p99Ms: 1 } }))).toEqual([
      '1.00 ms added at p99, 1 ms is the most',
    ]);
    expect(complaintsOf(liveOf(cell, { vanished: 2 }))).toEqual(['2 packets vanished outside the links']);
    expect(complaintsOf(liveOf(cell, { own: spreadOf([]), figures: { delayMs: Number.NaN } }))).toHaveLength(3);
  });

  it('is shown as a table with a line for each link', () => {
    const bad = judge(cell, liveOf(cell, { figures: { delayMs: 60 } }), expected);
    const lines = tableOf([
      rowOf(judge(cell, liveOf(cell), expected), { runs: 1, disturbed: 0 }),
      rowOf(bad, { runs: 3, disturbed: 2 }),
    ]);
    expect(lines).toHaveLength(4);
    expect(lines[2]).toMatch(
      /\| a link +\| 1,000\/s +\| 50\.00, 50\.00; 50\.00 > 50\.00 +\|.*\| 0\.10 \/ 0\.40 +\| 0\.20 \/ 1\.40 +\| 1 +\| ok +\|$/,
    );
    expect(lines[3]).toMatch(/50\.00, 50\.00; 50\.00 > 60\.00 ! .*\| 3 \+ 2 +\| OUT +\|$/);
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  });
});

describe('how often a link is probed', () => {
  const cell = cellWith({ delayMs: 10 }, { delayMs: 10, jitterMs: 0, loss: 0 });
  const { load } = cell;

  /** Every packet left the emulator so much later than planned. */
  function recordingOf(lateMs: number): Recording {
    const sent = Array.from({ length: load.count }, (_, i) => (i * 1_000) / load.packetsPerS);
    return {
      load,
      passages: sent.map((sentMs) => ({ sentMs, receivedMs: sentMs + 10 + lateMs })),
      trace: { rows: Float64Array.from(sent.flatMap((sentMs, i) => [i, sentMs, 10, lateMs])), drops: [] },
    };
  }
  const [good, bad] = [recordingOf(0.1), recordingOf(1.5)];

  it('is once where it is within bounds, whatever the host of the machine did', () => {
    const task = new Task(cell, 0);
    task.judge(good, 1);
    expect(task.row).toMatchObject({ complaints: [], runs: 1, disturbed: 0 });
  });

  it('is until it is within bounds, but no more than so often', () => {
    const mended = new Task(cell, 0);
    mended.judge(bad, 0);
    expect([mended.row, mended.isFirst]).toEqual([undefined, false]);
    mended.judge(good, 0);
    expect(mended.row).toMatchObject({ complaints: [], runs: 2 });

    const hopeless = new Task(cell, 0);
    for (let run = 0; run < MOST_RUNS; run += 1) hopeless.judge(bad, undefined);
    expect(hopeless.row).toMatchObject({ runs: MOST_RUNS, disturbed: 0 });
    expect(hopeless.row?.complaints).toContain('1.50 ms added at p99, 1 ms is the most');
  });

  it('does not count runs during which the host kept the CPUs to itself, as long as these are few', () => {
    const task = new Task(cell, 0);
    for (let run = 0; run < MOST_DISTURBED; run += 1) task.judge(bad, 2 * DISTURBED);
    expect([task.row, task.isFirst]).toEqual([undefined, false]);
    for (let run = 0; run < MOST_RUNS; run += 1) task.judge(bad, 2 * DISTURBED);
    expect(task.row).toMatchObject({ runs: MOST_RUNS, disturbed: MOST_DISTURBED });
    expect(task.row?.complaints).not.toEqual([]);
  });
});
