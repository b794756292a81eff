import { median } from '../analysis/quantile.ts';

/** What may be said of a series of figures over time: flat, or how much it grows. */
export interface Trend {
  readonly verdict: 'flat' | 'grows' | 'too-short';
  readonly first: number;
  readonly last: number;
  /** Over the whole time that was judged, by the median of the slopes of all pairs (Theil and Sen). */
  readonly growth: number;
}

export interface Point {
  readonly atMs: number;
  readonly value: number;
}

/** Fewer points say nothing. */
const FEWEST = 12;
/** Growth has to be this unlikely to be chance: standard deviations of Mann and Kendall's statistic. */
const SIGNIFICANT = 3;
/** More points are thinned out before all pairs are taken. */
const MOST = 400;

/**
 * @param points in the order of time, warm-up left out
 * @param allowed growth that does not count: noise of the figure, in its unit
 */
export function trendOf(points: readonly Point[], allowed: number): Trend {
  const thin = Math.ceil(points.length / MOST);
  const used = points.filter((_, index) => index % thin === 0);
  const first = median(used.slice(0, Math.ceil(used.length / 4)).map(({ value }) => value));
  const last = median(used.slice(-Math.ceil(used.length / 4)).map(({ value }) => value));
  if (used.length < FEWEST) return { verdict: 'too-short', first, last, growth: 0 };
  const slopes: number[] = [];
  let rises = 0;
  for (const [index, later] of used.entries()) {
    for (const earlier of used.slice(0, index)) {
      slopes.push((later.value - earlier.value) / (later.atMs - earlier.atMs));
      rises += Math.sign(later.value - earlier.value);
    }
  }
  const n = used.length;
  const deviation = Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const growth = median(slopes) * ((used.at(-1)?.atMs ?? 0) - (used[0]?.atMs ?? 0));
  const grows = rises / deviation > SIGNIFICANT && Math.min(growth, last - first) > allowed;
  return { verdict: grows ? 'grows' : 'flat', first, last, growth };
}

/** A line of eight heights. */
export function spark(values: readonly number[], width = 40): string {
  const step = Math.max(1, values.length / width);
  const shown = Array.from(
    { length: Math.min(width, values.length) },
    (_, index) => values[Math.floor(index * step)] ?? 0,
  );
  const low = Math.min(...shown);
  const span = Math.max(...shown) - low || 1;
  return shown.map((value) => '▁▂▃▄▅▆▇█'[Math.min(7, Math.floor(((value - low) / span) * 8))]).join('');
}
