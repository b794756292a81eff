import { MeridianError } from '@meridian/protocol';
import type { RecordedRun } from '../experiment/record/run.ts';
import { compare, type Effect } from './effects.ts';
import { figuresOf, type PairFigures } from './figures.ts';
import { METRICS, type Metric, overPairs } from './metrics.ts';
import { type Verdict, verdictOf } from './verdict.ts';

export interface RunFigures {
  readonly run: RecordedRun;
  readonly pairs: readonly PairFigures[];
}

export interface Block {
  readonly block: number;
  /** The usable run of each arm. */
  readonly byArm: ReadonlyMap<string, RunFigures>;
}

export interface Comparison {
  readonly arm: string;
  readonly reference: string;
  readonly effects: readonly Effect[];
  readonly verdict: Verdict;
}

/** All runs of one experiment, evaluated. */
export interface Evaluation {
  readonly experiment: string;
  readonly scenario: RecordedRun['header']['scenario'];
  /** Blocks with at least one usable run, in order. */
  readonly blocks: readonly Block[];
  /** Runs that may not be used, and why. */
  readonly refused: readonly { readonly run: RecordedRun; readonly because: readonly string[] }[];
  /** Every arm against the reference. */
  readonly comparisons: readonly Comparison[];
}

export interface EvaluateOptions {
  /** The arm that the others are compared with; default: the scenario's first. */
  readonly reference?: string | undefined;
  readonly confidence?: number;
  readonly seed?: number;
}

/**
 * Evaluates the runs of one experiment.
 * @throws MeridianError `config-invalid` for no runs, runs of several experiments, or an unknown reference
 */
export function evaluate(runs: readonly RecordedRun[], options: EvaluateOptions = {}): Evaluation {
  const [first] = runs;
  if (first === undefined) throw new MeridianError('config-invalid', { message: 'there are no recorded runs here' });
  const { experiment, scenario } = first.header;
  const stranger = runs.find(({ header }) => header.experiment !== experiment);
  if (stranger !== undefined) {
    throw new MeridianError('config-invalid', {
      message: `runs of two experiments lie together: ${experiment} and ${stranger.header.experiment}`,
    });
  }
  const arms = scenario.arms.map(({ name }) => name);
  const reference = options.reference ?? arms[0] ?? '';
  if (!arms.includes(reference)) {
    throw new MeridianError('config-invalid', {
      message: `there is no arm "${reference}" in ${scenario.name}; its arms: ${arms.join(', ')}`,
    });
  }
  const blocks = blocksOf(runs.filter(({ valid }) => valid));
  const refused = runs
    .filter(({ valid }) => !valid)
    .map((run) => ({ run, because: run.end?.invalidBecause ?? ['the recording broke off'] }));
  return {
    experiment,
    scenario,
    blocks,
    refused,
    comparisons: comparisonsOf(blocks, arms, reference, options),
  };
}

function blocksOf(runs: readonly RecordedRun[]): Block[] {
  const blocks = new Map<number, Map<string, RunFigures>>();
  for (const run of runs) {
    const { block, arm } = run.header;
    const byArm = blocks.get(block) ?? new Map<string, RunFigures>();
    byArm.set(arm, { run, pairs: figuresOf(run) });
    blocks.set(block, byArm);
  }
  return [...blocks].sort(([a], [b]) => a - b).map(([block, byArm]) => ({ block, byArm }));
}

/** One arm's figure by block; null where the block has no usable run of it. */
export function seriesOf(blocks: readonly Block[], arm: string, metric: Metric): (number | null)[] {
  return blocks.map(({ byArm }) => {
    const run = byArm.get(arm);
    return run === undefined ? null : overPairs(metric, run.pairs);
  });
}

/** Between names of an arm and of a figure; neither can hold it. */
const SEPARATOR = '\n';

/** The joint intervals hold for all figures of all comparisons at once. */
function comparisonsOf(
  blocks: readonly Block[],
  arms: readonly string[],
  reference: string,
  { confidence = 0.95, seed = 1 }: EvaluateOptions,
): Comparison[] {
  const others = arms.filter((arm) => arm !== reference);
  const seriesFor = (metrics: readonly Metric[]) =>
    others.flatMap((arm) =>
      metrics.flatMap((metric) => {
        const own = seriesOf(blocks, arm, metric);
        const theirs = seriesOf(blocks, reference, metric);
        // A figure that nothing gave (no VMAF in this ffmpeg) takes no part.
        const present = own.some((value, block) => value !== null && (theirs[block] ?? null) !== null);
        const name = `${arm}${SEPARATOR}${metric.name}`;
        return present ? [{ name, arm: own, reference: theirs, resolution: metric.resolution }] : [];
      }),
    );
  const deciding = compare(seriesFor(METRICS.filter(({ decides }) => decides)), { confidence, seed });
  const further = compare(seriesFor(METRICS.filter(({ decides }) => !decides)), { confidence, seed: seed + 1 });
  return others.map((arm) => {
    const own = (effects: readonly Effect[]) =>
      effects.flatMap((effect) => {
        const [of, name = ''] = effect.name.split(SEPARATOR);
        return of === arm ? [{ ...effect, name }] : [];
      });
    const decided = own(deciding);
    return {
      arm,
      reference,
      effects: [...decided, ...own(further)],
      verdict: verdictOf({
        arm: titleOf(arm),
        reference: titleOf(reference),
        effects: decided,
        judged: METRICS.filter(({ decides }) => decides),
      }),
    };
  });

  function titleOf(arm: string): string {
    const [block] = blocks;
    const scenario = block === undefined ? undefined : [...block.byArm.values()][0]?.run.header.scenario;
    return scenario?.arms.find(({ name }) => name === arm)?.title ?? arm;
  }
}
