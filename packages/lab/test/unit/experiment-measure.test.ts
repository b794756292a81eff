import { describe, expect, it } from 'vitest';
import { crossCheck, RecordedRun, type RecordLine, type Scrape, Series } from '../../src/experiment/index.ts';
import { increaseOf, valueAt } from '../../src/experiment/measure/interpolate.ts';
import {
  groupProcesses,
  parseCpuTotals,
  parsePressure,
  parseProcessStat,
} from '../../src/experiment/measure/machine.ts';
import { quantile } from '../../src/experiment/measure/numbers.ts';
import { parsePsnr, parseSsim } from '../../src/experiment/measure/quality.ts';
import { ChangedSamples, samplesOf } from '../../src/experiment/measure/series.ts';
import { exampleLines } from '../support/experiment.ts';

describe('the metrics of a node', () => {
  const page = `# HELP m_bytes_total Bytes.
# TYPE m_bytes_total counter
m_bytes_total{leg="client-up",kind="video"} 1200
m_bytes_total{leg="client-up",kind="audio"} 30
# HELP m_rtt_seconds RTT.
# TYPE m_rtt_seconds histogram
m_rtt_seconds_bucket{le="0.1",remote="a"} 2
m_rtt_seconds_bucket{le="+Inf",remote="a"} 3
m_rtt_seconds_sum{remote="a"} 0.5
m_rtt_seconds_count{remote="a"} 3
m_rtt_seconds_bucket{le="0.1",remote="b"} 7
m_rtt_seconds_bucket{le="+Inf",remote="b"} 9
# TYPE m_unknown gauge
m_unknown Nan
m_text{what="a \\"quoted\\" {thing}, with commas"} 4
`;

  it('are read with all label sets of a histogram, and without what is no number', () => {
    expect(samplesOf(page)).toEqual(
      expect.arrayContaining([
        ['m_bytes_total', { leg: 'client-up', kind: 'video' }, 1_200],
        ['m_rtt_seconds_bucket', { le: '+Inf', remote: 'a' }, 3],
        ['m_rtt_seconds_bucket', { le: '+Inf', remote: 'b' }, 9],
        ['m_rtt_seconds_sum', { remote: 'a' }, 0.5],
        ['m_text', { what: 'a "quoted" {thing}, with commas' }, 4],
      ]),
    );
    expect(samplesOf(page).map(([name]) => name)).not.toContain('m_unknown');
  });

  it('are stored by what has changed, from which every time can be told again', () => {
    const changed = new ChangedSamples();
    const scrape = (atMs: number, video: number): Scrape => ({
      type: 'scrape',
      node: 'a',
      atMs,
      tookMs: 1,
      samples: changed.of([
        ['x_total', { kind: 'video' }, video],
        ['x_total', { kind: 'audio' }, 5],
      ]),
    });
    const scrapes = [scrape(0, 10), scrape(1_000, 10), scrape(2_000, 40)];
    expect(scrapes.map(({ samples }) => samples.length)).toEqual([2, 0, 1]);
    const series = new Series(scrapes);
    expect(series.sumAt('a', 'x_total', {}, 1_500)).toBe(15);
    expect(series.sumAt('a', 'x_total', { kind: 'audio' }, 2_500)).toBe(5);
    expect(series.sumAt('a', 'x_total', {}, -1)).toBeUndefined();
    expect(series.increase('a', 'x_total', {}, { fromMs: 1_200, toMs: 1_900 })).toEqual({
      by: 30,
      fromMs: 1_000,
      toMs: 2_000,
    });
  });
});

describe('a counter between two readings', () => {
  const series = [
    { atMs: 0, value: 100 },
    { atMs: 1_000, value: 200 },
    { atMs: 2_000, value: 20 },
    { atMs: 3_000, value: 50 },
  ];

  it('is taken to rise evenly', () => {
    expect(valueAt(series, 250)).toBe(125);
    expect(valueAt(series, -5)).toBe(100);
    expect(valueAt([], 0)).toBeUndefined();
  });

  it('begins anew where it falls', () => {
    // 50 up to 200, then from zero to 20, then 15 more.
    expect(increaseOf(series, { fromMs: 500, toMs: 2_500 })).toBe(50 + 20 + 15);
    expect(increaseOf([], { fromMs: 0, toMs: 1 })).toBeUndefined();
  });
});

describe('a quantile', () => {
  it('lies between the neighbours', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([7], 0.95)).toBe(7);
    expect(quantile([], 0.5)).toBeNull();
  });
});

describe('the load of the machine', () => {
  it('is read from /proc', () => {
    expect(parseCpuTotals('cpu  100 10 50 1000 5 1 2 30 0 0\ncpu0 1 1 1 1\n')).toEqual({ busyS: 1.63, stolenS: 0.3 });
    expect(parsePressure('some avg10=1.00 avg60=0.50 avg300=0.10 total=2500000\nfull avg10=0 total=0\n')).toBe(2.5);
    expect(parsePressure('')).toBeUndefined();
    const stat = '42 (a (strange) name) S 7 42 42 0 -1 0 0 0 0 0 150 50 0 0 20 0 1 0 99 1000 25 0';
    expect(parseProcessStat(stat)).toEqual({ pid: 42, parent: 7, cpuS: 2, rssBytes: 25 * 4_096 });
    expect(parseProcessStat('')).toBeUndefined();
  });

  it('is given to the nearest process above that has a name', () => {
    const one = (pid: number, parent: number, cpuS: number) => ({ pid, parent, cpuS, rssBytes: 1 });
    const groups = groupProcesses(
      [one(1, 0, 9), one(10, 1, 1), one(11, 10, 2), one(12, 11, 4), one(20, 10, 8)],
      new Map([
        [10, 'lab'],
        [11, 'node'],
      ]),
    );
    expect([...groups]).toEqual([
      ['lab', { cpuS: 9, rssBytes: 2 }],
      ['node', { cpuS: 6, rssBytes: 2 }],
    ]);
  });
});

describe('the cross-check', () => {
  /** One second with 100 kB each way at Anna's node, by both sides' figures. */
  const run = async (serverBytes: number): Promise<RecordedRun> => {
    const lines = (await exampleLines()).filter(({ type }) => type !== 'scrape' && type !== 'stats');
    const more: RecordLine[] = [5_000, 7_000].flatMap((atMs, index): RecordLine[] => [
      {
        type: 'stats',
        atMs,
        client: 'anna',
        reports: [
          { id: 'v', type: 'inbound-rtp', bytesReceived: index * 190_000, headerBytesReceived: index * 10_000 },
          { id: 'p', type: 'inbound-rtp', trackIdentifier: 'probator', bytesReceived: index * 70_000 },
        ],
      },
      {
        type: 'scrape',
        atMs,
        node: 'sin',
        tookMs: 0,
        samples: [['meridian_media_bytes_total', { leg: 'client-down', kind: 'video' }, index * serverBytes]],
      },
    ]);
    return new RecordedRun([...lines, ...more]);
  };

  it('agrees where pages and nodes saw the same, probing left out', async () => {
    expect(crossCheck(await run(205_000))).toEqual([
      expect.objectContaining({ what: 'media received from sin', clients: 200_000, servers: 205_000, agrees: true }),
    ]);
  });

  it('reports where they did not', async () => {
    expect(crossCheck(await run(300_000))).toEqual([expect.objectContaining({ agrees: false })]);
  });
});

describe('the quality of pictures', () => {
  it('is read from what ffmpeg writes', () => {
    expect(
      parsePsnr('n:1 mse_avg:1 mse_y:2 psnr_avg:38 psnr_y:36.21 psnr_u:40\nn:2 psnr_avg:inf psnr_y:inf\n'),
    ).toEqual([36.21, null]);
    expect(parseSsim('n:1 Y:0.981 U:0.99 V:0.99 All:0.98 (17.1)\nn:2 Y:1.000000 U:1 V:1 All:1 (inf)\n')).toEqual([
      0.981, 1,
    ]);
  });
});
