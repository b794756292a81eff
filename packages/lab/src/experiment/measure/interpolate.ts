import type { RecordedRun } from '../record/run.ts';
import type { StatsReport } from '../record/schema.ts';

export interface TimeValue {
  readonly atMs: number;
  readonly value: number;
}

/** A number in a report; undefined where the browser gave none. */
export function numberIn(report: StatsReport, field: string): number | undefined {
  const value = report[field];
  return typeof value === 'number' ? value : undefined;
}

/**
 * A figure of one client over time: the sum over the reports that are meant. Times at which no such report has the
 * figure are left out.
 */
export function seriesOf(
  run: RecordedRun,
  client: string,
  of: (report: StatsReport) => boolean,
  figure: (report: StatsReport) => number | undefined,
): TimeValue[] {
  return run.of('stats').flatMap(({ client: whose, atMs, reports }) => {
    if (whose !== client) return [];
    const values = reports.filter(of).flatMap((report) => figure(report) ?? []);
    return values.length === 0 ? [] : [{ atMs, value: values.reduce((sum, value) => sum + value, 0) }];
  });
}

/** Value of a counter at a time between two readings; before the first and after the last reading theirs. */
export function valueAt(series: readonly TimeValue[], atMs: number): number | undefined {
  const after = series.find((one) => one.atMs >= atMs);
  const before = series.findLast((one) => one.atMs <= atMs);
  if (before === undefined || after === undefined) return (before ?? after)?.value;
  if (after.atMs === before.atMs) return before.value;
  return before.value + ((after.value - before.value) * (atMs - before.atMs)) / (after.atMs - before.atMs);
}

/**
 * How much a counter rose in a window. Falls (a new stream or connection begins at zero) count as beginnings. Undefined
 * without readings.
 */
export function increaseOf(
  series: readonly TimeValue[],
  window: { readonly fromMs: number; readonly toMs: number },
): number | undefined {
  const first = valueAt(series, window.fromMs);
  const last = valueAt(series, window.toMs);
  if (first === undefined || last === undefined) return undefined;
  const inside = series.filter(({ atMs }) => atMs > window.fromMs && atMs < window.toMs).map(({ value }) => value);
  let sum = 0;
  let before = first;
  for (const value of [...inside, last]) {
    sum += value >= before ? value - before : value;
    before = value;
  }
  return sum;
}
