import type { StatsReport } from '../experiment/record/schema.ts';

/** A field of a report where it is a number. */
export function numberOf(report: StatsReport | undefined, field: string): number | undefined {
  const value = report?.[field];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

export function textOf(report: StatsReport | undefined, field: string): string | undefined {
  const value = report?.[field];
  return typeof value === 'string' ? value : undefined;
}

export interface TimedReports {
  readonly atMs: number;
  readonly reports: readonly StatsReport[];
}

/**
 * How much a counter has risen over the looks at it, summed over all streams that `match` picks. A stream that
 * begins over (after a reconnect) counts from zero again. Undefined where no stream has the counter at all.
 */
export function rise(
  looks: readonly TimedReports[],
  match: (report: StatsReport) => boolean,
  field: string,
): number | undefined {
  const last = new Map<string, number>();
  let sum: number | undefined;
  for (const [index, { reports }] of looks.entries()) {
    for (const report of reports) {
      if (!match(report)) continue;
      const value = numberOf(report, field);
      if (value === undefined) continue;
      const before = last.get(report.id) ?? (index === 0 ? value : 0);
      sum = (sum ?? 0) + (value >= before ? value - before : value);
      last.set(report.id, value);
    }
  }
  return sum;
}

/** The values of a gauge over all looks and streams that match. */
export function gauge(
  looks: readonly TimedReports[],
  match: (report: StatsReport) => boolean,
  field: string,
): number[] {
  return looks.flatMap(({ reports }) =>
    reports.flatMap((report) => {
      const value = match(report) ? numberOf(report, field) : undefined;
      return value === undefined ? [] : [value];
    }),
  );
}

/** Undefined where one is missing or nothing was counted. */
export function ratio(part: number | undefined, whole: number | undefined): number | undefined {
  return part === undefined || whole === undefined || whole <= 0 ? undefined : part / whole;
}
