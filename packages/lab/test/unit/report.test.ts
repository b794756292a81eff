import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { evaluate } from '../../src/analysis/experiment.ts';
import { figuresOf } from '../../src/analysis/figures.ts';
import { freezesOf } from '../../src/analysis/freezes.ts';
import { METRICS, overPairs } from '../../src/analysis/metrics.ts';
import type { RecordLine } from '../../src/experiment/record/schema.ts';
import { layOut } from '../../src/report/layout.ts';
import { pathLabel, pathSettings, planLabel } from '../../src/report/topology.ts';
import { writeReport } from '../../src/report/write.ts';
import { normalAt } from '../../src/wan/model/random.ts';
import { LinkSettings } from '../../src/wan/model/settings.ts';
import { type SyntheticRun, scenario, syntheticLines, syntheticRun } from '../support/synthetic-run.ts';

const ARMS = ['relay', 'far-node', 'middle-node'] as const;
const LATENCY = { relay: 230, 'far-node': 290, 'middle-node': 231 } as const;

function experiment(blocks: number): SyntheticRun[] {
  return Array.from({ length: blocks }, (_, block) =>
    ARMS.map((arm, index) => ({
      arm,
      block,
      latencyMs: LATENCY[arm] + 5 * normalAt(1, block) + normalAt(2 + index, block),
      noiseMs: 6,
      videoBps: 500_000 + 20_000 * normalAt(12 + index, block),
      psnrDb: 36 + 0.3 * normalAt(22 + index, block),
    })),
  ).flat();
}

describe('freezes', () => {
  const every = (ms: number, fromMs: number, toMs: number) =>
    Array.from({ length: Math.floor((toMs - fromMs) / ms) + 1 }, (_, index) => fromMs + index * ms);

  test('an even picture has none', () => {
    expect(freezesOf(every(50, 0, 10_000), { fromMs: 0, toMs: 10_000 })).toEqual({ count: 0, totalMs: 0 });
  });

  test('a gap of a second is one, with its time', () => {
    const shown = [...every(50, 0, 4_000), ...every(50, 5_000, 10_000)];
    expect(freezesOf(shown, { fromMs: 0, toMs: 10_000 })).toEqual({ count: 1, totalMs: 1_000 });
  });

  test('a picture that stands still to the end counts up to there, one that began before from the beginning', () => {
    expect(freezesOf(every(50, 0, 4_000), { fromMs: 0, toMs: 10_000 })).toEqual({ count: 1, totalMs: 6_000 });
    const late = [...every(50, 0, 1_000), ...every(50, 3_000, 10_000)];
    expect(freezesOf(late, { fromMs: 2_000, toMs: 10_000 })).toEqual({ count: 1, totalMs: 1_000 });
  });

  test('no picture at all is one long freeze', () => {
    expect(freezesOf([], { fromMs: 0, toMs: 3_000 })).toEqual({ count: 1, totalMs: 3_000 });
  });
});

describe('the figures of a run', () => {
  const [figures] = figuresOf(
    syntheticRun({ arm: 'relay', block: 0, latencyMs: 230, lossShare: 0.02, frozenFromS: 4, frozenToS: 5 }),
  );

  test('give what was put in', () => {
    expect(figures?.glassToGlass?.p50).toBeCloseTo(230);
    expect(figures?.audioLatency?.p50).toBeCloseTo(220);
    expect(figures?.freezeCount).toBe(1);
    expect(figures?.frozenPercent).toBeCloseTo(10, 0);
    expect(figures?.firstFrameMs).toBe(1_000);
  });

  test('say which seconds were poor by VIA', () => {
    // 2 % of the video's packets, more than 1.2 % of all.
    expect(figures?.poorPercent).toBe(100);
    const [fine] = figuresOf(syntheticRun({ arm: 'relay', block: 0, latencyMs: 230 }));
    expect(fine?.poorPercent).toBe(0);
  });

  test('say the round trip of the whole way by the legs that the nodes measure', () => {
    expect(figures?.pathRttMs).toBeCloseTo(100 + 40 + 100);
    const [near] = figuresOf(syntheticRun({ arm: 'far-node', block: 0, latencyMs: 290 }));
    expect(near?.pathRttMs).toBeCloseTo(200);
  });
});

describe('light peers', () => {
  test('have directions of their own, which the means over a call leave out', () => {
    const [pair] = figuresOf(syntheticRun({ arm: 'relay', block: 0, latencyMs: 230, videoBps: 500_000 }));
    if (pair === undefined) throw new Error('no pair');
    const rate = METRICS.find(({ name }) => name === 'video-rate');
    if (rate === undefined) throw new Error('no such figure');
    const light = { ...pair, timed: false, videoBps: 100_000 };
    expect(pair.timed).toBe(true);
    expect(overPairs(rate, [pair, light])).toBeCloseTo(0.5, 2);
    expect(overPairs(rate, [light])).toBeNull();
  });
});

describe('an experiment', () => {
  test('finds the slower arm, and no difference where there is none', () => {
    const { comparisons, blocks } = evaluate(experiment(10).map(syntheticRun));
    expect(blocks).toHaveLength(10);
    const outcomes = Object.fromEntries(comparisons.map(({ arm, verdict }) => [arm, verdict.outcome]));
    expect(outcomes).toEqual({ 'far-node': 'worse', 'middle-node': 'no-difference' });
    const latency = comparisons[0]?.effects.find(({ name }) => name === 'latency');
    expect(latency?.jointInterval?.low).toBeGreaterThan(50);
    expect(latency?.jointInterval?.high).toBeLessThan(70);
  });

  test('compares with the arm that is asked for', () => {
    const { comparisons } = evaluate(experiment(6).map(syntheticRun), { reference: 'far-node' });
    expect(comparisons.map(({ arm, reference }) => `${arm} - ${reference}`)).toEqual([
      'relay - far-node',
      'middle-node - far-node',
    ]);
    expect(() => evaluate(experiment(6).map(syntheticRun), { reference: 'x' })).toThrow('its arms: relay, far-node');
  });

  test('leaves invalid and broken runs out and says why', () => {
    const runs = experiment(6).map((run, index) => {
      if (index === 0) return syntheticRun({ ...run, invalidBecause: ['the CPU was saturated'] });
      return syntheticRun(index === 1 ? { ...run, broken: true } : run);
    });
    const { refused, comparisons } = evaluate(runs);
    expect(refused.map(({ because }) => because)).toEqual([['the CPU was saturated'], ['the recording broke off']]);
    const latency = comparisons.map(({ effects }) => effects.find(({ name }) => name === 'latency')?.blocks);
    expect(latency).toEqual([5, 5]);
  });

  test('runs of two experiments in one folder are refused', () => {
    const mixed = [
      ...experiment(5),
      { ...experiment(1)[0], arm: 'relay', block: 9, latencyMs: 1, experiment: 'other' },
    ];
    expect(() => evaluate(mixed.map(syntheticRun))).toThrow('runs of two experiments lie together: made-up and other');
  });
});

test('a path is labelled with what its links do together', () => {
  const link = (delayMs: number, ratio: number, rateBps: number | null) => ({
    delayMs,
    jitter: { distribution: 'normal' as const, sdMs: 3, reorder: false },
    loss: { kind: 'independent' as const, ratio },
    rateBps,
    queue: { ms: 200 },
    outage: false,
    schedule: [],
  });
  const links = { a: link(90, 0.001, null), b: link(12, 0.01, 5e6) };
  const up = pathSettings(['a', 'b'], links);
  expect(up.delayMs).toBe(102);
  expect(up.lossRatio).toBeCloseTo(0.011, 3);
  expect(pathLabel(up, up)).toBe('102 ms, 1.10 % loss, 4.2 ms jitter, 5 Mbit/s');
  expect(pathLabel(up, pathSettings(['a'], links))).toContain('102 / 90 ms');
});

test('a path is labelled with what becomes of it by plan while it is measured', () => {
  const fixed = LinkSettings.parse({ delayMs: 3 });
  const cut = LinkSettings.parse({
    delayMs: 130,
    schedule: [
      { atS: 30, change: { outage: true } },
      { atS: 38, change: { outage: false, delayMs: 170, loss: { kind: 'independent', ratio: 0.025 } } },
    ],
  });
  const links = { near: fixed, there: cut, back: cut };
  const plan = (lengthS: number) => planLabel(['near', 'there'], ['back', 'near'], links, lengthS);
  expect(plan(60)).toBe('dark from 30 to 38 s; from 38 s on 173 ms, 2.50 % loss');
  expect(plan(35)).toBe('dark from 30 to 35 s');
  expect(plan(30)).toBeUndefined();
  expect(planLabel(['near'], ['near'], links, 60)).toBeUndefined();
});

describe('the report', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'meridian-report-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  async function record(runs: readonly SyntheticRun[]): Promise<void> {
    for (const run of runs) {
      const text = syntheticLines(run)
        .map((line) => `${JSON.stringify(line)}\n`)
        .join('');
      await writeFile(join(dir, `block-${run.block}-${run.arm}.jsonl`), text);
    }
  }

  test('is made from the recordings alone and holds verdict, figures, drawings and plots', async () => {
    await record(experiment(6));
    const { html, markdown } = await writeReport(dir);
    const [page, text] = await Promise.all([readFile(html, 'utf8'), readFile(markdown, 'utf8')]);
    for (const part of [page, text]) {
      expect(part).toContain('glass-to-glass latency');
      expect(part).toContain('made the call worse');
      expect(part).toContain('cross-checks between the figures of clients and servers, 0 disagreements');
    }
    // Self-contained: nothing is fetched from anywhere; links lead to the recordings beside it.
    expect(page).not.toMatch(/src=|url\(http|@import/);
    const links = [...page.matchAll(/href="([^"]*)"/g)].map(([, link]) => link ?? '');
    expect(links).toHaveLength(18);
    for (const link of links) expect(await readFile(join(dir, link), 'utf8')).toContain('"type":"header"');
    expect(page.match(/<svg/g)?.length).toBeGreaterThanOrEqual(ARMS.length + 6);
    for (const [, file] of text.matchAll(/\]\((plots\/[^)]+)\)/g)) {
      expect(await readFile(join(dir, file ?? ''), 'utf8')).toMatch(/^<svg/);
    }
  });

  test('has pictures that are well-formed by themselves', async () => {
    await record(experiment(5));
    await writeReport(dir);
    for (const file of await readdir(join(dir, 'plots'))) {
      const svg = await readFile(join(dir, 'plots', file), 'utf8');
      const tags = svg.replace(/<!\[CDATA\[[\s\S]*?\]\]>/g, '').match(/<[^>]*>/g) ?? [];
      for (const tag of tags) expect(tag, file).toMatch(/^<\/?[\w:]+(\s+[\w:.-]+="[^"<]*")*\s*\/?>$/);
    }
  });

  test('shows every direction by itself, and when a line was cut', async () => {
    const cut = {
      schedule: [
        { atS: 2, change: { outage: true } },
        { atS: 6, change: { outage: false } },
      ],
    };
    const late = { schedule: cut.schedule.map((one) => ({ ...one, atS: one.atS + scenario.lengthS })) };
    for (const run of experiment(5)) {
      const lines = syntheticLines(run).map((line): RecordLine => {
        if (line.type !== 'header' || run.arm === 'relay') return line;
        const [way, schedule] = run.arm === 'far-node' ? ['anna~sgn', cut] : ['anna~sin', late];
        const [name = '', link] = Object.entries(line.links).find(([key]) => key.startsWith(way)) ?? [];
        if (link === undefined) throw new Error(`${run.arm} does not pass ${way}`);
        return { ...line, links: { ...line.links, [name]: { ...link, ...schedule } } };
      });
      await writeFile(
        join(dir, `${run.block}-${run.arm}.jsonl`),
        lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
      );
    }
    const { html, markdown } = await writeReport(dir);
    const [page, text] = await Promise.all([readFile(html, 'utf8'), readFile(markdown, 'utf8')]);
    for (const part of [page, text]) {
      expect(part).toContain('anna → binh');
      expect(part).toContain('binh → anna');
      expect(part).toContain('picture back after an outage');
      expect(part).toMatch(/Scenario 3[^\n]*: links change by plan at 32, 36 s, after the 30 s that were measured/);
    }
    for (const name of ['latency', 'rate', 'frozen']) {
      const plot = await readFile(join(dir, 'plots', `${name}-over-time.svg`), 'utf8');
      expect(plot).toContain('line of far-node cut');
      expect(plot).not.toContain('line of middle-node');
    }
    expect(await readFile(join(dir, 'plots', 'blocks-recovery.svg'), 'utf8')).toMatch(/^<svg/);
    expect(await readFile(join(dir, 'plots', 'topology-far-node.svg'), 'utf8')).toContain('dark from 2 to 6 s');
    expect(await readFile(join(dir, 'plots', 'topology-middle-node.svg'), 'utf8')).not.toContain('dark');
  });

  test('of real servers draws what was measured between them, and says how well clocks are known', async () => {
    const host = { os: 'Linux', cpu: 'x', cores: 4, memoryBytes: 1 };
    const real = { url: 'https://meet.example.org', nodes: { sin: 's1', sgn: 'v1' }, hosts: { binh: host } };
    for (const run of experiment(5)) {
      const lines = syntheticLines(run).flatMap((line): RecordLine[] =>
        line.type === 'header'
          ? [
              { ...line, links: {}, routes: [], real },
              { type: 'clock', atMs: 1, client: 'binh', offsetMs: 5, uncertaintyMs: 91.2 },
            ]
          : [line],
      );
      await writeFile(
        join(dir, `${run.block}-${run.arm}.jsonl`),
        lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
      );
    }
    const text = await readFile((await writeReport(dir)).markdown, 'utf8');
    expect(text).toContain("The clock of binh's machine is known to 91 ms");
    expect(text).toMatch(/eu-vn\.yaml --repeats 5 .* --cluster https:\/\/meet\.example\.org/);
    const drawn = await readFile(join(dir, 'plots', 'topology-relay.svg'), 'utf8');
    expect(drawn).toContain('100 ms RTT');
    expect(drawn).toContain('40 ms RTT');
  });

  test('can be kept without the recordings: Markdown, its pictures and the figures of every run, all found from there', async () => {
    await record(experiment(5));
    const outDir = await mkdtemp(join(tmpdir(), 'meridian-kept-'));
    try {
      const { markdown, reports } = await writeReport(dir, { outDir, markdownOnly: true });
      expect(reports).toEqual([markdown]);
      expect((await readdir(outDir)).sort()).toEqual(['figures.json', 'plots', 'report.md']);
      const text = await readFile(markdown, 'utf8');
      expect(text).not.toContain(dir);
      expect(text).not.toContain('../');
      const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link ?? '');
      expect(links).toContain('figures.json');
      for (const link of links) expect((await readFile(join(outDir, link), 'utf8')).length).toBeGreaterThan(100);
      for (const name of await readdir(join(outDir, 'plots'))) {
        const svg = await readFile(join(outDir, 'plots', name), 'utf8');
        // Readable on a dark page, too.
        expect(svg, name).toMatch(/<rect width="(100%|\d+)" height="(100%|\d+)"[^>]*fill="#fff(fff)?"/);
        expect(svg.length, name).toBeLessThan(60_000);
      }
      const { runs } = JSON.parse(await readFile(join(outDir, 'figures.json'), 'utf8'));
      expect(runs).toHaveLength(15);
      const far = runs.find(({ arm }: { arm: string }) => arm === 'far-node');
      expect(Math.abs(far.pairs[0].glassToGlass.p50 - LATENCY['far-node'])).toBeLessThan(30);
    } finally {
      await rm(outDir, { recursive: true, force: true });
    }
  });

  test('says where the calls had not settled when measuring began', async () => {
    const settled = experiment(5).map((run) => ({ ...run, seconds: scenario.lengthS }));
    await record(settled);
    expect(await readFile((await writeReport(dir)).markdown, 'utf8')).not.toContain('had not settled');
    await record(settled.map((run) => (run.arm === 'relay' ? { ...run, riseMs: 60 } : run)));
    expect(await readFile((await writeReport(dir)).markdown, 'utf8')).toMatch(
      /Scenario 1[^\n]*: latency was 40 ms higher in the last third/,
    );
  });

  test('a second whose end nobody read is no low one', async () => {
    for (const run of experiment(5)) {
      // The last reading is of half a second before the end.
      const lines = syntheticLines({ ...run, seconds: scenario.lengthS }).filter(
        (line) => line.type !== 'stats' || line.atMs < (5 + scenario.lengthS) * 1_000,
      );
      await writeFile(
        join(dir, `${run.block}-${run.arm}.jsonl`),
        lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
      );
    }
    await writeReport(dir);
    const plot = await readFile(join(dir, 'plots', 'rate-over-time.svg'), 'utf8');
    const heights = [...plot.matchAll(/<path d="M([^"]+)" fill="none"/g)].map(([, path = '']) =>
      path.split('L').map((point) => Number(point.trim().split(' ')[1])),
    );
    const curves = heights.filter((points) => points.length > 10);
    expect(curves.length).toBeGreaterThanOrEqual(ARMS.length);
    for (const points of curves) expect(Math.max(...points) - Math.min(...points)).toBeLessThan(2);
  });

  test('the same recordings give the same report', async () => {
    await record(experiment(5));
    const read = async () => readFile((await writeReport(dir)).markdown, 'utf8');
    expect(await read()).toBe(await read());
  });

  test('texts of a scenario cannot become markup', async () => {
    const hostile = { ...scenario, title: '<script>alert(1)</script>', description: '"><img src=x>' };
    const lines = experiment(5).map((run) =>
      syntheticLines(run).map((line) => (line.type === 'header' ? { ...line, scenario: hostile } : line)),
    );
    for (const [index, run] of lines.entries()) {
      await writeFile(join(dir, `${index}.jsonl`), run.map((line) => `${JSON.stringify(line)}\n`).join(''));
    }
    const page = await readFile((await writeReport(dir)).html, 'utf8');
    expect(page).not.toContain('<script');
    expect(page).not.toContain('<img');
  });

  test('a folder without recordings is refused with what it lacks', async () => {
    await expect(writeReport(dir)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('has no recorded runs'),
    });
    await expect(writeReport(join(dir, 'nowhere'))).rejects.toMatchObject({ code: 'config-invalid' });
  });
});

describe('a drawing', () => {
  const at = { anna: 'ams', bram: 'ams', chen: 'sin', devi: 'sin', ella: 'iad', finn: 'iad' };

  test('of several nodes has everybody beside their own, and no node in another\u2019s way', () => {
    const { places, height } = layOut(Object.keys(at), ['ams', 'sin', 'iad'], at);
    const place = (name: string) => places.get(name) ?? { x: Number.NaN, y: Number.NaN };
    expect(place('anna').x).toBe(place('bram').x);
    expect(place('ella').x).toBe(place('finn').x);
    expect(place('ella').x).toBeGreaterThan(place('anna').x);
    // The outer nodes are level with each other, the one between is below both.
    expect(place('ams').y).toBe(place('iad').y);
    expect(place('sin').y).toBeGreaterThan(place('ams').y + 42);
    expect(new Set([...places.values()].map(({ x, y }) => `${x} ${y}`)).size).toBe(9);
    for (const { y } of places.values()) expect(y).toBeLessThan(height);
  });

  test('of one node has it in the middle', () => {
    const { places, width } = layOut(['anna', 'binh'], ['sgn'], { anna: 'sgn', binh: 'sgn' });
    expect(places.get('sgn')?.x).toBe(width / 2);
    expect(places.get('anna')?.y).toBe(places.get('binh')?.y);
  });
});
