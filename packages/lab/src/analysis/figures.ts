import { figuresOf as measuredOf, type StreamFigures } from '../experiment/measure/figures.ts';
import { increaseOf, numberIn, seriesOf } from '../experiment/measure/interpolate.ts';
import type { RecordedRun } from '../experiment/record/run.ts';
import { freezesOf } from './freezes.ts';
import { POOR } from './verdict.ts';

/** What one client saw and heard of one other, with what a verdict needs besides. Undefined: not to be had. */
export interface PairFigures extends StreamFigures {
  readonly freezeCount: number | undefined;
  /** Share of the time in which the picture stood still, per cent. */
  readonly frozenPercent: number | undefined;
  /** Seconds in which round trip, loss or jitter were poor (VIA), per cent. */
  readonly poorPercent: number | undefined;
  /** Of the receiver, ms. */
  readonly firstFrameMs: number | undefined;
}

/** All pairs of a run. Empty where the run did not get as far as measuring. */
export function figuresOf(run: RecordedRun): PairFigures[] {
  const { window } = run;
  const measured = measuredOf(run);
  if (window === undefined || measured === undefined) return [];
  return measured.streams.map((stream) => {
    const { sender, receiver, pathRttMs } = stream;
    const shownMs = run
      .of('frames')
      .filter((line) => line.sender === sender && line.receiver === receiver)
      .flatMap(({ rows }) => rows.map((row) => row[2]))
      .sort((a, b) => a - b);
    const freezes = stream.framesPerSecond === null ? undefined : freezesOf(shownMs, window);
    return {
      ...stream,
      freezeCount: freezes?.count,
      frozenPercent: freezes && (100 * freezes.totalMs) / (window.toMs - window.fromMs),
      poorPercent: poorPercent(run, sender, receiver, pathRttMs),
      firstFrameMs: measured.clients.find(({ client }) => client === receiver)?.firstFrameMs ?? undefined,
    };
  });
}

/** Share of the seconds in which the network was poor by any of VIA's three thresholds. */
function poorPercent(run: RecordedRun, sender: string, receiver: string, pathRttMs: number | null): number | undefined {
  const { window } = run;
  if (window === undefined) return undefined;
  const looks = run.of('stats').filter(({ client }) => client === receiver);
  const seriesFor = (kind: 'audio' | 'video', field: string) =>
    seriesOf(
      run,
      receiver,
      (report) => report.type === 'inbound-rtp' && report.kind === kind && report.sender === sender,
      (report) => numberIn(report, field),
    );
  const series = {
    lost: [seriesFor('audio', 'packetsLost'), seriesFor('video', 'packetsLost')],
    received: [seriesFor('audio', 'packetsReceived'), seriesFor('video', 'packetsReceived')],
  };
  let poor = 0;
  let judged = 0;
  for (let fromMs = window.fromMs; fromMs + 1_000 <= window.toMs; fromMs += 1_000) {
    const second = { fromMs, toMs: fromMs + 1_000 };
    const rise = (both: readonly (typeof series.lost)[number][]) =>
      both.reduce((sum, one) => sum + (increaseOf(one, second) ?? 0), 0);
    const lost = Math.max(0, rise(series.lost));
    const all = lost + rise(series.received);
    const jitters = looks
      .filter(({ atMs }) => atMs >= second.fromMs && atMs < second.toMs)
      .flatMap(({ reports }) =>
        reports.flatMap((report) =>
          report.type === 'inbound-rtp' && report.kind === 'audio' && report.sender === sender
            ? (numberIn(report, 'jitter') ?? [])
            : [],
        ),
      );
    judged += 1;
    const jitterMs = 1_000 * Math.max(0, ...jitters);
    // Nothing came at all: that is as poor as it gets.
    const loss = all === 0 ? 1 : lost / all;
    if (loss >= POOR.lossFraction || jitterMs >= POOR.jitterMs || (pathRttMs ?? 0) >= POOR.rttMs) poor += 1;
  }
  return judged === 0 || looks.length === 0 ? undefined : (100 * poor) / judged;
}
