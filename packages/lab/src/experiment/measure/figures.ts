import type { RecordedRun } from '../record/run.ts';
import type { FrameRow, StatsReport } from '../record/schema.ts';
import { isTimed, sentBy } from '../scenario/schema.ts';
import { increaseOf, numberIn, seriesOf } from './interpolate.ts';
import { type Legs, legsOf, networkLegs } from './legs.ts';
import { mean, quantile } from './numbers.ts';
import { recoveryOf } from './recovery.ts';

export interface Latency {
  /** Milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly mean: number;
}

/** What one client received of another in the measured time. Null: not sent, or not to be measured. */
export interface StreamFigures {
  readonly sender: string;
  readonly receiver: string;
  /** Both are pages. What light peers send or get is counted, not timed, and stands apart. */
  readonly timed: boolean;
  /** From the picture being drawn until the compositor had it. */
  readonly glassToGlass: Latency | null;
  /** From a tick being played until it was heard. */
  readonly audioLatency: Latency | null;
  readonly legs: Legs | null;
  /** Round trip along the whole way: both clients' legs and the relay between, ms. */
  readonly pathRttMs: number | null;
  /** Media received, RTP headers not counted, bit/s. */
  readonly videoBps: number | null;
  readonly audioBps: number | null;
  /** Pictures shown per second. */
  readonly framesPerSecond: number | null;
  /** Of the pictures drawn in the measured time, the share that was shown. */
  readonly shownShare: number | null;
  /** Lines of the picture, averaged over the shown frames. */
  readonly lines: number | null;
  /** As the browser counts them (W3C webrtc-stats), and the longest time without a new picture. */
  readonly freezes: number | null;
  readonly frozenMs: number | null;
  readonly longestGapMs: number | null;
  /** Share of the video packets that did not arrive at first, and that did not arrive at all. */
  readonly lossBeforeRepair: number | null;
  readonly lossAfterRepair: number | null;
  /** Audio packets; nothing repairs them but forward error correction in Opus. */
  readonly audioLoss: number | null;
  /** Interarrival jitter of audio (RFC 3550), ms, averaged. */
  readonly jitterMs: number | null;
  /** Share of the audio samples that were made up. */
  readonly concealedShare: number | null;
  /** From the end of an outage (or of a burst of more than 30 % loss) on the way until the picture moved again, ms; the longest, null without outages. */
  readonly recoveryMs: number | null;
  /** Luma, dB; averaged over the compared frames. */
  readonly psnrDb: number | null;
  readonly ssim: number | null;
  readonly vmaf: number | null;
}

export interface ClientFigures {
  readonly client: string;
  /** From the call of `join` until the join's answer, and until a frame of everybody had been shown; ms. */
  readonly joinMs: number | null;
  readonly firstFrameMs: number | null;
  /** Round trip to its node, as the browser measures it (STUN on the candidate pair), ms; averaged. */
  readonly rttMs: number | null;
  readonly reconnects: number;
}

export interface RunFigures {
  readonly streams: readonly StreamFigures[];
  readonly clients: readonly ClientFigures[];
}

/** The figures of a run, from its raw data alone. Undefined where the measured time was not reached. */
export function figuresOf(run: RecordedRun): RunFigures | undefined {
  const { window } = run;
  if (window === undefined) return undefined;
  const clients = Object.keys(run.header.scenario.clients);
  return {
    streams: clients.flatMap((receiver) =>
      clients.flatMap((sender) => (sender === receiver ? [] : [streamFigures(run, sender, receiver, window)])),
    ),
    clients: clients.map((client) => clientFigures(run, client, window)),
  };
}

export type Window = NonNullable<RecordedRun['window']>;

/** Frames of a stream that were drawn in the window; those on their way at its end belong to it. */
export const framesDrawnIn = (run: RecordedRun, sender: string, receiver: string, window: Window): FrameRow[] =>
  run
    .of('frames')
    .filter((line) => line.sender === sender && line.receiver === receiver)
    .flatMap(({ rows }) => rows.filter(([, drawnMs]) => drawnMs >= window.fromMs && drawnMs < window.toMs));

function streamFigures(run: RecordedRun, sender: string, receiver: string, window: Window): StreamFigures {
  const seconds = (window.toMs - window.fromMs) / 1_000;
  const sent = sentBy(run.header.scenario, sender);
  const rise = (kind: 'video' | 'audio', field: string) =>
    increaseOf(
      seriesOf(
        run,
        receiver,
        (report) => report.type === 'inbound-rtp' && report.kind === kind && report.sender === sender,
        (report) => numberIn(report, field),
      ),
      window,
    ) ?? null;
  const perSecond = (value: number | null, factor = 1) => (value === null ? null : (value * factor) / seconds);
  const frames = framesDrawnIn(run, sender, receiver, window);
  const { scenario } = run.header;
  const timed = isTimed(scenario, sender, receiver);
  const video = sent.video !== null && timed;
  const ways = networkLegs(run, sender, receiver, window);
  const { clientUp, clientDown } = ways;
  const drawn = run
    .of('sent')
    .filter((line) => line.sender === sender)
    .flatMap(({ rows }) => rows.filter(([, atMs]) => atMs >= window.fromMs && atMs < window.toMs)).length;
  const ticks = run
    .of('ticks')
    .filter((line) => line.sender === sender && line.receiver === receiver)
    .flatMap(({ rows }) => rows.filter(([, playedMs]) => playedMs >= window.fromMs && playedMs < window.toMs));
  const pictures = run.of('quality').filter((line) => line.sender === sender && line.receiver === receiver);
  const lost = rise('video', 'packetsLost');
  const received = rise('video', 'packetsReceived');
  const repaired = (rise('video', 'retransmittedPacketsReceived') ?? 0) + (rise('video', 'fecPacketsReceived') ?? 0);
  const frozenS = rise('video', 'totalFreezesDuration');
  return {
    sender,
    receiver,
    timed,
    glassToGlass: latencyOf(frames.map(([, drawnMs, shownMs]) => shownMs - drawnMs)),
    audioLatency: latencyOf(ticks.map(([, playedMs, heardMs]) => heardMs - playedMs)),
    legs: legsOf(run, sender, receiver, window),
    pathRttMs: clientUp === null || clientDown === null ? null : 2 * (clientUp + (ways.relay ?? 0) + clientDown),
    videoBps: perSecond(rise('video', 'bytesReceived'), 8),
    audioBps: perSecond(rise('audio', 'bytesReceived'), 8),
    framesPerSecond: video ? frames.length / seconds : null,
    shownShare: video && drawn > 0 ? frames.length / drawn : null,
    lines: mean(frames.map((row) => row[6])),
    freezes: rise('video', 'freezeCount'),
    frozenMs: frozenS === null ? null : frozenS * 1_000,
    longestGapMs: video ? longestGap(run, sender, receiver, window) : null,
    lossBeforeRepair: ratio(lost, sum(lost, received)),
    // Light peers ask for nothing again.
    lossAfterRepair:
      lost === null || scenario.clients[receiver]?.kind === 'light'
        ? null
        : ratio(Math.max(0, lost - repaired), sum(lost, received)),
    audioLoss: ratio(rise('audio', 'packetsLost'), sum(rise('audio', 'packetsLost'), rise('audio', 'packetsReceived'))),
    jitterMs: meanOf(run, receiver, window, (report) =>
      report.type === 'inbound-rtp' && report.kind === 'audio' && report.sender === sender
        ? numberIn(report, 'jitter')
        : undefined,
    ),
    concealedShare: ratio(rise('audio', 'concealedSamples'), rise('audio', 'totalSamplesReceived')),
    recoveryMs: video ? recoveryOf(run, sender, receiver, window) : null,
    // Identical pictures have no PSNR; 100 dB is more than any other two have.
    psnrDb: mean(pictures.map(({ psnrDb }) => psnrDb ?? 100)),
    ssim: mean(pictures.map(({ ssim }) => ssim)),
    vmaf: mean(pictures.flatMap(({ vmaf }) => vmaf ?? [])),
  };
}

function clientFigures(run: RecordedRun, client: string, window: Window): ClientFigures {
  const marks = run.of('mark').filter((mark) => mark.client === client);
  const at = (what: (typeof marks)[number]['what']) => marks.find((mark) => mark.what === what)?.atMs;
  const joining = at('joining');
  const since = (ms: number | undefined) => (joining === undefined || ms === undefined ? null : ms - joining);
  return {
    client,
    joinMs: since(at('joined')),
    firstFrameMs: since(at('visible')),
    rttMs: meanOf(run, client, window, (report) =>
      report.type === 'candidate-pair' && report.direction === 'down'
        ? numberIn(report, 'currentRoundTripTime')
        : undefined,
    ),
    reconnects: marks.filter(({ what }) => what === 'reconnecting').length,
  };
}

/** Of a gauge in seconds: its mean over the window in ms. */
function meanOf(
  run: RecordedRun,
  client: string,
  window: Window,
  gauge: (report: StatsReport) => number | undefined,
): number | null {
  const values = run
    .of('stats')
    .filter((line) => line.client === client && line.atMs >= window.fromMs && line.atMs <= window.toMs)
    .flatMap(({ reports }) => reports.flatMap((report) => gauge(report) ?? []));
  const average = mean(values);
  return average === null ? null : average * 1_000;
}

function longestGap(run: RecordedRun, sender: string, receiver: string, window: Window): number {
  const times = run
    .of('frames')
    .filter((line) => line.sender === sender && line.receiver === receiver)
    .flatMap(({ rows }) => rows.map((row) => row[2]))
    .filter((shownMs) => shownMs > window.fromMs && shownMs < window.toMs)
    .sort((a, b) => a - b);
  let longest = 0;
  let before = window.fromMs;
  for (const shownMs of [...times, window.toMs]) {
    longest = Math.max(longest, shownMs - before);
    before = shownMs;
  }
  return longest;
}

function latencyOf(values: readonly number[]): Latency | null {
  const [p50, p95, average] = [quantile(values, 0.5), quantile(values, 0.95), mean(values)];
  return p50 === null || p95 === null || average === null ? null : { p50, p95, mean: average };
}

const sum = (a: number | null, b: number | null) => (a === null || b === null ? null : a + b);
const ratio = (part: number | null, whole: number | null) =>
  part === null || whole === null || whole <= 0 ? null : Math.max(0, part / whole);
