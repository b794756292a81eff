import type { Evaluation } from '../analysis/experiment.ts';
import type { RecordedRun } from '../experiment/record/run.ts';

/** Enough for every digit that was measured. */
const DIGITS = 6;

/**
 * What was computed from every recording: the figures that the report's tables, intervals and verdict are made from, by run and
 * direction, and why runs were left out. JSON, a run to a line.
 */
export function figuresFile({ experiment, scenario, blocks, refused }: Evaluation): string {
  const about = ({ header: { arm, block, order, seed, startedAt } }: RecordedRun) => ({
    arm,
    block,
    order,
    seed,
    startedAt,
  });
  const runs = [
    ...blocks.flatMap(({ byArm }) => [...byArm.values()].map(({ run, pairs }) => ({ ...about(run), pairs }))),
    ...refused.map(({ run, because }) => ({ ...about(run), leftOut: because })),
  ];
  const short = (_: string, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(DIGITS)) : value;
  const lines = runs.map((run) => JSON.stringify(run, short));
  return `{"experiment":${JSON.stringify(experiment)},"scenario":${JSON.stringify(scenario.name)},"runs":[\n${lines.join(',\n')}\n]}\n`;
}
