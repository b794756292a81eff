import type { RecordedRun } from '../record/run.ts';
import { sentBy } from '../scenario/schema.ts';
import { bypassedLinks } from './cross-check.ts';
import { increaseOf, numberIn, seriesOf } from './interpolate.ts';

/** From where on the machine, and not what was to be measured, made a difference. */
export const LIMITS = {
  /** Share of all cores in use, over the whole measured time. */
  busy: 0.9,
  /** Share of all cores that a hypervisor gave to others. */
  stolen: 0.05,
  /** Share of the time an encoder says that the CPU limited it. */
  encoderLimited: 0.05,
  /** Share of the pictures that were due and were not drawn. */
  notDrawn: 0.05,
  /** Share of the shown frames whose time code could not be read. */
  unread: 0.05,
  /** Uncertainty of a page's clock, ms. */
  clockMs: 3,
} as const;

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** Every reason why the figures of a run must not be used; none is needed for a good one. */
export function invalidReasons(run: RecordedRun): string[] {
  const { window, header } = run;
  if (window === undefined) return ['the measured time was not reached, or not its end'];
  return [
    ...machineReasons(run, window),
    ...Object.keys(header.scenario.clients).flatMap((client) => clientReasons(run, client, window)),
    ...unreadReasons(run),
    ...bypassedLinks(run),
  ];
}

type Window = NonNullable<RecordedRun['window']>;

function machineReasons(run: RecordedRun, { fromMs, toMs }: Window): string[] {
  const { cores } = run.header.machine;
  const loads = run.of('machine').filter(({ atMs, overMs }) => atMs > fromMs && atMs - overMs < toMs);
  if (loads.length === 0) return ['the load of the machine was not measured'];
  const total = loads.reduce((sum, { overMs }) => sum + overMs, 0);
  const mean = (figure: (load: (typeof loads)[number]) => number) =>
    loads.reduce((sum, load) => sum + figure(load) * load.overMs, 0) / total;
  const busy = mean(({ busyCores }) => busyCores) / cores;
  const stolen = mean(({ stolenCores }) => stolenCores) / cores;
  return [
    ...(busy > LIMITS.busy ? [`the machine was the bottleneck: ${percent(busy)} of its ${cores} cores were busy`] : []),
    ...(stolen > LIMITS.stolen
      ? [`the machine was taken away: ${percent(stolen)} of its cores went to other guests`]
      : []),
  ];
}

function clientReasons(run: RecordedRun, client: string, window: Window): string[] {
  const reasons: string[] = [];
  const clock = run
    .of('clock')
    .filter((one) => one.client === client)
    .at(-1);
  if (clock === undefined || clock.uncertaintyMs > LIMITS.clockMs) {
    reasons.push(`the clock of ${client} is known to ${clock?.uncertaintyMs.toFixed(1) ?? '?'} ms only`);
  }
  const { video } = sentBy(run.header.scenario, client);
  if (video === null) return reasons;
  const seconds = (window.toMs - window.fromMs) / 1_000;
  const drawn = run
    .of('sent')
    .filter(({ sender }) => sender === client)
    .reduce((sum, { rows }) => sum + rows.filter(([, atMs]) => atMs >= window.fromMs && atMs < window.toMs).length, 0);
  const missing = 1 - drawn / (seconds * video.fps);
  if (missing > LIMITS.notDrawn) reasons.push(`${client} did not draw ${percent(missing)} of its pictures`);
  const limited = increaseOf(
    seriesOf(
      run,
      client,
      ({ type, kind }) => type === 'outbound-rtp' && kind === 'video',
      (report) => limitedByCpuS(report.qualityLimitationDurations),
    ),
    window,
  );
  if (limited !== undefined && limited / seconds > LIMITS.encoderLimited) {
    reasons.push(`the CPU limited the encoder of ${client} for ${limited.toFixed(1)} s`);
  }
  return reasons;
}

/** `qualityLimitationDurations.cpu`, seconds. */
function limitedByCpuS(durations: unknown): number | undefined {
  if (typeof durations !== 'object' || durations === null) return undefined;
  return numberIn({ id: '', type: '', ...durations }, 'cpu');
}

function unreadReasons(run: RecordedRun): string[] {
  const streams = new Map<string, { read: number; unread: number }>();
  for (const { receiver, sender, rows, unread } of run.of('frames')) {
    const key = `${sender} at ${receiver}`;
    const known = streams.get(key) ?? { read: 0, unread: 0 };
    streams.set(key, { read: known.read + rows.length, unread: known.unread + unread });
  }
  return [...streams].flatMap(([stream, { read, unread }]) => {
    const share = unread / Math.max(1, read + unread);
    return share > LIMITS.unread ? [`${percent(share)} of the time codes of ${stream} could not be read`] : [];
  });
}
