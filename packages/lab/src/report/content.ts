import type { Evaluation } from '../analysis/experiment.ts';
import { METRICS } from '../analysis/metrics.ts';
import { mean, median } from '../analysis/quantile.ts';
import { armsOf, latencies } from './arm-runs.ts';
import type { Picture } from './chart.ts';

export interface ReportInput {
  readonly evaluation: Evaluation;
  readonly pictures: readonly Picture[];
  /** Folder of the recordings, as seen from the report; undefined where they are not kept with it. */
  readonly raw: string | undefined;
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
    ['Raw data', `${files.length} recordings (JSON lines) ${whereIs(raw)}; figures of every run: ${FIGURES_FILE}`],
    [
      'Again',
      `pnpm lab run packages/lab/scenarios/${scenario.name}.yaml --repeats ${blocks.length} --warm-up ${scenario.warmUpS} --length ${scenario.lengthS}` +
        `${header === undefined ? '' : ` --seed ${header.seed - header.block}`}${header?.real === undefined ? '' : ` --cluster ${header.real.url}`}`,
    ],
    ['From these recordings', `pnpm lab report <folder>`],
  ];
}

/** What was computed from each recording, beside the report. */
export const FIGURES_FILE = 'figures.json';

function whereIs(raw: string | undefined): string {
  if (raw === undefined) return 'with whoever ran it';
  return raw === '.' ? 'beside this page' : `in ${raw}`;
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

/**
 * Whether the calls had settled when measuring began: the latency of the last third of the measured time against the first, averaged
 * over an arm's runs. Nothing to say of arms whose links change by plan.
 */
export function settlingNotes(evaluation: Evaluation): string[] {
  const matters = METRICS.find(({ name }) => name === 'latency')?.matters ?? 0;
  return armsOf(evaluation).flatMap(({ title, runs }) => {
    const risesMs = runs.flatMap((run) => {
      if (Object.values(run.header.links).some(({ schedule }) => schedule.length > 0)) return [];
      const third = evaluation.scenario.lengthS / 3;
      const within = (fromS: number, toS: number) =>
        median(latencies(run).flatMap(([atS, latencyMs]) => (atS >= fromS && atS < toS ? latencyMs : [])));
      const riseMs = within(2 * third, 3 * third) - within(0, third);
      return Number.isNaN(riseMs) ? [] : [riseMs];
    });
    const riseMs = mean(risesMs);
    if (Number.isNaN(riseMs) || Math.abs(riseMs) < matters) return [];
    return [
      `${title}: latency was ${Math.abs(riseMs).toFixed(0)} ms ${riseMs > 0 ? 'higher' : 'lower'} in the last third of the measured time than in the first: the calls had not settled when measuring began. A longer warm-up (--warm-up) makes the figures steadier.`,
    ];
  });
}

/** Planned changes of links that a run was too short for: what it shows is then not what the scenario is about. */
export function unreachedNotes(evaluation: Evaluation): string[] {
  const { lengthS } = evaluation.scenario;
  return armsOf(evaluation).flatMap(({ title, runs }) => {
    const links = Object.values(runs[0]?.header.links ?? {});
    const lateS = links.flatMap(({ schedule }) => schedule.flatMap(({ atS }) => (atS >= lengthS ? atS : [])));
    if (lateS.length === 0) return [];
    return [
      `${title}: links change by plan at ${[...new Set(lateS)].sort((a, b) => a - b).join(', ')} s, after the ${lengthS} s that were measured, so nothing here shows it. Measure longer (--length).`,
    ];
  });
}

const TOPOLOGY_NOTE =
  'Dashed: WebRTC between a client and its node. Solid: the relay between two nodes. Delay, its deviation (jitter) and loss are of one way; ' +
  'a / b: there / back, from left to right first.';

/** Of ways that are not emulated. */
const MEASURED_NOTE =
  'Dashed: WebRTC between a client and its node. Solid: the relay between two nodes. Round trips and loss as the nodes measured them.';

const LIGHT_NOTE =
  'Dashed outline: light peers, which fill the room with recorded media and are no browsers; the others are pages.';

const hasLight = ({ clients }: Evaluation['scenario']): boolean =>
  Object.values(clients).some(({ kind }) => kind === 'light');

export const topologyNote = ({ blocks, scenario }: Evaluation): string => {
  const run = blocks.flatMap(({ byArm }) => [...byArm.values()])[0]?.run;
  const note = run?.header.real === undefined ? TOPOLOGY_NOTE : MEASURED_NOTE;
  return hasLight(scenario) ? `${note} ${LIGHT_NOTE}` : note;
};

/** A text of several lines as a paragraph; blank lines part paragraphs. */
export const paragraphs = (text: string): string[] =>
  text
    .trim()
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.replaceAll(/\s*\n\s*/g, ' '));

export const DIRECTIONS_TITLE = 'Each direction by itself (means over blocks)';

/** What the table of single directions holds besides those that everything else is made from. */
export const directionsNote = ({ scenario }: Evaluation): string | undefined =>
  hasLight(scenario)
    ? 'Light peers count packets and decode nothing: to and from them there is no latency and no picture. All other figures, the verdict and the plots are of directions between pages alone. A light peer sends one fixed layer, and asks for no packet again.'
    : undefined;

export const INTERVALS_NOTE =
  'Differences are within blocks (every arm was run once in each block, in changing order); in brackets, 95 % intervals that hold for all ' +
  'figures of a table at once (studentised bootstrap over blocks, max-t). Means are over blocks and over both directions.';
