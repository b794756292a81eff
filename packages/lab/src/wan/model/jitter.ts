import { normalAt, normalCdf } from './random.ts';
import type { JitterSettings } from './settings.ts';

/** Normal jitter is cut at this many deviations, so that a delay has a floor. */
const NORMAL_CUT = 3;

/**
 * A Pareto distribution with shape 3 (heavy-tailed, but with a variance) cut at its 99.5 % point. Uncut, rare
 * packets would be seconds late, and no finite measurement would show the deviation that was asked for.
 */
const SHAPE = 3;
const CUT = 0.995;
const GREATEST = (1 - CUT) ** (-1 / SHAPE);
const paretoMoment = (k: number): number => (SHAPE / CUT) * ((1 - GREATEST ** (k - SHAPE)) / (SHAPE - k));
const PARETO_MEAN = paretoMoment(1);
const PARETO_SD = Math.sqrt(paretoMoment(2) - PARETO_MEAN ** 2);

/** The deviation of a standard normal with its tails moved to +-NORMAL_CUT, by which it is scaled back to 1. */
const CUT_NORMAL_SD = Math.sqrt(
  2 * normalCdf(NORMAL_CUT) -
    1 -
    (2 * NORMAL_CUT * Math.exp(-(NORMAL_CUT ** 2) / 2)) / Math.sqrt(2 * Math.PI) +
    2 * NORMAL_CUT ** 2 * (1 - normalCdf(NORMAL_CUT)),
);

/** Least and greatest values of each distribution in deviations from the mean. */
const RANGE = {
  uniform: { least: -Math.sqrt(3), most: Math.sqrt(3) },
  normal: { least: -NORMAL_CUT / CUT_NORMAL_SD, most: NORMAL_CUT / CUT_NORMAL_SD },
  pareto: { least: (1 - PARETO_MEAN) / PARETO_SD, most: (GREATEST - PARETO_MEAN) / PARETO_SD },
} as const;

/** The most negative offset from the mean delay, milliseconds (<= 0). */
export const floorOf = (jitter: JitterSettings): number => RANGE[jitter.distribution].least * jitter.sdMs;
/** The most positive offset from the mean delay, milliseconds. */
export const ceilingOf = (jitter: JitterSettings): number => RANGE[jitter.distribution].most * jitter.sdMs;

/** A standard normal value turned into the offset of the same rank, milliseconds. */
function offsetOf(jitter: JitterSettings, normal: number): number {
  const rank = normalCdf(normal);
  switch (jitter.distribution) {
    case 'uniform':
      return (2 * rank - 1) * Math.sqrt(3) * jitter.sdMs;
    case 'normal':
      return (Math.max(-NORMAL_CUT, Math.min(NORMAL_CUT, normal)) / CUT_NORMAL_SD) * jitter.sdMs;
    case 'pareto':
      return (((1 - CUT * rank) ** (-1 / SHAPE) - PARETO_MEAN) / PARETO_SD) * jitter.sdMs;
  }
}

/** Offset of packet number `index`, drawn for itself: packets may overtake each other. */
export const independentOffset = (jitter: JitterSettings, seed: number, index: number): number =>
  offsetOf(jitter, normalAt(seed, index));

/**
 * Offset at a time: a smooth wandering with exactly the asked distribution at every instant. Two
 * neighbouring normal draws are blended by cosine and sine, which leaves the variance at 1. Its slope
 * stays below 1 ms per ms nearly always, so keeping the order hardly ever has to lengthen a delay.
 */
export function wanderingOffset(jitter: JitterSettings, seed: number, sinceMs: number): number {
  const place = Math.max(0, sinceMs) / (jitter.coherenceMs ?? 10 * jitter.sdMs);
  const knot = Math.floor(place);
  const angle = (place - knot) * (Math.PI / 2);
  return offsetOf(jitter, Math.cos(angle) * normalAt(seed, knot) + Math.sin(angle) * normalAt(seed, knot + 1));
}
