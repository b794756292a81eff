import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  figuresOf,
  invalidReasons,
  parseRun,
  RecordedRun,
  type RecordLine,
  readRun,
} from '../../src/experiment/index.ts';
import type { PageNews } from '../../src/experiment/page/contract.ts';
import { noNews } from '../../src/experiment/page/no-news.ts';
import { Matcher } from '../../src/experiment/record/matcher.ts';
import { RunWriter } from '../../src/experiment/record/writer.ts';
import { exampleLines } from '../support/experiment.ts';

const EXAMPLE = fileURLToPath(new URL('../fixtures/example-run.jsonl', import.meta.url));

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'meridian-record-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('a recorded run', () => {
  it('is written line by line and read back as it was', async () => {
    const [header, ...rest] = await exampleLines();
    const file = join(dir, 'deep', 'run.jsonl');
    if (header?.type !== 'header') throw new Error('the example begins with its header');
    const writer = await RunWriter.open(header, file);
    for (const line of rest) writer.write(line);
    await writer.close();
    await writer.close();
    const read = await readRun(file);
    expect(read.header).toEqual(header);
    for (const type of new Set(rest.map((line) => line.type))) {
      expect(read.of(type)).toEqual(rest.filter((line) => line.type === type));
    }
  });

  it('is read from a compressed file, too', async () => {
    const file = join(dir, 'run.jsonl.gz');
    await writeFile(file, gzipSync(await readFile(EXAMPLE)));
    expect((await readRun(file)).window).toEqual({ fromMs: 5_000, toMs: 7_000 });
  });

  it('is read as far as it goes when the recorder was killed in the middle of a line', async () => {
    const text = await readFile(EXAMPLE, 'utf8');
    const broken = text.slice(0, text.lastIndexOf('{"type":"end"') + 30);
    const run = parseRun(broken, 'broken.jsonl');
    expect(run.end).toBeUndefined();
    expect(run.valid).toBe(false);
    expect(run.of('frames').length).toBeGreaterThan(0);
  });

  it('is refused with file and line where a line is none of the kinds', async () => {
    const lines = (await readFile(EXAMPLE, 'utf8')).split('\n');
    lines[3] = '{"type":"frames","receiver":"anna"}';
    expect(() => parseRun(lines.join('\n'), 'run.jsonl')).toThrow(/run\.jsonl, line 4: sender/);
    lines[3] = 'not json';
    expect(() => parseRun(lines.join('\n'), 'run.jsonl')).toThrow(/run\.jsonl, line 4: no JSON/);
  });

  it('begins with its header', async () => {
    const [, ...headless] = await exampleLines();
    expect(() => new RecordedRun(headless)).toThrow(/begins with its header/);
  });
});

describe('the figures of a run', () => {
  it('come from its raw data, for the measured time alone', async () => {
    const figures = figuresOf(new RecordedRun(await exampleLines()));
    const toBinh = figures?.streams.find(({ sender, receiver }) => sender === 'anna' && receiver === 'binh');
    // The example draws 20 pictures a second and loses one of forty; they take 165 to 169 ms.
    expect(toBinh).toMatchObject({ framesPerSecond: 19.5, shownShare: 0.975, lines: 360, freezes: 0, psnrDb: 36.2 });
    expect(toBinh?.glassToGlass?.p50).toBe(167);
    expect(toBinh?.audioLatency?.p50).toBe(170);
    expect(toBinh?.lossBeforeRepair).toBeCloseTo(1 / 61);
    expect(toBinh?.lossAfterRepair).toBe(0);
    expect(toBinh?.concealedShare).toBeCloseTo(0.01);
    // Between two readings a second apart 62,500 bytes came: 500 kbit in the one second that was read of two.
    expect(toBinh?.videoBps).toBeCloseTo(250_000);
    expect(figures?.clients.find(({ client }) => client === 'anna')).toMatchObject({
      joinMs: 1_200,
      firstFrameMs: 1_900,
    });
  });

  it('attribute the time of a picture to the legs, and say what is left over', async () => {
    const figures = figuresOf(new RecordedRun(await exampleLines()));
    const legs = figures?.streams.find(({ receiver }) => receiver === 'binh')?.legs;
    expect(legs).toMatchObject({ clientUp: 93.5, relay: 20, clientDown: 4, play: 28, total: 167 });
    expect(legs?.rest).toBeCloseTo(167 - 93.5 - 20 - 4 - 28);
  });

  it.each([
    ['an outage', { outage: true }, { outage: false }],
    ['a burst of loss', { loss: { kind: 'independent', ratio: 0.8 } }, { loss: null }],
  ] as const)('know how long the picture stood after %s on the way', async (_what, begins, ends) => {
    const lines = (await exampleLines()).flatMap((line): RecordLine[] => {
      if (line.type === 'header') {
        const [name, link] = Object.entries(line.links).find(([key]) => key === 'sin~sgn/singapore-hcmc/forward') ?? [];
        if (name === undefined || link === undefined) throw new Error('the example has that link');
        const schedule = [
          { atS: 0.5, change: begins },
          { atS: 1, change: ends },
        ];
        return [{ ...line, links: { ...line.links, [name]: { ...link, schedule } } }];
      }
      // Nothing that was drawn from 5.5 to 6.2 s comes through from Anna to Binh.
      if (line.type === 'frames' && line.sender === 'anna') {
        return [{ ...line, rows: line.rows.filter(([, drawnMs]) => drawnMs < 5_500 || drawnMs >= 6_200) }];
      }
      return [line];
    });
    const streams = figuresOf(new RecordedRun(lines))?.streams ?? [];
    // Shown again at 6.2 s + 165 ms and some; the outage ended at 6 s. The other direction had none.
    expect(streams.find(({ sender }) => sender === 'anna')?.recoveryMs).toBeCloseTo(369, -1);
    expect(streams.find(({ sender }) => sender === 'anna')?.longestGapMs).toBeGreaterThan(700);
    expect(streams.find(({ sender }) => sender === 'binh')?.recoveryMs).toBeNull();
  });
});

describe('the guard', () => {
  const reasonsWith = async (change: (line: RecordLine) => RecordLine | undefined): Promise<string[]> => {
    const lines = (await exampleLines()).map(change).filter((line) => line !== undefined);
    return invalidReasons(new RecordedRun(lines));
  };
  /** The example's counters of links stand still, which is another reason; see below. */
  const moving = (line: RecordLine): RecordLine =>
    line.type === 'links'
      ? {
          ...line,
          links: Object.fromEntries(
            Object.entries(line.links).map(([name, counts]) => [name, { ...counts, offered: line.atMs }]),
          ),
        }
      : line;

  it('finds nothing wrong with a good run', async () => {
    expect(await reasonsWith(moving)).toEqual([]);
  });

  it.each<[string, (line: RecordLine) => RecordLine | undefined, RegExp]>([
    [
      'a machine whose cores were all busy',
      (line) =>
        line.type === 'machine'
          ? { ...line, busyCores: 1.95, processes: [{ name: 'chromium', cores: 1.95, rssBytes: 1 }] }
          : line,
      /machine was the bottleneck: 97\.5 %/,
    ],
    [
      'a machine on which others worked, too',
      (line) =>
        line.type === 'machine'
          ? { ...line, busyCores: 1.6, processes: [{ name: 'chromium', cores: 1.2, rssBytes: 1 }] }
          : line,
      /others were busy on the machine: 20\.0 % of its 2 cores/,
    ],
    [
      'a machine that was taken away',
      (line) => (line.type === 'machine' ? { ...line, stolenCores: 0.3 } : line),
      /15\.0 % of its cores went to other guests/,
    ],
    ['a load that nobody measured', (line) => (line.type === 'machine' ? undefined : line), /load .* was not measured/],
    [
      'an encoder that the CPU limited',
      (line) =>
        line.type === 'stats' && line.client === 'anna'
          ? {
              ...line,
              reports: line.reports.map((report) =>
                report.type === 'outbound-rtp'
                  ? { ...report, qualityLimitationDurations: { cpu: line.atMs / 2_000, none: 1 } }
                  : report,
              ),
            }
          : line,
      /CPU limited the encoder of anna/,
    ],
    [
      'pictures that were not drawn',
      (line) => (line.type === 'sent' && line.sender === 'binh' ? { ...line, rows: line.rows.slice(2) } : line),
      /binh did not draw 10\.0 % of its pictures/,
    ],
    [
      'time codes that could not be read',
      (line) => (line.type === 'frames' && line.sender === 'anna' ? { ...line, unread: 2 } : line),
      /of the time codes of anna at binh could not be read/,
    ],
    [
      'a clock that is not known well enough',
      (line) => (line.type === 'clock' && line.client === 'anna' ? { ...line, uncertaintyMs: 9 } : line),
      /clock of anna is known to 9\.0 ms only/,
    ],
    [
      'a run that was stopped early',
      (line) => (line.type === 'header' ? { ...line, scenario: { ...line.scenario, lengthS: 30 } } : line),
      /stopped after 2 of 30 s/,
    ],
    [
      'a client that was moved to another node',
      (line) => (line.type === 'node-stats' && line.client === 'anna' ? { ...line, node: 'ams' } : line),
      /anna was on ams instead of sin/,
    ],
    [
      'a measured time that was not reached',
      (line) => (line.type === 'mark' && line.what === 'measuring' ? undefined : line),
      /measured time was not reached/,
    ],
  ])('refuses %s', async (_what, change, reason) => {
    const reasons = await reasonsWith((line) => {
      const changed = change(line);
      return changed === undefined ? undefined : moving(changed);
    });
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toMatch(reason);
  });

  describe('on real servers', () => {
    const host = { os: 'Linux', cpu: 'x', cores: 4, memoryBytes: 1 };
    const url = 'https://meet.example.org';
    /** Binh is on a machine of his own; nobody counts links, and his clock is known by half a round trip. */
    const real = (line: RecordLine): RecordLine | undefined => {
      if (line.type === 'header') {
        return { ...line, links: {}, routes: [], real: { url, nodes: {}, hosts: { binh: host } } };
      }
      if (line.type === 'clock' && line.client === 'binh') return { ...line, uncertaintyMs: 90 };
      return line.type === 'links' ? undefined : line;
    };

    it('refuses nothing for links that nobody can count, nor for a clock whose error both directions share', async () => {
      const lines = (await exampleLines()).flatMap((line) => real(line) ?? []);
      const his = lines.flatMap((line) => (line.type === 'machine' ? [{ ...line, host: 'binh' }] : []));
      expect(invalidReasons(new RecordedRun([...lines, ...his]))).toEqual([]);
      const busy = his.map((line) => ({ ...line, busyCores: 3.9 }));
      expect(invalidReasons(new RecordedRun([...lines, ...busy]))).toEqual([
        expect.stringContaining('the machine of binh was the bottleneck: 97.5 % of its 4 cores'),
      ]);
      expect(invalidReasons(new RecordedRun(lines))).toEqual(['the load of the machine of binh was not measured']);
    });

    it('refuses such a clock where only one of them sends pictures', async () => {
      const reasons = await reasonsWith((line) => {
        const changed = real(line);
        if (changed?.type !== 'header') return changed;
        const { binh, ...others } = changed.scenario.clients;
        if (binh === undefined) throw new Error('the example has Binh');
        const silent = { ...binh, sends: { video: null, audio: true } };
        return { ...changed, scenario: { ...changed.scenario, clients: { ...others, binh: silent } } };
      });
      expect(reasons).toContain('the clock of binh is known to 90.0 ms only');
    });
  });

  it('refuses media that did not pass the links it should have passed', async () => {
    const reasons = await reasonsWith((line) => line);
    expect(reasons).toContainEqual(expect.stringMatching(/packets of anna anna\/home-fibre\/forward saw 0/));
  });
});

describe('what the pages tell', () => {
  const news = (more: Partial<PageNews>): PageNews => ({ ...noNews(), ...more });
  const clients = [
    { name: 'anna', number: 0 },
    { name: 'binh', number: 1 },
  ];

  it('is brought together whichever half comes first, in the time of the run', () => {
    const matcher = new Matcher(clients);
    matcher.take('binh', news({ shown: [[0, 5, 1_200, 1_180, 2, 640, 360]] }), (ms) => ms - 1_000);
    expect(matcher.matched(300)).toEqual([]);
    matcher.take('anna', news({ sent: [[5, 1_050]] }), (ms) => ms - 1_001);
    expect(matcher.matched(400)).toEqual([
      { type: 'frames', receiver: 'binh', sender: 'anna', rows: [[5, 49, 200, 180, 2, 640, 360]], unread: 0 },
    ]);
    expect(matcher.matched(500)).toEqual([]);
  });

  it('is waited for only so long: a frame that was never drawn was misread', () => {
    const matcher = new Matcher(clients);
    matcher.take('binh', news({ shown: [[0, 77, 100, null, null, 640, 360]] }), (ms) => ms);
    expect(matcher.matched(5_000)).toEqual([]);
    expect(matcher.matched(5_200)).toEqual([{ type: 'frames', receiver: 'binh', sender: 'anna', rows: [], unread: 1 }]);
  });

  it('has a tick told once all earlier ones are known, and at the end what is known then', () => {
    const matcher = new Matcher(clients);
    matcher.take(
      'anna',
      news({
        played: [
          [0, 0],
          [1, 400],
        ],
      }),
      (ms) => ms,
    );
    matcher.take(
      'binh',
      news({
        heard: [
          ['anna', 1, 520],
          ['anna', 0, 130],
        ],
      }),
      (ms) => ms,
    );
    // Tick 2 may have been played before 520 ms for all that is known.
    expect(matcher.matched(600)).toEqual([{ type: 'ticks', receiver: 'binh', sender: 'anna', rows: [[0, 0, 130]] }]);
    expect(matcher.matched(600, { last: true })).toEqual([
      { type: 'ticks', receiver: 'binh', sender: 'anna', rows: [[1, 400, 520]] },
    ]);
  });
});
