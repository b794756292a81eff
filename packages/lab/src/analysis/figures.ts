import type { RecordedRun } from '../experiment/record/run.ts';
import type { ClientStats, StatsReport } from '../experiment/record/schema.ts';
import { frameFigures, type Window } from './frames.ts';
import { type Hops, hopsOf } from './hops.ts';
import { mean, quantile } from './quantile.ts';
import { gauge, numberOf, ratio, rise, type TimedReports, textOf } from './stats-series.ts';
import { POOR } from './verdict.ts';

/** What one client saw and heard of one other in the measured time. Undefined where it was not measured. */
export interface PairFigures {
  readonly receiver: string;
  readonly sender: string;
  readonly latencyP50Ms: number | undefined;
  readonly latencyP95Ms: number | undefined;
  readonly audioLatencyMs: number | undefined;
  readonly framesPerSecond: number | undefined;
  readonly height: number | undefined;
  readonly freezeCount: number | undefined;
  /** Share of the time in which the picture stood still, per cent. */
  readonly frozenPercent: number | undefined;
  readonly videoMbps: number | undefined;
  readonly audioConcealedPercent: number | undefined;
  readonly jitterMs: number | undefined;
  /** Of all packets on the way, before and after retransmissions; per cent. */
  readonly lossPercent: number | undefined;
  readonly residualLossPercent: number | undefined;
  /** Round trip along the whole way: both clients' legs and the relay between. */
  readonly pathRttMs: number | undefined;
  /** Seconds in which round trip, loss or jitter were poor (VIA), per cent. */
  readonly poorPercent: number | undefined;
  readonly firstFrameMs: number | undefined;
  readonly psnrDb: number | undefined;
  readonly ssim: number | undefined;
  readonly vmaf: number | undefined;
  readonly hops: Hops | undefined;
}

/** All pairs of a run. Empty where the run did not get as far as measuring. */
export function figuresOf(run: RecordedRun): PairFigures[] {
  const { window } = run;
  if (window === undefined) return [];
  const clients = Object.keys(run.header.scenario.clients);
  return clients.flatMap((receiver) =>
    clients.filter((sender) => sender !== receiver).map((sender) => pairOf(run, window, receiver, sender)),
  );
}

function pairOf(run: RecordedRun, window: Window, receiver: string, sender: string): PairFigures {
  const isPair = (line: { receiver: string; sender: string }) => line.receiver === receiver && line.sender === sender;
  const inside = ({ atMs }: { atMs: number }) => atMs >= window.fromMs && atMs <= window.toMs;
  const seconds = (window.toMs - window.fromMs) / 1_000;
  const frames = frameFigures(
    run
      .of('frames')
      .filter(isPair)
      .flatMap(({ rows }) => rows),
    window,
  );
  const ticks = run
    .of('ticks')
    .filter(isPair)
    .flatMap(({ rows }) => rows)
    .filter(([, , heardMs]) => heardMs >= window.fromMs && heardMs <= window.toMs);
  const looks = run.of('stats').filter((line) => line.client === receiver && inside(line));
  const video = incoming('video', sender);
  const audio = incoming('audio', sender);
  const counted = (match: (report: StatsReport) => boolean, field: string) => rise(looks, match, field);
  const either = (report: StatsReport) => video(report) || audio(report);
  const received = counted(either, 'packetsReceived');
  const lost = counted(either, 'packetsLost');
  const repaired = counted(either, 'retransmittedPacketsReceived') ?? 0;
  const jitters = gauge(looks, audio, 'jitter').concat(gauge(looks, video, 'jitter'));
  const bytes = counted(video, 'bytesReceived');
  const quality = run.of('quality').filter(isPair);
  const psnrs = quality.flatMap(({ psnrDb }) => (psnrDb === null ? [] : [psnrDb]));
  const vmafs = quality.flatMap(({ vmaf }) => (vmaf === null ? [] : [vmaf]));
  const hops = hopsOf(run, window, { receiver, sender, latencyMs: frames?.latencyP50Ms });
  return {
    receiver,
    sender,
    latencyP50Ms: frames?.latencyP50Ms,
    latencyP95Ms: frames?.latencyP95Ms,
    audioLatencyMs: orNone(ticks, () =>
      quantile(
        ticks.map(([, playedMs, heardMs]) => heardMs - playedMs),
        0.5,
      ),
    ),
    framesPerSecond: frames?.framesPerSecond,
    height: frames?.height,
    freezeCount: frames?.freezes.count,
    frozenPercent: frames && (100 * frames.freezes.totalMs) / (window.toMs - window.fromMs),
    videoMbps: bytes === undefined ? undefined : (bytes * 8) / seconds / 1e6,
    audioConcealedPercent: percent(ratio(counted(audio, 'concealedSamples'), counted(audio, 'totalSamplesReceived'))),
    jitterMs: orNone(jitters, () => 1_000 * mean(jitters)),
    lossPercent: lossPercent(received, (lost ?? 0) + repaired, lost),
    residualLossPercent: lossPercent(received, lost ?? 0, lost),
    pathRttMs: hops?.pathRttMs,
    poorPercent: poorPercent(looks, audio, video, hops?.pathRttMs),
    firstFrameMs: firstFrameMs(run, receiver),
    psnrDb: orNone(psnrs, () => mean(psnrs)),
    ssim: orNone(quality, () => mean(quality.map(({ ssim }) => ssim))),
    vmaf: orNone(vmafs, () => mean(vmafs)),
    hops,
  };
}

/** Reports of what comes in from a client. */
export const incoming =
  (kind: 'audio' | 'video', sender: string) =>
  (report: StatsReport): boolean =>
    report.type === 'inbound-rtp' && textOf(report, 'kind') === kind && textOf(report, 'sender') === sender;

const orNone = <T>(items: readonly T[], value: () => number): number | undefined =>
  items.length === 0 ? undefined : value();

const percent = (share: number | undefined): number | undefined => (share === undefined ? undefined : 100 * share);

/** `packetsLost` sinks when a retransmission fills the gap, so what was repaired is added for the loss before repair. */
function lossPercent(received: number | undefined, lost: number, measured: number | undefined): number | undefined {
  if (received === undefined || measured === undefined) return undefined;
  return percent(ratio(Math.max(0, lost), received + Math.max(0, lost)));
}

function firstFrameMs(run: RecordedRun, receiver: string): number | undefined {
  const at = (what: string) => run.of('mark').find((mark) => mark.client === receiver && mark.what === what)?.atMs;
  const joining = at('joining');
  const visible = at('visible');
  return joining === undefined || visible === undefined ? undefined : visible - joining;
}

/** Share of the seconds in which the network was poor by any of VIA's three thresholds. */
function poorPercent(
  looks: readonly ClientStats[],
  audio: (report: StatsReport) => boolean,
  video: (report: StatsReport) => boolean,
  pathRttMs: number | undefined,
): number | undefined {
  let poor = 0;
  let judged = 0;
  for (const [index, look] of looks.entries()) {
    const before = looks[index - 1];
    if (before === undefined) continue;
    const two: TimedReports[] = [before, look];
    const either = (report: StatsReport) => audio(report) || video(report);
    const received = rise(two, either, 'packetsReceived');
    if (received === undefined) continue;
    const lost =
      Math.max(0, rise(two, either, 'packetsLost') ?? 0) + (rise(two, either, 'retransmittedPacketsReceived') ?? 0);
    const jitterMs = 1_000 * Math.max(0, ...look.reports.filter(audio).map((one) => numberOf(one, 'jitter') ?? 0));
    const loss = ratio(lost, received + lost) ?? 1;
    judged += 1;
    if (loss >= POOR.lossFraction || jitterMs >= POOR.jitterMs || (pathRttMs ?? 0) >= POOR.rttMs) poor += 1;
  }
  return judged === 0 ? undefined : (100 * poor) / judged;
}
