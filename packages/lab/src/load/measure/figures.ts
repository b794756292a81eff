import { quantile } from '../../analysis/quantile.ts';
import type { GeneratorFigures, StreamFigures } from '../generator/contract.ts';
import { LogHistogram } from './log-histogram.ts';
import type { NodeReading } from './node-metrics.ts';
import { steadyRate } from './rate.ts';
import type { JoinLine, LoadSample } from './sample.ts';

/** Cores: 1 is one core. */
export interface Part {
  readonly name: string;
  readonly cores: number;
  readonly rssBytes: number;
}

export interface Quantiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface JoinFigures {
  readonly joined: number;
  readonly failed: number;
  /** Joins per second, from the first begin to the last end. */
  readonly perS: number;
  /** Milliseconds by step, `total` among them; null where nobody joined. */
  readonly latency: Readonly<Record<string, Quantiles>> | null;
  readonly byCode: Readonly<Record<string, number>>;
}

/** What a stretch of time showed. */
export interface LoadFigures {
  readonly overMs: number;
  readonly participants: number;
  readonly streams: number;
  readonly sentKbps: number;
  readonly receivedKbps: number;
  readonly sentPerS: number;
  readonly receivedPerS: number;
  /** Of the packets that should have come, by sequence numbers; null where none came. */
  readonly loss: number | null;
  /** Of single streams over their whole life: the worst; and how many brought nothing in this time, or are not there. */
  readonly worstStreamLoss: number | null;
  readonly silentStreams: number;
  readonly missingStreams: number;
  /** From one participant's process to another's, milliseconds. */
  readonly latency: Quantiles | null;
  /** The machine of the participants; null where there is no /proc. */
  readonly machine: {
    readonly cores: number;
    readonly busyCores: number;
    readonly stolenCores: number;
    /** The cluster runs on it too. */
    readonly holdsCluster: boolean;
  } | null;
  /** Nodes, their workers (`ams-1 worker 0`), services; empty where nobody tells. */
  readonly cluster: readonly Part[];
  readonly generators: readonly (Part & {
    /** Share of the time in which its event loop was busy; of the lab's main process nobody asks. */
    readonly loop: number | null;
  })[];
  /** How late the generators sent frames, milliseconds, 99th percentile; frames they skipped, packets they could not send. */
  readonly latenessMs: number | null;
  readonly skippedFrames: number;
  readonly unsentPackets: number;
  /** Packets the nodes sent, to clients and to each other; and who counted them. */
  readonly forwardedPerS: number;
  readonly relayedPerS: number;
  readonly forwardedBy: 'nodes' | 'participants';
  /** CPU of nodes and workers: per packet they sent, microseconds; per participant, cores. */
  readonly usPerForwarded: number | null;
  readonly workerUsPerForwarded: number | null;
  readonly coresPerParticipant: number | null;
  readonly bytesPerParticipant: number | null;
}

export function quantilesOf(values: readonly number[]): Quantiles | null {
  if (values.length === 0) return null;
  return { p50: quantile(values, 0.5), p95: quantile(values, 0.95), p99: quantile(values, 0.99) };
}

export function joinFiguresOf(joins: readonly JoinLine[]): JoinFigures {
  const joined = joins.filter(({ outcome }) => outcome === 'joined');
  const byCode: Record<string, number> = {};
  for (const { code } of joins) if (code !== undefined) byCode[code] = (byCode[code] ?? 0) + 1;
  const columns = new Map<string, number[]>();
  const add = (name: string, value: number | undefined) => {
    if (value !== undefined) columns.set(name, [...(columns.get(name) ?? []), value]);
  };
  for (const { steps = {}, tookMs, sendingMs, receivingMs } of joined) {
    for (const [step, ms] of Object.entries(steps)) add(step, ms);
    add('total', tookMs);
    add('sending', sendingMs);
    add('receiving', receivingMs);
  }
  const begin = Math.min(...joins.map(({ atMs }) => atMs));
  const end = Math.max(...joined.map(({ atMs, tookMs }) => atMs + tookMs));
  return {
    joined: joined.length,
    failed: joins.length - joined.length,
    perS: joined.length === 0 || end <= begin ? 0 : (joined.length * 1_000) / (end - begin),
    latency:
      joined.length === 0
        ? null
        : Object.fromEntries(
            [...columns].flatMap(([name, values]) => {
              const quantiles = quantilesOf(values);
              return quantiles === null ? [] : [[name, quantiles]];
            }),
          ),
    byCode,
  };
}

/** What the streams were at two times: those that brought nothing in between, and the worst loss. */
export interface StreamsSeen {
  readonly before: readonly StreamFigures[];
  readonly after: readonly StreamFigures[];
  /** Streams that should be there. */
  readonly due: number;
}

/**
 * @param samples in the order of time; the first and the last are the ends of the stretch
 * @param idle the cluster without participants, to see what participants cost
 */
export function figuresOf(options: {
  samples: readonly LoadSample[];
  idle: LoadSample | undefined;
  streams: StreamsSeen;
  cores: number;
}): LoadFigures | undefined {
  const { samples, idle, streams, cores } = options;
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return undefined;
  const overMs = last.atMs - first.atMs;
  const perS = (count: number) => (count * 1_000) / overMs;
  const rise = (of: keyof NumericFigures) => sumOf(last, of) - sumOf(first, of);
  const received = rise('receivedPackets');
  // Packets that came late can make more of them than were expected in this time.
  const expected = Math.max(received, rise('expectedPackets'));
  const cluster = clusterParts(samples);
  const participants = sumOf(last, 'participants');
  const byNodes = forwardedByNodes(samples);
  const forwardedPerS = byNodes?.perS ?? perS(expected);
  const media = cluster.filter(({ name }) => last.nodes.some(({ node }) => name === node || isWorkerOf(name, node)));
  const coresUsed = media.reduce((sum, { cores }) => sum + cores, 0);
  const workerCores = media.filter(({ name }) => / worker /.test(name)).reduce((sum, one) => sum + one.cores, 0);
  return {
    overMs,
    participants,
    streams: sumOf(last, 'streams'),
    sentKbps: perS(rise('sentBytes')) * 0.008,
    receivedKbps: perS(rise('receivedBytes')) * 0.008,
    sentPerS: perS(rise('sentPackets')),
    receivedPerS: perS(received),
    loss: expected === 0 ? null : (expected - received) / expected,
    ...streamsOf(streams),
    latency: histogramQuantiles(histogramRise(first, last, 'latency')),
    machine: machineOf(samples, cores),
    cluster,
    generators: generatorParts(samples),
    latenessMs: histogramRise(first, last, 'lateness').quantile(0.99),
    skippedFrames: rise('skippedFrames'),
    unsentPackets: rise('unsentPackets'),
    forwardedPerS,
    relayedPerS: byNodes?.relayedPerS ?? 0,
    forwardedBy: byNodes === undefined ? 'participants' : 'nodes',
    usPerForwarded: media.length === 0 || forwardedPerS === 0 ? null : (coresUsed * 1e6) / forwardedPerS,
    workerUsPerForwarded: media.length === 0 || forwardedPerS === 0 ? null : (workerCores * 1e6) / forwardedPerS,
    coresPerParticipant: media.length === 0 || participants === 0 ? null : coresUsed / participants,
    bytesPerParticipant: idle === undefined ? null : memoryPerParticipant(idle, last, participants),
  };
}

type NumericFigures = Omit<GeneratorFigures, 'latency' | 'lateness'>;

function sumOf(sample: LoadSample, of: keyof NumericFigures): number {
  return Object.values(sample.generators).reduce((sum, figures) => sum + figures[of], 0);
}

function histogramRise(first: LoadSample, last: LoadSample, of: 'latency' | 'lateness'): LogHistogram {
  let rise = new LogHistogram();
  for (const figures of Object.values(last.generators)) rise = rise.plus(figures[of]);
  for (const figures of Object.values(first.generators)) rise = rise.plus(figures[of], -1);
  return rise;
}

function histogramQuantiles(histogram: LogHistogram): Quantiles | null {
  const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => histogram.quantile(share));
  return p50 == null || p95 == null || p99 == null ? null : { p50, p95, p99 };
}

function streamsOf({ before, after, due }: StreamsSeen) {
  const keyOf = ({ person, producerId }: StreamFigures) => `${person} ${producerId}`;
  const then = new Map(before.map((one) => [keyOf(one), one]));
  const silent = after.filter((one) => one.received === (then.get(keyOf(one))?.received ?? 0));
  const losses = after
    .filter(({ expected }) => expected > 0)
    .map(({ expected, received }) => Math.max(0, expected - received) / expected);
  return {
    worstStreamLoss: losses.length === 0 ? null : Math.max(...losses),
    silentStreams: silent.length,
    missingStreams: Math.max(0, due - after.length),
  };
}

function machineOf(samples: readonly LoadSample[], cores: number): LoadFigures['machine'] {
  // The first says what was before the stretch.
  const loads = samples.slice(1).flatMap(({ machine }) => (machine === undefined ? [] : [machine]));
  const overMs = loads.reduce((sum, one) => sum + one.overMs, 0);
  if (overMs === 0) return null;
  const weighted = (of: 'busyCores' | 'stolenCores') =>
    loads.reduce((sum, one) => sum + one[of] * one.overMs, 0) / overMs;
  const holdsCluster = loads.some(({ processes }) => processes.some(({ name }) => !isGenerator(name)));
  return { cores, busyCores: weighted('busyCores'), stolenCores: weighted('stolenCores'), holdsCluster };
}

/** From /proc: mean cores, last memory. */
function procParts(samples: readonly LoadSample[]): Part[] {
  const loads = samples.slice(1).flatMap(({ machine }) => (machine === undefined ? [] : [machine]));
  const overMs = loads.reduce((sum, one) => sum + one.overMs, 0);
  const parts = new Map<string, { time: number; rssBytes: number }>();
  for (const { overMs: ms, processes } of loads) {
    for (const { name, cores, rssBytes } of processes) {
      parts.set(name, { time: (parts.get(name)?.time ?? 0) + cores * ms, rssBytes });
    }
  }
  return [...parts].map(([name, { time, rssBytes }]) => ({ name, cores: time / overMs, rssBytes }));
}

/** The lab's own main process, which reads and writes all this, is part of the load generator. */
export const LAB = 'lab';
const isGenerator = (name: string) => name === LAB || name.startsWith('generator-');
const isWorkerOf = (name: string, node: string) => name.startsWith(`${node} worker `);

/** Of a cluster on this machine from /proc, of another one from what its nodes tell. */
function clusterParts(samples: readonly LoadSample[]): Part[] {
  const local = procParts(samples).filter(({ name }) => !isGenerator(name));
  if (local.length > 0) return local;
  const parts: Part[] = [];
  const last = samples.at(-1);
  for (const { node, rssBytes, workers } of last?.nodes ?? []) {
    const points = samples.flatMap(({ atMs, nodes }) => {
      const one = nodes.find((reading) => reading.node === node);
      return one === undefined ? [] : [{ atMs, one }];
    });
    const own = steadyRate(points.map(({ atMs, one }) => ({ atMs, value: one.processCpuS })));
    if (own !== undefined) parts.push({ name: node, cores: own, rssBytes });
    for (const { worker, rssBytes: its } of workers) {
      const rate = steadyRate(
        points.flatMap(({ atMs, one }) => {
          const value = one.workers.find((other) => other.worker === worker)?.cpuS;
          return value === undefined ? [] : [{ atMs, value }];
        }),
      );
      if (rate !== undefined) parts.push({ name: `${node} worker ${worker}`, cores: rate, rssBytes: its });
    }
  }
  return parts;
}

/** What came on top, on the nodes that tell of both times. */
function memoryPerParticipant(idle: LoadSample, last: LoadSample, participants: number): number | null {
  const bytesOf = ({ rssBytes, workers }: NodeReading) =>
    rssBytes + workers.reduce((sum, worker) => sum + worker.rssBytes, 0);
  const before = new Map(idle.nodes.map((one) => [one.node, bytesOf(one)]));
  const more = last.nodes.flatMap((one) => {
    const then = before.get(one.node);
    return then === undefined ? [] : [bytesOf(one) - then];
  });
  return more.length === 0 || participants === 0 ? null : more.reduce((sum, bytes) => sum + bytes, 0) / participants;
}

function generatorParts(samples: readonly LoadSample[]): LoadFigures['generators'] {
  const parts = new Map(procParts(samples).map((part) => [part.name, part]));
  const [first, last] = [samples[0], samples.at(-1)];
  const generators = Object.entries(last?.generators ?? {}).map(([name, now]) => {
    const then = first?.generators[name];
    const active = now.loopActiveMs - (then?.loopActiveMs ?? 0);
    const idle = now.loopIdleMs - (then?.loopIdleMs ?? 0);
    const { cores = 0, rssBytes = 0 } = parts.get(name) ?? {};
    return { name, cores, rssBytes, loop: active + idle === 0 ? 0 : active / (active + idle) };
  });
  const lab = parts.get(LAB);
  return lab === undefined ? generators : [...generators, { ...lab, loop: null }];
}

/** Nodes bring their counters of media up to date this often. */
const NODES_TELL_EVERY_MS = 5_000;

/** The nodes' own counters; undefined where the stretch is too short for them. */
function forwardedByNodes(samples: readonly LoadSample[]): { perS: number; relayedPerS: number } | undefined {
  const names = new Set(samples.flatMap(({ nodes }) => nodes.map(({ node }) => node)));
  let [clients, relayed] = [0, 0];
  for (const node of names) {
    const points = (of: 'toClients' | 'toNodes') =>
      samples.flatMap(({ atMs, nodes }) => {
        const value = nodes.find((one) => one.node === node)?.[of];
        return value === undefined ? [] : [{ atMs, value }];
      });
    const rateOf = (of: 'toClients' | 'toNodes') => {
      const its = points(of);
      const [first, last] = [its[0], its.at(-1)];
      if (first === undefined || last === undefined || first.value !== last.value) return steadyRate(its);
      // Nothing goes there, if this was long enough to be told.
      return last.value === 0 || last.atMs - first.atMs > 2 * NODES_TELL_EVERY_MS ? 0 : undefined;
    };
    const [toClients, toNodes] = [rateOf('toClients'), rateOf('toNodes')];
    if (toClients === undefined || toNodes === undefined) return undefined;
    clients += toClients;
    relayed += toNodes;
  }
  return clients + relayed === 0 ? undefined : { perS: clients + relayed, relayedPerS: relayed };
}
