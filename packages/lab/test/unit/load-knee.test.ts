import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { breachesOf, otherLimits, USUAL_LIMITS } from '../../src/load/knee/criteria.ts';
import { kneeText } from '../../src/load/knee/find.ts';
import { kneeOf, nextLevel, type Tried } from '../../src/load/knee/search.ts';
import { LiveTable } from '../../src/load/live.ts';
import type { JoinFigures, LoadFigures } from '../../src/load/measure/figures.ts';
import type { LevelLine } from '../../src/load/record.ts';
import { tableLines } from '../../src/load/table.ts';

const three = (ms: number) => ({ p50: ms, p95: ms, p99: ms });
const JOINS: JoinFigures = { joined: 4, failed: 0, perS: 2, latency: { total: three(50) }, byCode: {} };

const figures = (changes: Partial<LoadFigures> = {}): LoadFigures => ({
  overMs: 10_000,
  participants: 4,
  streams: 24,
  sentKbps: 2_000,
  receivedKbps: 6_000,
  sentPerS: 500,
  receivedPerS: 1_500,
  loss: 0,
  worstStreamLoss: 0,
  silentStreams: 0,
  missingStreams: 0,
  latency: three(3),
  machine: { cores: 2, busyCores: 0.8, stolenCores: 0, holdsCluster: true },
  cluster: [
    { name: 'a', cores: 0.1, rssBytes: 1 },
    { name: 'a worker 0', cores: 0.3, rssBytes: 1 },
  ],
  generators: [{ name: 'generator-1', cores: 0.3, rssBytes: 1, loop: 0.2 }],
  latenessMs: 4,
  skippedFrames: 0,
  unsentPackets: 0,
  forwardedPerS: 1_500,
  relayedPerS: 0,
  forwardedBy: 'nodes',
  usPerForwarded: 40,
  workerUsPerForwarded: 20,
  coresPerParticipant: 0.1,
  bytesPerParticipant: 1_000_000,
  ...changes,
});

/** Plays a search against a cluster that carries so many. */
function search(carries: number, range: { from: number; to: number; step: number }): Tried[] {
  const tried: Tried[] = [];
  for (let level = nextLevel(tried, range); level !== undefined; level = nextLevel(tried, range)) {
    tried.push({ level, held: level <= carries });
    if (tried.length > 100) throw new Error('the search does not end');
  }
  return tried;
}

describe('the search for the knee', () => {
  test('rises by half until something breaks, then halves the gap', () => {
    expect(search(30, { from: 8, to: 1_000, step: 4 })).toEqual([
      { level: 8, held: true },
      { level: 12, held: true },
      { level: 20, held: true },
      { level: 32, held: false },
      { level: 24, held: true },
      { level: 28, held: true },
    ]);
  });

  test('finds what any cluster carries, to a step, in few tries', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 10 }),
        fc.integer({ min: 1, max: 2_000 }),
        (from, step, carries) => {
          const range = { from, to: from + 700, step };
          const tried = search(carries, range);
          const { held, broke } = kneeOf(tried);
          if (carries < from) expect([held, broke, tried.length]).toEqual([undefined, from, 1]);
          else if (carries >= range.to) expect([held, broke]).toEqual([range.to, undefined]);
          else {
            expect(held).toBeLessThanOrEqual(carries);
            expect(broke).toBeGreaterThan(carries);
            expect((broke ?? 0) - (held ?? 0)).toBeLessThan(2 * step);
          }
          expect(new Set(tried.map(({ level }) => level)).size).toBe(tried.length);
        },
      ),
    );
  });

  test('a level that held above one that broke does not count', () => {
    const tried = [
      { level: 4, held: true },
      { level: 12, held: true },
      { level: 8, held: false },
    ];
    expect(kneeOf(tried)).toEqual({ held: 4, broke: 8 });
  });
});

describe('when a level is broken', () => {
  const criteria = (changes: Partial<LoadFigures>, joins = JOINS, lost = 0) =>
    breachesOf(figures(changes), joins, lost, USUAL_LIMITS).map(({ criterion }) => criterion);

  test('within all limits it is not', () => {
    expect(criteria({})).toEqual([]);
    expect(criteria({ loss: null, latency: null, machine: null, cluster: [] }, { ...JOINS, latency: null })).toEqual(
      [],
    );
  });

  test.each<[string, Partial<LoadFigures>]>([
    ['loss', { loss: 0.0051 }],
    ['worker-cpu', { cluster: [{ name: 'a worker 0', cores: 0.86, rssBytes: 1 }] }],
    ['machine-cpu', { machine: { cores: 2, busyCores: 1.6, stolenCores: 0.2, holdsCluster: true } }],
    ['latency', { latency: three(101) }],
    ['missing-media', { silentStreams: 1 }],
    ['missing-media', { missingStreams: 1 }],
  ])('%s alone is enough', (criterion, changes) => {
    expect(criteria(changes)).toEqual([criterion]);
  });

  test('slow and failed joins, and people who were lost, are enough', () => {
    expect(criteria({}, { ...JOINS, latency: { total: three(2_001) } })).toEqual(['join']);
    expect(criteria({}, { ...JOINS, failed: 1, byCode: { 'no-node': 1 } })).toEqual(['failures']);
    expect(criteria({}, JOINS, 1)).toEqual(['failures']);
  });

  test('a busy machine says nothing of a cluster that is elsewhere', () => {
    expect(criteria({ machine: { cores: 2, busyCores: 2, stolenCores: 0, holdsCluster: false } })).toEqual([]);
  });
});

describe('what was not the cluster', () => {
  const reasons = (changes: Partial<LoadFigures>) => otherLimits(figures(changes), USUAL_LIMITS);
  const full = { cores: 2, busyCores: 1.9, stolenCores: 0, holdsCluster: true };
  const generator = (cores: number, loop = 0.2) => [{ name: 'generator-1', cores, rssBytes: 1, loop }];
  const cluster = (cores: number) => [{ name: 'a worker 0', cores, rssBytes: 1 }];

  test('a generator with room is no reason', () => {
    expect(reasons({})).toEqual([]);
    expect(reasons({ machine: full, cluster: cluster(1.2), generators: generator(0.6) })).toEqual([]);
  });

  test('a full event loop, late or skipped frames are', () => {
    expect(reasons({ generators: generator(1, 0.9) })).toEqual(["generator-1's event loop was 90 % busy"]);
    expect(reasons({ latenessMs: 30 })).toHaveLength(1);
    expect(reasons({ skippedFrames: 2 })).toHaveLength(1);
  });

  test('on a full machine it is whoever took more', () => {
    const [reason] = reasons({ machine: full, cluster: cluster(0.6), generators: generator(1.2) });
    expect(reason).toBe("of the machine's 2 cores the generator took 1.20, the cluster 0.60");
    expect(reasons({ machine: full, cluster: cluster(0.7), generators: generator(0.5) })).toEqual([
      '0.70 cores went to others on this machine',
    ]);
    expect(reasons({ machine: { ...full, holdsCluster: false }, generators: generator(1.8) })).toEqual([
      "the participants' machine was full: 1.90 of 2 cores",
    ]);
  });
});

describe('the knee in words', () => {
  const level = (participants: number, changes: Partial<LevelLine> = {}): LevelLine => ({
    type: 'level',
    atMs: 0,
    participants,
    held: true,
    breaches: [],
    otherLimits: [],
    joins: JOINS,
    lost: 0,
    figures: figures(),
    ...changes,
  });
  const broke = level(12, { held: false, breaches: [{ criterion: 'loss', text: '2 % of the packets lost' }] });

  test('names what held, what broke, and that it was the cluster', () => {
    const text = kneeText({ held: level(8), broke, levels: [] }, false).join('\n');
    expect(text).toContain('8 participants held (24 streams, 1500 packets/s forwarded)');
    expect(text).toContain('12 broke, twice: 2 % of the packets lost.');
    expect(text).toContain('it was the cluster');
    expect(text).toContain('42500 packets/s');
  });

  test('does not blame the cluster for what the generator could not do', () => {
    const text = kneeText({ held: level(8), broke: { ...broke, otherLimits: ['late'] }, levels: [] }, false).join('\n');
    expect(text).toContain('not, or not only, the cluster: late');
    expect(text).not.toContain('it was the cluster');
  });

  test('says when nothing broke, nothing held, or it was interrupted', () => {
    expect(kneeText({ held: level(8), broke: undefined, levels: [] }, false)).toContain(
      'Nothing broke up to the end of the range (--to).',
    );
    expect(kneeText({ held: undefined, broke, levels: [] }, false)[0]).toBe('No level held.');
    expect(kneeText({ held: level(8), broke: undefined, levels: [] }, true).at(-1)).toContain('Interrupted');
  });
});

describe('the live table', () => {
  const state = {
    clock: '00:07',
    what: 'load',
    people: 3,
    wanted: 4,
    rooms: 1,
    lost: 0,
    joins: { ...JOINS, failed: 1, byCode: { 'rate-limited': 1 } },
    figures: figures(),
  };
  const write = (terminal: { isTTY?: boolean; columns?: number }, times: number): string => {
    let text = '';
    const table = new LiveTable({ ...terminal, write: (more) => (text += more) });
    for (let i = 0; i < times; i++) table.show(state);
    return text;
  };

  test('names participants, joins with codes, media, every process', () => {
    const text = tableLines(state).join('\n');
    expect(text).toContain('3 of 4 participants in 1 rooms');
    expect(text).toContain('4 in, 1 failed (1 x rate-limited)');
    for (const part of ['a worker 0', 'generator-1', '6.00 Mbit/s', '0.00 % lost', '40 % of 2 cores']) {
      expect(text).toContain(part);
    }
  });

  test('is drawn over itself on a terminal, and not wider than it', () => {
    const height = tableLines(state).length;
    const text = write({ isTTY: true, columns: 40 }, 2);
    expect(text.split(`\x1b[${height}A\x1b[J`)).toHaveLength(2);
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(40 + 8);
  });

  test('is a line now and then elsewhere', () => {
    expect(write({}, 10).trim().split('\n')).toHaveLength(2);
  });
});
