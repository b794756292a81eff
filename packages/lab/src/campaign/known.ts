import { compare, type Interval } from '../analysis/effects.ts';
import { type Evaluation, seriesOf } from '../analysis/experiment.ts';
import { METRICS } from '../analysis/metrics.ts';

export interface Recovered {
  readonly arm: string;
  /** Name of the arm it is compared with. */
  readonly than: string;
  readonly figure: string;
  readonly unit: string;
  /** In words, such as "+50.0" or "-0.25 (x 0.5)". */
  readonly expected: string;
  readonly found: string;
  readonly interval: string;
  /** The interval lies on the expected side of zero. */
  readonly sign: boolean;
  /** The interval comes within the allowed distance of what was expected. */
  readonly size: boolean;
}

/**
 * Compares what every arm's `expects` says with what was found. The intervals hold for everything that is expected at once, and
 * for that only: figures that nobody asked about do not widen them, as they do in the report, whose verdict looks at all of them.
 */
export function recoveredOf(
  { blocks, scenario, comparisons }: Pick<Evaluation, 'blocks' | 'scenario' | 'comparisons'>,
  seed = 1,
): Recovered[] {
  const reference = comparisons[0]?.reference ?? scenario.arms[0]?.name ?? '';
  const asked = scenario.arms.flatMap(({ name: arm, expects }) =>
    expects.flatMap(({ than = reference, ...expects }) => {
      const metric = METRICS.find(({ name }) => name === expects.figure);
      if (metric === undefined || than === arm) return [];
      const series = {
        name: `${arm} ${metric.name}`,
        arm: seriesOf(blocks, arm, metric),
        reference: seriesOf(blocks, than, metric),
        resolution: metric.resolution,
      };
      return [{ arm, than, metric, series, ...expects }];
    }),
  );
  const effects = compare(
    asked.map(({ series }) => series),
    { seed },
  );
  return asked.flatMap(({ arm, than, metric, difference, ratio, within }, index) => {
    const effect = effects[index];
    if (effect === undefined || effect.blocks === 0) return [];
    const base = effect.referenceMean;
    const expected = difference ?? base * ((ratio ?? 1) - 1);
    const allowed = ratio === undefined ? within : within * base;
    const shown = (value: number) => value.toFixed(Math.max(1, metric.digits));
    const at: Interval | undefined = effect.jointInterval;
    return [
      {
        arm,
        than,
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
}
