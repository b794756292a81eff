import type { Evaluation } from '../analysis/experiment.ts';
import type { Picture } from './chart.ts';

export interface ReportInput {
  readonly evaluation: Evaluation;
  readonly pictures: readonly Picture[];
  /** Folder of the recordings, as seen from the report. */
  readonly raw: string;
  readonly files: readonly string[];
}

/** How the recording was made, line by line: name and value. */
export function provenance({ evaluation, files, raw }: ReportInput): [string, string][] {
  const header = evaluation.blocks.flatMap(({ byArm }) => [...byArm.values()].map(({ run }) => run.header))[0];
  const { scenario, blocks, refused } = evaluation;
  const complete = blocks.filter(({ byArm }) => byArm.size === scenario.arms.length).length;
  return [
    ['Experiment', evaluation.experiment],
    ['Scenario', `${scenario.name} (${scenario.warmUpS} s of warm-up, ${scenario.lengthS} s measured per run)`],
    ['Blocks', `${complete} complete, ${blocks.length} with at least one usable run`],
    ['Runs left out', String(refused.length)],
    ...(header === undefined
      ? []
      : ([
          ['Started', header.startedAt],
          ['Seed', String(header.seed)],
          ['Machine', `${header.machine.cpu}, ${header.machine.cores} cores, ${header.machine.os}`],
          [
            'Versions',
            Object.entries(header.versions)
              .map(([name, version]) => `${name} ${version}`)
              .join(', '),
          ],
        ] satisfies [string, string][])),
    ['Raw data', `${files.length} files of JSON lines ${raw === '.' ? 'beside this page' : `in ${raw}`}`],
    [
      'Again',
      `pnpm lab run packages/lab/scenarios/${scenario.name}.yaml${header?.real === undefined ? '' : ` --cluster ${header.real.url}`}`,
    ],
    ['From these recordings', `pnpm lab report <folder>`],
  ];
}

/** Where clients and servers measured the same thing and did not agree. */
export function disagreements(evaluation: Evaluation): string[] {
  return evaluation.blocks.flatMap(({ block, byArm }) =>
    [...byArm].flatMap(([arm, { run }]) =>
      (run.end?.crossChecks ?? [])
        .filter(({ agrees }) => !agrees)
        .map(
          ({ what, clients, servers, unit }) =>
            `Block ${block + 1}, ${arm}: ${what} is ${clients.toPrecision(4)} ${unit} by the clients and ${servers.toPrecision(4)} ${unit} by the servers.`,
        ),
    ),
  );
}

export function crossChecksMade(evaluation: Evaluation): number {
  return evaluation.blocks.reduce(
    (sum, { byArm }) =>
      sum + [...byArm.values()].reduce((inner, { run }) => inner + (run.end?.crossChecks.length ?? 0), 0),
    0,
  );
}

export function refusals(evaluation: Evaluation): string[] {
  return evaluation.refused.map(
    ({ run, because }) => `Block ${run.header.block + 1}, ${run.header.arm}: ${because.join('; ')}.`,
  );
}

/**
 * What has to be known of the clocks where clients are on machines of their own. The uncertainty is half of the quickest round
 * trip; nothing to say where all are on one machine.
 */
export function clockNotes(evaluation: Evaluation): string[] {
  const runs = evaluation.blocks.flatMap(({ byArm }) => [...byArm.values()].map(({ run }) => run));
  const hosts = new Set(runs.flatMap(({ header }) => Object.keys(header.real?.hosts ?? {})));
  return [...hosts].map((host) => {
    const asked = runs.flatMap((run) => run.of('clock').filter(({ client }) => client === host));
    const uncertaintyMs = Math.max(0, ...asked.map((clock) => clock.uncertaintyMs));
    return `The clock of ${host}'s machine is known to ${uncertaintyMs.toFixed(0)} ms: latencies of a single direction may be wrong by so much, one direction up and the other down. Means of both directions, which everything else shows, are not touched.`;
  });
}

export const DIRECTIONS_TITLE = 'Each direction by itself (means over blocks)';

export const INTERVALS_NOTE =
  'Differences are within blocks (every arm was run once in each block, in changing order); in brackets, 95 % intervals that hold for all ' +
  'figures of a table at once (studentised bootstrap over blocks, max-t). Means are over blocks and over both directions.';
