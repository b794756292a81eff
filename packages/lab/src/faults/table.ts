import { quantile } from '../analysis/quantile.ts';
import type { Check, Fault } from './fault.ts';
import type { Direction, RunResult, Told } from './run.ts';
import type { SeriesResult } from './series.ts';

const HEAD = [
  'fault',
  'runs',
  'media back after, median',
  'p95',
  'worst',
  'longest frame gap, median',
  'worst',
  "cameras' own longest gap, median",
  'worst',
  'longest silence, worst',
  'usual gap',
  'CPU busy before, after',
  'who was hit',
  'what the others were told (median)',
  'all agrees after, worst',
  'checks passed',
];

const seconds = (ms: number): string => (Number.isFinite(ms) ? `${(ms / 1_000).toFixed(2)} s` : '-');
const millis = (ms: number): string => (Number.isFinite(ms) ? `${Math.round(ms)} ms` : '-');
/** The median of shares. */
const percent = (shares: readonly number[]): string => {
  const middle = quantile(shares, 0.5);
  return Number.isFinite(middle) ? `${Math.round(100 * middle)} %` : '-';
};

/**
 * One row per fault, in Markdown. A run counts with the one who fared worst in it: "back after" is the time from the
 * fault, or from its mending where media cannot come before that, until the last one saw the last other move again.
 */
export function tableOf(faults: readonly Fault[], series: SeriesResult): string[] {
  const rows = faults.flatMap((fault) => {
    const results = series.results.filter((result) => result.fault === fault.id);
    const failed = series.failed.filter((one) => one.fault === fault.id).length;
    return results.length + failed === 0 ? [] : [rowOf(fault, results, failed, series.leaks.get(fault.id))];
  });
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(HEAD), line(HEAD.map(() => '---')), ...rows.map(line)];
}

function rowOf(fault: Fault, results: readonly RunResult[], failed: number, leak: Check | undefined): string[] {
  const worst = (result: RunResult, figure: (direction: Direction) => number | undefined): number =>
    Math.max(0, ...result.directions.map((direction) => figure(direction) ?? 0));
  const back = results.map((result) => backAfterMs(fault, result));
  const gaps = results.map((result) => worst(result, ({ video }) => video?.gapMs));
  const cameras = results.map((result) => Math.max(...result.cameras.map(({ video }) => video?.gapMs ?? 0)));
  const silences = results.map((result) => worst(result, ({ audio }) => audio?.gapMs));
  const usual = results.map((result) => worst(result, ({ video }) => video?.usualGapMs));
  const checks = [...results.flatMap((result) => result.checks), ...(leak === undefined ? [] : [leak])];
  const passed = checks.filter((one) => one.passed).length;
  const isGone = fault.media === 'back' || back.some((ms) => ms > 0);
  return [
    fault.title,
    failed === 0 ? String(results.length) : `${results.length} (and ${failed} failed)`,
    isGone ? seconds(quantile(back, 0.5)) : 'never gone',
    isGone ? seconds(quantile(back, 0.95)) : '-',
    isGone ? seconds(Math.max(...back)) : '-',
    millis(quantile(gaps, 0.5)),
    millis(Math.max(...gaps)),
    millis(quantile(cameras, 0.5)),
    millis(Math.max(...cameras)),
    millis(Math.max(...silences)),
    millis(quantile(usual, 0.5)),
    `${percent(results.map(({ cpu }) => cpu.before))}, ${percent(results.map(({ cpu }) => cpu.after))}`,
    victimsOf(results),
    toldOf(results),
    seconds(Math.max(...results.map(({ agreedAfterMs }) => agreedAfterMs))),
    `${passed} of ${checks.length}`,
  ];
}

const backAfterMs = (fault: Fault, { directions, lastedMs }: RunResult): number => {
  const sinceFaultMs = Math.max(0, ...directions.map(({ video }) => video?.backAfterMs ?? 0));
  return fault.media === 'back' ? Math.max(0, sinceFaultMs - (lastedMs ?? 0)) : sinceFaultMs;
};

function victimsOf(results: readonly RunResult[]): string {
  const counts = results.map(({ victims }) => victims.length);
  const most = Math.max(0, ...counts);
  return most === 0 ? 'nobody' : `${Math.min(...counts) === most ? most : `${Math.min(...counts)} to ${most}`} of 3`;
}

/** What those who were not hit were told, with the median time of the first time. */
function toldOf(results: readonly RunResult[]): string {
  const times = new Map<string, number[]>();
  for (const { told, victims } of results) {
    const first = new Map<string, Told>();
    for (const one of told) {
      if (victims.includes(one.who)) continue;
      const key = one.detail === null ? one.event : `${one.event} (${one.detail})`;
      if (!first.has(key)) first.set(key, one);
    }
    for (const [key, { afterMs }] of first) times.set(key, [...(times.get(key) ?? []), afterMs]);
  }
  const words = [...times]
    .map(([key, all]) => ({ key, ms: quantile(all, 0.5) }))
    .sort((a, b) => a.ms - b.ms)
    .map(({ key, ms }) => `${key} ${seconds(ms)}`);
  return words.length === 0 ? 'nothing' : words.join(', ');
}

/** The bounds that the project set itself. @returns those that do not hold, in words */
export function overLimits(faults: readonly Fault[], series: SeriesResult): string[] {
  return faults.flatMap((fault) => {
    const results = series.results.filter((result) => result.fault === fault.id);
    if (fault.limitMs === undefined || results.length === 0) return [];
    const figure = (result: RunResult): number =>
      fault.media === 'back'
        ? backAfterMs(fault, result)
        : Math.max(0, ...result.directions.map(({ video }) => video?.gapMs ?? 0));
    const measured = quantile(results.map(figure), 0.95);
    const what = fault.media === 'back' ? 'media back after' : 'frame gap';
    return measured <= fault.limitMs
      ? []
      : [`${fault.id}: ${what} ${Math.round(measured)} ms (p95), meant to be at most ${fault.limitMs} ms`];
  });
}
