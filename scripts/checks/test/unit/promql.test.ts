import { expect, test } from 'vitest';
import { exportedSeries } from '../../../dashboards/exported.ts';
import { checkExpression } from '../../../dashboards/promql.ts';

const exported = new Map([
  ['meridian_packets_total', new Set(['job', 'node', 'leg'])],
  ['meridian_rtt_seconds_bucket', new Set(['job', 'node', 'le'])],
]);
const problemsOf = (expr: string) => checkExpression(expr, exported).problems;

test('an expression over exported metrics and their labels has no problem', () => {
  const expr =
    'sum by (leg) (rate(meridian_packets_total{node=~"$node"}[$__rate_interval])) / ignoring(leg) group_left() sum(meridian_packets_total)';
  expect(problemsOf(expr)).toEqual([]);
});

test('a metric that no service exports is named', () => {
  expect(problemsOf('rate(meridian_pakets_total[5m])')).toEqual([
    'asks for meridian_pakets_total, which no service exports',
  ]);
});

test('a label that the metric does not have is named, in a matcher and in a grouping', () => {
  expect(problemsOf('meridian_packets_total{room="x"}')).toEqual([
    'asks for label room, which meridian_packets_total does not have',
  ]);
  expect(problemsOf('sum by (room) (meridian_packets_total)')).toEqual([
    'groups by room, which none of its metrics has',
  ]);
});

test('what is no PromQL is refused', () => {
  expect(problemsOf('sum by (leg) (rate(meridian_packets_total[5m])')).not.toEqual([]);
});

test('the services export their histograms as buckets, sums and counts', async () => {
  const series = await exportedSeries();
  expect([...(series.get('meridian_leg_rtt_seconds_bucket') ?? [])].sort()).toEqual(
    ['instance', 'job', 'kind', 'le', 'leg', 'node', 'region'].sort(),
  );
  expect(series.has('meridian_leg_rtt_seconds_count')).toBe(true);
  expect(series.has('meridian_leg_rtt_seconds')).toBe(false);
});
