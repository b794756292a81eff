import { type Evaluation, seriesOf } from '../analysis/experiment.ts';
import { METRICS } from '../analysis/metrics.ts';
import { mean } from '../analysis/quantile.ts';

export interface Recovered {
  readonly arm: string;
  readonly figure: string;
  readonly unit: string;
  /** In words, such as "+50 ms" or "x 0.5". */
  readonly expected: string;
  readonly found: string;
  readonly interval: string;
  /** The joint interval lies on the expected side of zero. */
  readonly sign: boolean;
  /** The interval comes within the allowed distance of what was expected. */
  readonly size: boolean;
}

/** Compares what every arm's `expects` says with what was found. */
export function recoveredOf(evaluation: Evaluation): Recovered[] {
  return evaluation.comparisons.flatMap(({ arm, reference, effects }) => {
    const expects = evaluation.scenario.arms.find(({ name }) => name === arm)?.expects ?? [];
    return expects.flatMap(({ figure, difference, ratio, within }) => {
      const metric = METRICS.find(({ name }) => name === figure);
      const effect = effects.find(({ name }) => name === figure);
      if (metric === undefined || effect === undefined) return [];
      const base = mean(seriesOf(evaluation.blocks, reference, metric).filter((value) => value !== null));
      const expected = difference ?? base * ((ratio ?? 1) - 1);
      const allowed = ratio === undefined ? within : within * base;
      const { jointInterval: at } = effect;
      const shown = (value: number) => value.toFixed(Math.max(1, metric.digits));
      return [
        {
          arm,
          figure: metric.title,
          unit: metric.unit,
          expected: `${expected > 0 ? '+' : ''}${shown(expected)}${ratio === undefined ? '' : ` (x ${ratio})`}`,
          found: `${effect.difference > 0 ? '+' : ''}${shown(effect.difference)}`,
          interval: at === undefined ? 'too few blocks' : `${shown(at.low)} ... ${shown(at.high)}`,
          sign: at !== undefined && (expected > 0 ? at.low > 0 : at.high < 0),
          size: at !== undefined && at.low <= expected + allowed && at.high >= expected - allowed,
        },
      ];
    });
  });
}
