import type { Evaluation } from '../analysis/experiment.ts';
import type { RecordedRun } from '../experiment/record/run.ts';
import { colourOf } from './chart.ts';

/** The usable runs of an arm, and how the arm is drawn. */
export interface ArmRuns {
  readonly name: string;
  readonly title: string;
  readonly colour: string;
  readonly runs: readonly RecordedRun[];
}

export const armsOf = (evaluation: Evaluation): ArmRuns[] =>
  evaluation.scenario.arms.map(({ name, title }, index) => ({
    name,
    title,
    colour: colourOf(index),
    runs: evaluation.blocks.flatMap(({ byArm }) => byArm.get(name)?.run ?? []),
  }));

/** Latency of every frame that was shown in the measured time: `[seconds into it, milliseconds]`. */
export function latencies(run: RecordedRun): [number, number][] {
  const { window } = run;
  if (window === undefined) return [];
  return run.of('frames').flatMap(({ rows }) =>
    rows.flatMap(([, drawnMs, shownMs]): [number, number][] => {
      const inside = shownMs >= window.fromMs && shownMs <= window.toMs;
      return inside ? [[(shownMs - window.fromMs) / 1_000, shownMs - drawnMs]] : [];
    }),
  );
}
