import { compare, type PairedSeries } from '../analysis/effects.ts';
import { type Block, type RunFigures, seriesOf } from '../analysis/experiment.ts';
import { METRICS } from '../analysis/metrics.ts';
import { findingOf } from '../analysis/verdict.ts';
import { seedOf, uniformAt } from '../wan/model/random.ts';

export interface AaResult {
  readonly seeds: number;
  /** Made-up experiments in which some figure was found to differ. */
  readonly found: number;
  /** Which figures those were. */
  readonly byFigure: Readonly<Record<string, number>>;
  /** Pairs of runs of one arm that the experiments were drawn from. */
  readonly pairs: number;
}

/**
 * How often the evaluation finds a difference where there is none: experiments are made up from recorded runs of one arm each,
 * paired with runs of the same arm; which of the two counts as "the arm" is drawn, and so are the blocks (with
 * replacement). At most 5 % may find something.
 * @param perSeed blocks of each made-up experiment
 */
export function simulateAa(
  blocks: readonly Block[],
  options: { readonly seeds: number; readonly seed: number; readonly perSeed?: number; readonly resamples?: number },
): AaResult {
  const { seeds, seed, resamples = 1_000 } = options;
  const pairs = pairsOf(blocks);
  const perSeed = options.perSeed ?? Math.max(pairs.length, 6);
  const deciding = METRICS.filter(({ decides }) => decides);
  const figures = pairs.map(({ one, other }) => ({
    one: deciding.map((metric) => seriesOf([blockOf(one)], 'a', metric)[0] ?? null),
    other: deciding.map((metric) => seriesOf([blockOf(other)], 'a', metric)[0] ?? null),
  }));
  const byFigure: Record<string, number> = {};
  let found = 0;
  for (let run = 0; run < seeds; run += 1) {
    const stream = seedOf(seed + run, 'aa');
    const drawn = Array.from({ length: perSeed }, (_, block) => {
      const pair = figures[Math.floor(uniformAt(stream, 2 * block) * figures.length)];
      return { pair, swap: uniformAt(stream, 2 * block + 1) < 0.5 };
    });
    const series: PairedSeries[] = deciding.map((metric, index) => {
      const side = (first: boolean) =>
        drawn.map(({ pair, swap }) => (first !== swap ? pair?.one : pair?.other)?.[index] ?? null);
      return { name: metric.name, arm: side(true), reference: side(false), resolution: metric.resolution };
    });
    const differing = compare(series, { seed: run, resamples }).filter((effect) => {
      const judged = deciding.find(({ name }) => name === effect.name);
      if (judged === undefined) return false;
      const finding = findingOf(effect, judged);
      return finding !== 'same' && finding !== 'not-found' && finding !== 'too-few';
    });
    if (differing.length > 0) found += 1;
    for (const { name } of differing) byFigure[name] = (byFigure[name] ?? 0) + 1;
  }
  return { seeds, found, byFigure, pairs: pairs.length };
}

interface Pair {
  readonly one: RunFigures;
  readonly other: RunFigures;
}

/** Runs of the same arm in neighbouring blocks; arms of an A/A experiment are the same one. */
function pairsOf(blocks: readonly Block[]): Pair[] {
  const pairs: Pair[] = [];
  const sameWorld = (a: RunFigures, b: RunFigures) => worldOf(a) === worldOf(b);
  for (const { byArm } of blocks) {
    const runs = [...byArm.values()];
    for (const [index, one] of runs.entries()) {
      const other = runs.slice(index + 1).find((candidate) => sameWorld(one, candidate));
      if (other !== undefined) pairs.push({ one, other });
    }
  }
  if (pairs.length > 0) return pairs;
  const arms = new Set(blocks.flatMap(({ byArm }) => [...byArm.keys()]));
  for (const arm of arms) {
    const runs = blocks.flatMap(({ byArm }) => byArm.get(arm) ?? []);
    for (let index = 0; index + 1 < runs.length; index += 2) {
      const [one, other] = [runs[index], runs[index + 1]];
      if (one !== undefined && other !== undefined) pairs.push({ one, other });
    }
  }
  return pairs;
}

/** What a run met, apart from its name. */
function worldOf({ run: { header } }: RunFigures): string {
  const arm = header.scenario.arms.find(({ name }) => name === header.arm);
  return JSON.stringify([arm?.at, arm?.extra]);
}

const blockOf = (run: RunFigures): Block => ({ block: 0, byArm: new Map([['a', run]]) });
