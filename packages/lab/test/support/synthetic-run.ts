import { join } from 'node:path';
import { RecordedRun } from '../../src/experiment/record/run.ts';
import { RECORD_VERSION, type RecordLine, type StatsReport } from '../../src/experiment/record/schema.ts';
import { readScenario, SCENARIOS_DIR } from '../../src/experiment/scenario/file.ts';
import { planArm } from '../../src/experiment/scenario/plan.ts';
import { normalAt, seedOf } from '../../src/wan/model/random.ts';
import { readProfiles } from '../../src/wan/profiles.ts';

export interface SyntheticRun {
  readonly arm: string;
  readonly block: number;
  /** Of every frame, before noise. */
  readonly latencyMs: number;
  readonly audioLatencyMs?: number;
  /** Spread of single frames' latency. */
  readonly noiseMs?: number;
  /** What latency rises by over the measured time, evenly. */
  readonly riseMs?: number;
  readonly fps?: number;
  readonly seconds?: number;
  readonly videoBps?: number;
  readonly lossShare?: number;
  readonly psnrDb?: number;
  readonly frozenFromS?: number;
  readonly frozenToS?: number;
  readonly invalidBecause?: readonly string[];
  readonly broken?: boolean;
  readonly experiment?: string;
}

const profiles = await readProfiles();
export const scenario = await readScenario(join(SCENARIOS_DIR, 'eu-vn.yaml'));
const MEASURING_MS = 5_000;

/** A run of `eu-vn` as it might have been recorded, with figures that are known beforehand. */
export function syntheticRun(options: SyntheticRun): RecordedRun {
  return new RecordedRun(syntheticLines(options));
}

export function syntheticLines(options: SyntheticRun): RecordLine[] {
  const { arm, block, experiment = 'made-up', invalidBecause = [], seconds = 10, broken = false } = options;
  const { links, routes } = planArm(scenario, arm, profiles);
  const clients = Object.keys(scenario.clients);
  const endMs = MEASURING_MS + 1_000 * seconds;
  return [
    {
      type: 'header',
      version: RECORD_VERSION,
      experiment,
      scenario,
      arm,
      block,
      order: 0,
      seed: block,
      startedAt: '2026-01-02T03:04:05.000Z',
      links,
      routes,
      versions: { meridian: '0.1.0' },
      machine: { os: 'Linux', cpu: 'made up', cores: 2, memoryBytes: 1e9 },
    },
    ...clients.flatMap((client): RecordLine[] => [
      { type: 'mark', atMs: 100, what: 'joining', client },
      { type: 'mark', atMs: 1_100, what: 'visible', client },
    ]),
    { type: 'mark', atMs: MEASURING_MS, what: 'measuring' },
    ...clients.flatMap((receiver) =>
      clients.filter((sender) => sender !== receiver).flatMap((sender) => seen(receiver, sender, options, endMs)),
    ),
    { type: 'mark', atMs: endMs, what: 'measured' },
    ...(broken
      ? []
      : ([
          {
            type: 'end',
            atMs: endMs + 100,
            outcome: 'complete',
            valid: invalidBecause.length === 0,
            invalidBecause: [...invalidBecause],
            crossChecks: [
              { what: 'video received', unit: 'bytes', clients: 100, servers: 101, tolerance: 0.05, agrees: true },
            ],
          },
        ] satisfies RecordLine[])),
  ];
}

function seen(receiver: string, sender: string, options: SyntheticRun, endMs: number): RecordLine[] {
  const { latencyMs, noiseMs = 0, fps = 20, audioLatencyMs = latencyMs - 10 } = options;
  const stream = seedOf(options.block, `${options.arm} ${receiver}`);
  const frozenFrom = MEASURING_MS + 1_000 * (options.frozenFromS ?? 0);
  const frozenTo = MEASURING_MS + 1_000 * (options.frozenToS ?? 0);
  const rows: [number, number, number, number | null, number | null, number, number][] = [];
  for (let frame = 0; ; frame += 1) {
    const shownMs = MEASURING_MS - 1_000 + (frame * 1_000) / fps;
    if (shownMs > endMs) break;
    if (shownMs > frozenFrom && shownMs < frozenTo) continue;
    const risenMs = ((options.riseMs ?? 0) * Math.max(0, shownMs - MEASURING_MS)) / (endMs - MEASURING_MS);
    rows.push([
      frame,
      shownMs - latencyMs - risenMs - noiseMs * normalAt(stream, frame),
      shownMs,
      shownMs - 20,
      3,
      640,
      360,
    ]);
  }
  const ticks = Array.from({ length: 5 }, (_, tick): [number, number, number] => {
    const heardMs = MEASURING_MS + 1_000 * (tick + 1);
    return [tick, heardMs - audioLatencyMs, heardMs];
  });
  const looks: RecordLine[] = [];
  for (let atMs = MEASURING_MS; atMs <= endMs; atMs += 1_000) {
    looks.push({
      type: 'stats',
      atMs,
      client: receiver,
      reports: reportsAt((atMs - MEASURING_MS) / 1_000, sender, options),
    });
    looks.push({
      type: 'node-stats',
      atMs,
      client: receiver,
      node: 'sin',
      up: { rttMs: 100, lossFraction: null, jitterMs: null, bitrate: null },
      down: { rttMs: 100, lossFraction: null, jitterMs: null, bitrate: null },
      availableOutgoingBitrate: null,
      relays: [
        { node: 'sin', rttMs: 40, lossFraction: 0 },
        { node: 'sgn', rttMs: 40, lossFraction: 0 },
      ],
    });
  }
  return [
    { type: 'frames', receiver, sender, rows, unread: 0 },
    { type: 'ticks', receiver, sender, rows: ticks },
    ...looks,
    ...[0, 1].map(
      (sample): RecordLine => ({
        type: 'quality',
        sender,
        receiver,
        frame: 40 + sample,
        width: 640,
        height: 360,
        psnrDb: options.psnrDb ?? 36,
        ssim: 0.95,
        vmaf: null,
      }),
    ),
  ];
}

/** Counters that rise evenly; `second` of the measured time. */
function reportsAt(second: number, sender: string, options: SyntheticRun): StatsReport[] {
  const { videoBps = 500_000, lossShare = 0 } = options;
  const packets = 100 * second;
  const lost = (packets * lossShare) / (1 - lossShare);
  return [
    { id: 'pair', type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.1 },
    {
      id: 'out-video',
      type: 'outbound-rtp',
      kind: 'video',
      framesEncoded: 20 * second,
      totalEncodeTime: 0.08 * second,
      packetsSent: packets,
      totalPacketSendDelay: 0.2 * second,
    },
    {
      id: `in-video-${sender}`,
      type: 'inbound-rtp',
      kind: 'video',
      sender,
      bytesReceived: 1e6 + (videoBps / 8) * second,
      packetsReceived: packets,
      packetsLost: lost,
      jitter: 0.004,
      framesDecoded: 20 * second,
      totalDecodeTime: 0.04 * second,
      jitterBufferDelay: 0.6 * second,
      jitterBufferEmittedCount: 20 * second,
    },
    {
      id: `in-audio-${sender}`,
      type: 'inbound-rtp',
      kind: 'audio',
      sender,
      packetsReceived: 50 * second,
      packetsLost: 0,
      jitter: 0.002,
      concealedSamples: 480 * second,
      totalSamplesReceived: 48_000 * second,
    },
  ];
}
