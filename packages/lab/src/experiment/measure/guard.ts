import type { RecordedRun } from '../record/run.ts';
import { sentBy } from '../scenario/schema.ts';
import { bypassedLinks } from './cross-check.ts';
import { increaseOf, numberIn, seriesOf } from './interpolate.ts';

/** From where on the machine, and not what was to be measured, made a difference. */
export const LIMITS = {
  /** Share of all cores in use, over the whole measured time. */
  busy: 0.9,
  /** Share of all cores that programs used which are no part of the experiment, where all of it runs on this machine. */
  others: 0.1,
  /** Share of all cores that a hypervisor gave to others. */
  stolen: 0.05,
  /** Share of the time an encoder says that the CPU limited it. */
  encoderLimited: 0.05,
  /** Share of the pictures that were due and were not drawn. */
  notDrawn: 0.05,
  /** Share of the shown frames whose time code could not be read. */
  unread: 0.05,
  /** Uncertainty of a page's clock, ms, where it matters. */
  clockMs: 3,
  /** Share of the planned time that has to be measured. */
  measured: 0.9,
} as const;

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

/** Every reason why the figures of a run must not be used; none is needed for a good one. */
export function invalidReasons(run: RecordedRun): string[] {
  const { window, header } = run;
  if (window === undefined) return ['the measured time was not reached, or not its end'];
  const { lengthS } = header.scenario;
  const measuredS = (window.toMs - window.fromMs) / 1_000;
  return [
    ...(measuredS < LIMITS.measured * lengthS ? [`stopped after ${measuredS.toFixed(0)} of ${lengthS} s`] : []),
    ...[undefined, ...Object.keys(header.real?.hosts ?? {})].flatMap((host) => machineReasons(run, window, host)),
    ...Object.keys(header.scenario.clients).flatMap((client) => clientReasons(run, client, window)),
    ...unreadReasons(run),
    // Of real networks nobody knows where packets pass.
    ...(header.real === undefined ? bypassedLinks(run) : []),
    ...strayReasons(run, window),
  ];
}

type Window = NonNullable<RecordedRun['window']>;

/** @param host the client whose machine it is; undefined: the recorder's */
function machineReasons(run: RecordedRun, { fromMs, toMs }: Window, host: string | undefined): string[] {
  const { machine, real } = run.header;
  const cores = (host === undefined ? machine : (real?.hosts[host] ?? machine)).cores;
  const called = host === undefined ? 'the machine' : `the machine of ${host}`;
  const loads = run
    .of('machine')
    .filter((load) => load.host === host && load.atMs > fromMs && load.atMs - load.overMs < toMs);
  if (loads.length === 0) return [`the load of ${called} was not measured`];
  const total = loads.reduce((sum, { overMs }) => sum + overMs, 0);
  const mean = (figure: (load: (typeof loads)[number]) => number) =>
    loads.reduce((sum, load) => sum + figure(load) * load.overMs, 0) / total;
  const busy = mean(({ busyCores }) => busyCores) / cores;
  const stolen = mean(({ stolenCores }) => stolenCores) / cores;
  // What is no part of the experiment changes from run to run, so it would be taken for what the arms do.
  const others =
    mean(({ busyCores, processes }) => busyCores - processes.reduce((sum, one) => sum + one.cores, 0)) / cores;
  return [
    ...(busy > LIMITS.busy ? [`${called} was the bottleneck: ${percent(busy)} of its ${cores} cores were busy`] : []),
    ...(real === undefined && others > LIMITS.others
      ? [`others were busy on ${called}: ${percent(others)} of its ${cores} cores`]
      : []),
    ...(stolen > LIMITS.stolen
      ? [`${called} was taken away: ${percent(stolen)} of its cores went to other guests`]
      : []),
  ];
}

function clientReasons(run: RecordedRun, client: string, window: Window): string[] {
  const reasons: string[] = [];
  const clock = run
    .of('clock')
    .filter((one) => one.client === client)
    .at(-1);
  // The clock of another machine is known by half a round trip only. What it is wrong by is added to one direction and taken from
  // the other, and every figure is the mean of both - where both are measured.
  const cancels = run.header.real !== undefined && sameInAllDirections(run);
  if (clock === undefined || (clock.uncertaintyMs > LIMITS.clockMs && !cancels)) {
    reasons.push(`the clock of ${client} is known to ${clock?.uncertaintyMs.toFixed(1) ?? '?'} ms only`);
  }
  const { video } = sentBy(run.header.scenario, client);
  if (video === null) return reasons;
  const seconds = (window.toMs - window.fromMs) / 1_000;
  const drawn = run
    .of('sent')
    .filter(({ sender }) => sender === client)
    .reduce((sum, { rows }) => sum + rows.filter(([, atMs]) => atMs >= window.fromMs && atMs < window.toMs).length, 0);
  const isPage = run.header.scenario.clients[client]?.kind !== 'light';
  const missing = 1 - drawn / (seconds * video.fps);
  if (missing > LIMITS.notDrawn)
    reasons.push(`${client} did not ${isPage ? 'draw' : 'send'} ${percent(missing)} of its pictures`);
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

function sameInAllDirections({ header: { scenario } }: RecordedRun): boolean {
  const sent = Object.keys(scenario.clients).map((client) => sentBy(scenario, client));
  const kinds = new Set(sent.map(({ video, audio }) => `${video !== null} ${audio}`));
  return kinds.size === 1;
}

/** Clients that were not where the arm puts them for the whole time, such as after a move to another node. */
function strayReasons(run: RecordedRun, { fromMs, toMs }: Window): string[] {
  const arm = run.header.scenario.arms.find(({ name }) => name === run.header.arm);
  const strays = run.of('node-stats').flatMap(({ client, node, atMs }) => {
    const due = arm?.at[client];
    return atMs >= fromMs && atMs <= toMs && node !== due ? [`${client} was on ${node} instead of ${due ?? '?'}`] : [];
  });
  return [...new Set(strays)];
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
