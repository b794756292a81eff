import { describe, expect, test } from 'vitest';
import type { GeneratorFigures } from '../../src/load/generator/contract.ts';
import { figuresOf, joinFiguresOf } from '../../src/load/measure/figures.ts';
import { LogHistogram } from '../../src/load/measure/log-histogram.ts';
import { type NodeReading, readingOf } from '../../src/load/measure/node-metrics.ts';
import { steadyRate } from '../../src/load/measure/rate.ts';
import type { JoinLine, LoadSample } from '../../src/load/measure/sample.ts';

const CORES = 4;
const MIB = 1_048_576;

function generator(changes: Partial<GeneratorFigures> = {}): GeneratorFigures {
  return {
    participants: 2,
    sentPackets: 0,
    sentBytes: 0,
    unsentPackets: 0,
    skippedFrames: 0,
    keyFramesAsked: 0,
    streams: 2,
    receivedPackets: 0,
    receivedBytes: 0,
    expectedPackets: 0,
    latency: new LogHistogram().counts,
    lateness: new LogHistogram().counts,
    loopActiveMs: 0,
    loopIdleMs: 0,
    ...changes,
  };
}

function node(changes: Partial<NodeReading> = {}): NodeReading {
  return {
    node: 'a',
    processCpuS: 0,
    rssBytes: 100 * MIB,
    workers: [{ worker: '0', cpuS: 0, rssBytes: 10 * MIB }],
    participants: 2,
    consumers: 2,
    relayLinks: 0,
    toClients: 0,
    toNodes: 0,
    ...changes,
  };
}

const sample = (atMs: number, its: Partial<LoadSample> = {}): LoadSample => ({
  type: 'sample',
  atMs,
  generators: { 'generator-1': generator() },
  machine: undefined,
  nodes: [],
  ...its,
});

const load = (busyCores: number, processes: Readonly<Record<string, number>>, overMs = 1_000) => ({
  type: 'machine' as const,
  atMs: 0,
  overMs,
  busyCores,
  stolenCores: 0,
  waiting: null,
  processes: Object.entries(processes).map(([name, cores]) => ({ name, cores, rssBytes: MIB })),
});

const NO_STREAMS = { before: [], after: [], due: 0 };
const figures = (samples: readonly LoadSample[], idle?: LoadSample) =>
  figuresOf({ samples, idle, streams: NO_STREAMS, cores: CORES });

describe('figures of a stretch of time', () => {
  test('are what came in it: rates, and the loss of that time alone', () => {
    // Given 100 packets lost before, and 10 of 1,000 lost in two seconds
    const before = generator({ sentPackets: 500, receivedPackets: 400, expectedPackets: 500, sentBytes: 1_000 });
    const after = generator({ sentPackets: 1_000, receivedPackets: 1_390, expectedPackets: 1_500, sentBytes: 251_000 });
    // When
    const found = figures([
      sample(1_000, { generators: { 'generator-1': before } }),
      sample(3_000, { generators: { 'generator-1': after } }),
    ]);
    // Then
    expect(found).toMatchObject({ overMs: 2_000, sentPerS: 250, receivedPerS: 495, sentKbps: 1_000 });
    expect(found?.loss).toBeCloseTo(0.01);
    expect(found).toMatchObject({ forwardedBy: 'participants', forwardedPerS: 500, usPerForwarded: null });
  });

  test('late packets of the time before are no negative loss', () => {
    const after = generator({ receivedPackets: 105, expectedPackets: 100 });
    expect(figures([sample(0), sample(1_000, { generators: { 'generator-1': after } })])?.loss).toBe(0);
  });

  test('one moment is none', () => {
    expect(figures([sample(0)])).toBeUndefined();
    expect(figures([])).toBeUndefined();
  });

  test("CPU is that of /proc where it is this machine's, weighted by time, the generator's apart", () => {
    // Given 1 s at 0.4 and 3 s at 0.8 cores; what was before the stretch does not count
    const found = figures([
      sample(0, { machine: load(4, { a: 1, 'a worker 0': 1, 'generator-1': 1 }) }),
      sample(1_000, { machine: load(1, { a: 0.1, 'a worker 0': 0.4, 'generator-1': 0.3 }) }),
      sample(4_000, {
        machine: load(2, { a: 0.1, 'a worker 0': 0.8, 'generator-1': 0.7 }, 3_000),
        nodes: [node()],
        generators: { 'generator-1': generator({ expectedPackets: 40_000, receivedPackets: 40_000 }) },
      }),
    ]);
    expect(found?.machine).toEqual({ cores: CORES, busyCores: 1.75, stolenCores: 0, holdsCluster: true });
    expect(found?.cluster.map(({ name, cores }) => [name, Math.round(cores * 100)])).toEqual([
      ['a', 10],
      ['a worker 0', 70],
    ]);
    expect(found?.generators[0]?.cores).toBeCloseTo(0.6);
    // 0.8 cores for 10,000 packets/s, 0.7 of them in the worker, for two people
    expect(found?.usPerForwarded).toBeCloseTo(80);
    expect(found?.workerUsPerForwarded).toBeCloseTo(70);
    expect(found?.coresPerParticipant).toBeCloseTo(0.4);
  });

  test('of a cluster elsewhere it is what the nodes tell, who bring it up to date every few seconds', () => {
    // Given counters that are read every second, and change every five
    const samples = Array.from({ length: 17 }, (_, second) => {
      const told = Math.floor(second / 5);
      const workers = [{ worker: '0', cpuS: told * 2, rssBytes: 12 * MIB }];
      const one = node({ processCpuS: second * 0.1, workers, toClients: told * 5_000, toNodes: told * 500 });
      return sample(second * 1_000, { nodes: [one], machine: load(1, { 'generator-1': 0.5 }) });
    });
    // When
    const found = figures(samples, sample(0, { nodes: [node()] }));
    // Then
    expect(found?.cluster.map(({ name, cores }) => [name, Math.round(cores * 100)])).toEqual([
      ['a', 10],
      ['a worker 0', 40],
    ]);
    expect(found).toMatchObject({ forwardedBy: 'nodes', forwardedPerS: 1_100, relayedPerS: 100 });
    expect(found?.machine?.holdsCluster).toBe(false);
    expect(found?.bytesPerParticipant).toBe(MIB);
  });

  test('streams that are silent, and streams that are not there, are counted', () => {
    const stream = (producerId: string, received: number, expected = received) => ({
      person: 1,
      producerId,
      kind: 'video' as const,
      received,
      expected,
    });
    const found = figuresOf({
      samples: [sample(0), sample(1_000)],
      idle: undefined,
      streams: { before: [stream('p', 10), stream('q', 5)], after: [stream('p', 10), stream('q', 9, 10)], due: 3 },
      cores: CORES,
    });
    expect(found).toMatchObject({ silentStreams: 1, missingStreams: 1, worstStreamLoss: 0.1 });
  });
});

describe('joins', () => {
  const join = (atMs: number, tookMs: number, changes: Partial<JoinLine> = {}): JoinLine => ({
    type: 'join',
    atMs,
    person: 1,
    outcome: 'joined',
    tookMs,
    steps: { guest: tookMs / 2 },
    ...changes,
  });

  test('are counted by outcome and code, and measured by step', () => {
    const failed = join(1_500, 30, { outcome: 'failed', code: 'rate-limited', steps: {} });
    const found = joinFiguresOf([join(1_000, 100, { sendingMs: 250 }), join(2_000, 200), failed]);
    expect(found).toMatchObject({ joined: 2, failed: 1, byCode: { 'rate-limited': 1 } });
    expect(found.perS).toBeCloseTo(2 / 1.2);
    expect(found.latency).toMatchObject({ total: { p50: 150 }, guest: { p50: 75 }, sending: { p99: 250 } });
  });

  test('of none there is nothing to say', () => {
    expect(joinFiguresOf([])).toEqual({ joined: 0, failed: 0, perS: 0, latency: null, byCode: {} });
  });
});

describe('counted times', () => {
  test('quantiles are right to a tenth', () => {
    const times = new LogHistogram();
    for (let ms = 1; ms <= 1_000; ms++) times.add(ms);
    for (const share of [0.05, 0.5, 0.95, 0.99]) {
      expect(Math.abs((times.quantile(share) ?? 0) / (share * 1_000) - 1)).toBeLessThan(0.1);
    }
  });

  test('of two moments the difference is what came between them', () => {
    const earlier = new LogHistogram();
    earlier.add(1);
    const later = new LogHistogram(earlier.counts);
    later.add(100);
    const between = later.plus(earlier.counts, -1);
    expect(between.total).toBe(1);
    expect(between.quantile(0.5)).toBeGreaterThan(90);
  });

  test('what is negative or very long is counted at the ends, and nothing has no quantile', () => {
    const times = new LogHistogram();
    expect(times.quantile(0.5)).toBeNull();
    times.add(-3);
    times.add(1e9);
    expect(times.total).toBe(2);
  });
});

describe("a counter's rate", () => {
  test('goes from change to change', () => {
    const values = [1, 1, 6, 6, 6, 11, 11, 16, 16];
    expect(steadyRate(values.map((value, index) => ({ atMs: index * 1_000, value })))).toBe(2);
  });

  test('is unknown after a single change, and when the node began anew', () => {
    const of = (...values: number[]) => steadyRate(values.map((value, index) => ({ atMs: index, value })));
    expect(of(1, 1, 2)).toBeUndefined();
    expect(of(5, 9, 0, 3)).toBeUndefined();
    expect(of()).toBeUndefined();
  });
});

test('a page of metrics becomes what a node says of its load', () => {
  const labels = { node: 'a', region: 'eu' };
  const reading = readingOf('a', [
    ['meridian_process_cpu_seconds_total', labels, 3],
    ['meridian_worker_cpu_seconds_total', { ...labels, worker: '0' }, 5],
    ['meridian_worker_cpu_seconds_total', { ...labels, worker: '1' }, 7],
    ['meridian_worker_resident_memory_bytes', { ...labels, worker: '1' }, 9],
    ['meridian_media_packets_total', { ...labels, leg: 'client-down', kind: 'audio' }, 10],
    ['meridian_media_packets_total', { ...labels, leg: 'client-down', kind: 'video' }, 20],
    ['meridian_media_packets_total', { ...labels, leg: 'relay-in', kind: 'video' }, 99],
  ]);
  expect(reading).toMatchObject({ node: 'a', processCpuS: 3, toClients: 30, toNodes: 0 });
  expect(reading.workers).toEqual([
    { worker: '0', cpuS: 5, rssBytes: 0 },
    { worker: '1', cpuS: 7, rssBytes: 9 },
  ]);
});
