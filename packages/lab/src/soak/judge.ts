import { LONGEST_MARK_MS, type Sample } from './sampler.ts';
import { type Point, spark, type Trend, trendOf } from './trend.ts';

export interface TimedSample {
  readonly atMs: number;
  readonly sample: Sample;
}

export interface Row extends Trend {
  readonly name: string;
  readonly curve: string;
}

/** Caches, pools and the garbage collector find their size in this share of the time, or this long. */
const WARM_UP_SHARE = 0.25;
const WARM_UP_MS = 120_000;

/** Growth that does not count, by the last words of a figure's name. */
const ALLOWED: Readonly<Record<string, number>> = {
  'rss MiB': 20,
  'settled rss MiB': 15,
  'live heap MiB': 2,
  'compiled code MiB': 6,
  'worker rss MiB': 15,
  'redis MiB': 2,
  'redis keys': 60,
};
const ALLOWED_COUNT = 15;

/** Says of each figure whether it grew once it was warm. */
export function judge(samples: readonly TimedSample[], durationMs: number): Row[] {
  const warmMs = Math.min(WARM_UP_MS, durationMs * WARM_UP_SHARE);
  const warm = samples.filter(({ atMs }) => atMs >= warmMs);
  const names = [...new Set(warm.flatMap(({ sample }) => [...sample.keys()]))]
    .filter((name) => !name.endsWith('pid'))
    .sort();
  return names.map((name) => {
    const service = name.split(' ')[0] ?? '';
    const owner = name.includes('worker') ? `${service} worker pid` : `${service} pid`;
    const lastPid = warm.at(-1)?.sample.get(owner);
    const points = warm.flatMap(({ atMs, sample }): Point[] => {
      const value = sample.get(name);
      // Of a process that was started anew, only the last life is judged.
      return value === undefined || sample.get(owner) !== lastPid ? [] : [{ atMs, value }];
    });
    // A process that was started anew warms up again.
    const bornMs = samples.find(({ sample }) => sample.get(owner) === lastPid)?.atMs ?? 0;
    // Keys that expire by themselves are as many as there are to be only once the first ones have expired.
    const settledMs = name === 'redis keys' ? LONGEST_MARK_MS + warmMs : bornMs + warmMs;
    const settled = points.filter(({ atMs }) => atMs >= settledMs);
    const allowed = ALLOWED[name.slice(service.length + 1)] ?? ALLOWED[name] ?? ALLOWED_COUNT;
    return { name, curve: spark(points.map(({ value }) => value)), ...trendOf(settled, allowed) };
  });
}
