import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MeridianError } from '@meridian/protocol';
import { MIN_BLOCKS } from '../analysis/effects.ts';
import { type Evaluation, evaluate } from '../analysis/experiment.ts';
import { RealStage } from '../experiment/real/real-stage.ts';
import { readRuns } from '../experiment/record/run.ts';
import { readScenario, SCENARIOS_DIR } from '../experiment/scenario/file.ts';
import type { Scenario } from '../experiment/scenario/schema.ts';
import { writeReport } from '../report/write.ts';
import { simulateAa } from './aa.ts';
import { type CampaignOptions, runCampaign } from './campaign.ts';
import { recoveredOf } from './known.ts';
import { LabMetrics } from './metrics.ts';
import { MetricsServer, parseListenAddress } from './metrics-server.ts';
import { Screen } from './screen.ts';

const COMMON = {
  help: { type: 'boolean', short: 'h' },
  minutes: { type: 'string' },
  repeats: { type: 'string' },
  length: { type: 'string' },
  'warm-up': { type: 'string' },
  seed: { type: 'string' },
  out: { type: 'string' },
  reference: { type: 'string' },
  cluster: { type: 'string' },
  prometheus: { type: 'string' },
  scrape: { type: 'string', multiple: true },
  client: { type: 'string', multiple: true },
  metrics: { type: 'string' },
} as const;

const OPTIONS_HELP = `  --minutes N      as many whole blocks as fit into this time
  --repeats N      blocks; default: the scenario's
  --length S       seconds measured per run; --warm-up S  seconds before that
  --seed N         of the links; default 1
  --reference ARM  the arm that the others are compared with; default: the first
  --out FOLDER     for recordings and report; default .data/lab/<scenario>-<time>
  --metrics [HOST:]PORT   serves the arms' figures to Prometheus while it runs
On real servers instead of emulated links (docs/experiments.md):
  --cluster URL    address of a cluster that is there already; arms are forced by region
  --prometheus URL         the Prometheus that scrapes its nodes, or
  --scrape NODE=URL        a node's /metrics as reached from here (again for each node; token: MERIDIAN_METRICS_TOKEN)
  --client NAME=COMMAND    runs this client where the command starts "lab client", such as 'binh=ssh -C host "..."'
Ctrl-C keeps what was measured and writes the report of it.`;

type Values = ReturnType<typeof parseArgs<{ options: typeof COMMON }>>['values'];

/** `pnpm lab run <scenario.yaml>`. */
export async function run(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const [file, ...more] = positionals;
  if (values.help || file === undefined || more.length > 0) {
    console.log(`pnpm lab run <scenario.yaml> [options]\n${OPTIONS_HELP}`);
    return values.help ? 0 : 2;
  }
  const evaluation = await measure(adjusted(await readScenario(file), values), values);
  return evaluation === undefined ? 1 : 0;
}

/** Made-up experiments of `lab aa`. */
const AA_SEEDS = 400;

const AA_HELP = `pnpm lab aa [scenario.yaml] [options]
  Runs the scenario's first arm against itself, then makes up experiments from what was recorded.
  --from FOLDER    only the latter, from recordings that are there: of "lab aa", or of any experiment (runs of the same arm)`;

/** `pnpm lab aa`: the same arm twice, and made-up experiments from what was recorded. */
export async function aa(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { ...COMMON, from: { type: 'string' } },
  });
  if (values.help) {
    console.log(`${AA_HELP}\n${OPTIONS_HELP}`);
    return 0;
  }
  if (values.from !== undefined) return tellAa(evaluate((await readRuns(values.from)).runs).blocks);
  const scenario = adjusted(await readScenario(positionals[0] ?? join(SCENARIOS_DIR, 'eu-vn.yaml')), values);
  const [arm] = scenario.arms;
  if (arm === undefined) throw new MeridianError('config-invalid', { message: 'the scenario has no arm' });
  const twice: Scenario = {
    ...scenario,
    title: `A/A: ${scenario.title}`,
    arms: [
      { ...arm, name: 'a', title: `${arm.title} (A)` },
      { ...arm, name: 'a-again', title: `${arm.title} (A again)` },
    ],
  };
  const evaluation = await measure(twice, values);
  if (evaluation === undefined) return 1;
  const real = evaluation.comparisons.every(({ verdict: { outcome } }) => outcome === 'no-difference');
  console.log(`A/A: the real runs found ${real ? 'no difference' : 'a difference, or were too few'}.`);
  const simulated = tellAa(evaluation.blocks);
  return real ? simulated : 1;
}

function tellAa(blocks: Evaluation['blocks']): number {
  const { found, seeds, pairs, byFigure } = simulateAa(blocks, { seeds: AA_SEEDS, seed: 1 });
  if (pairs < MIN_BLOCKS) {
    throw new MeridianError('config-invalid', {
      message: `${pairs} pairs of runs of one arm are too few to make up experiments from; ${MIN_BLOCKS} are needed`,
    });
  }
  const figures = Object.entries(byFigure).map(([name, count]) => `${name} ${count}`);
  console.log(
    `A/A: of ${seeds} experiments made up from ${pairs} recorded pairs, ${found} found a difference ` +
      `(${((100 * found) / seeds).toFixed(1)} %; at most 5 % may)${figures.length === 0 ? '' : `: ${figures.join(', ')}`}`,
  );
  return found / seeds <= 0.05 ? 0 : 1;
}

/** `pnpm lab known`: arms that differ by a known amount. */
export async function known(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help) {
    console.log(`pnpm lab known [scenario.yaml] [options]\n  Finds differences that were put in.\n${OPTIONS_HELP}`);
    return 0;
  }
  const file = positionals[0] ?? join(SCENARIOS_DIR, 'known.yaml');
  const evaluation = await measure(adjusted(await readScenario(file), values), values);
  if (evaluation === undefined) return 1;
  const rows = recoveredOf(evaluation);
  console.log(
    '| arm | than | figure | put in | found | interval | sign | size |\n| --- | --- | --- | --- | --- | --- | --- | --- |',
  );
  for (const { arm, than, figure, unit, expected, found, interval, sign, size } of rows) {
    const mark = (ok: boolean) => (ok ? 'yes' : '**no**');
    console.log(
      `| ${arm} | ${than} | ${figure}, ${unit} | ${expected} | ${found} | ${interval} | ${mark(sign)} | ${mark(size)} |`,
    );
  }
  return rows.length > 0 && rows.every(({ sign, size }) => sign && size) ? 0 : 1;
}

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], allowPositionals: true, options: COMMON });
}

/** @throws MeridianError `config-invalid` */
function numberOption(
  values: Values,
  name: 'minutes' | 'repeats' | 'length' | 'warm-up' | 'seed',
  least: number,
): number | undefined {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < least) {
    throw new MeridianError('config-invalid', {
      message: `--${name} must be a number of at least ${least}, not "${text}"`,
    });
  }
  return value;
}

function adjusted(scenario: Scenario, values: Values): Scenario {
  const repeats = numberOption(values, 'repeats', 1);
  return {
    ...scenario,
    repeats: repeats === undefined ? scenario.repeats : Math.floor(repeats),
    lengthS: numberOption(values, 'length', 1) ?? scenario.lengthS,
    warmUpS: numberOption(values, 'warm-up', 0) ?? scenario.warmUpS,
  };
}

/** What the experiment runs on; undefined: a cluster of its own. @throws MeridianError `config-invalid` */
function stageOf(scenario: Scenario, values: Values): CampaignOptions['openStage'] {
  const { cluster: url, prometheus } = values;
  if (url === undefined) {
    const stray = (['prometheus', 'scrape', 'client'] as const).find((name) => values[name] !== undefined);
    if (stray === undefined) return undefined;
    throw new MeridianError('config-invalid', { message: `--${stray} goes with --cluster` });
  }
  if (prometheus !== undefined && values.scrape !== undefined) {
    throw new MeridianError('config-invalid', { message: 'give either --prometheus or --scrape' });
  }
  const clients = pairsOf('client', values.client ?? []);
  const scrape = pairsOf('scrape', values.scrape ?? []);
  for (const [name, text] of [['cluster', url], ['prometheus', prometheus], ...scrape] as const) {
    if (text !== undefined && !URL.canParse(text)) {
      throw new MeridianError('config-invalid', { message: `${name}: "${text}" is no URL` });
    }
  }
  const metricsToken = process.env.MERIDIAN_METRICS_TOKEN;
  return (onEvent) => RealStage.open({ scenario, url, prometheus, scrape, clients, metricsToken, onEvent });
}

/** `name=value` of an option that is given several times. */
function pairsOf(option: string, texts: readonly string[]): Map<string, string> {
  return new Map(
    texts.map((text): [string, string] => {
      const at = text.indexOf('=');
      if (at < 1 || at === text.length - 1) {
        throw new MeridianError('config-invalid', { message: `--${option} must be NAME=VALUE, not "${text}"` });
      }
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

/** Runs, reports, prints the verdict. Undefined where nothing usable was recorded. */
async function measure(scenario: Scenario, values: Values): Promise<Evaluation | undefined> {
  const minutes = numberOption(values, 'minutes', 0.1);
  const openStage = stageOf(scenario, values);
  const experiment = `${scenario.name}-${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}`;
  const dir = values.out ?? join('.data', 'lab', experiment);
  const metrics = new LabMetrics(scenario);
  const page =
    values.metrics === undefined
      ? undefined
      : await MetricsServer.start({ registry: metrics.registry, ...parseListenAddress(values.metrics) });
  const screen = new Screen(process.stderr);
  const stop = new AbortController();
  const onInterrupt = () => {
    if (stop.signal.aborted) process.exit(130);
    screen.line('stopping; what was measured is kept (Ctrl-C again ends at once)');
    stop.abort();
  };
  process.on('SIGINT', onInterrupt);
  try {
    await mkdir(dir, { recursive: true });
    screen.line(`${scenario.title}: ${scenario.arms.length} arms, recordings in ${dir}`);
    const runs = await runCampaign({
      scenario,
      dir,
      experiment,
      seed: numberOption(values, 'seed', 0) ?? 1,
      signal: stop.signal,
      withinMs: minutes === undefined ? undefined : minutes * 60_000,
      onEvent: (event) => {
        screen.show(event);
        metrics.observe(event);
      },
      openStage,
    });
    screen.clear();
    if (!runs.some(({ valid }) => valid)) {
      console.error('no run can be used; see the reasons above');
      return undefined;
    }
    const { evaluation, reports } = await writeReport(dir, { reference: values.reference });
    for (const { verdict } of evaluation.comparisons)
      console.log([verdict.headline, ...verdict.sentences].join('\n  '));
    console.log(reports.join('\n'));
    return evaluation;
  } finally {
    // Of one that nothing was recorded into.
    if (values.out === undefined) await rmdir(dir).catch(() => {});
    await page?.finish(stop.signal);
    process.off('SIGINT', onInterrupt);
  }
}
