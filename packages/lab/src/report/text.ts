import type { Comparison, Evaluation } from '../analysis/experiment.ts';
import { seriesOf } from '../analysis/experiment.ts';
import { METRICS, type Metric } from '../analysis/metrics.ts';
import { mean } from '../analysis/quantile.ts';
import { interactivityOf, MOUTH_TO_EAR, POOR } from '../analysis/verdict.ts';

/** Rows of the table of figures: one per figure that was measured, a column per arm. */
export interface FigureRow {
  readonly metric: Metric;
  /** By arm, in the scenario's order: mean over blocks. */
  readonly means: readonly (number | undefined)[];
  /** By comparison: the difference with its interval. */
  readonly differences: readonly string[];
}

export const number = (metric: Metric, value: number | undefined): string =>
  value === undefined ? '–' : value.toFixed(metric.digits);

export function figureRows(evaluation: Evaluation): FigureRow[] {
  return METRICS.flatMap((metric) => {
    const means = evaluation.scenario.arms.map(({ name }) => {
      const values = seriesOf(evaluation.blocks, name, metric).filter((value) => value !== null);
      return values.length === 0 ? undefined : mean(values);
    });
    if (means.every((value) => value === undefined)) return [];
    return [
      { metric, means, differences: evaluation.comparisons.map((comparison) => differenceOf(metric, comparison)) },
    ];
  });
}

function differenceOf(metric: Metric, { effects }: Comparison): string {
  const effect = effects.find(({ name }) => name === metric.name);
  if (effect === undefined || Number.isNaN(effect.difference)) return '–';
  const signed = (value: number) => {
    const size = Math.abs(value).toFixed(metric.digits);
    return Number(size) === 0 ? size : `${value < 0 ? '−' : '+'}${size}`;
  };
  const { jointInterval: at } = effect;
  const interval = at === undefined ? 'too few blocks' : `${signed(at.low)} … ${signed(at.high)}`;
  return `${signed(effect.difference)} (${interval})`;
}

/** How far each arm is from what ITU-T G.114 and VIA ask for. */
export function thresholdSentences(evaluation: Evaluation): string[] {
  return evaluation.scenario.arms.flatMap(({ name, title }) => {
    const meanOf = (figure: Metric['name']) => {
      const metric = METRICS.find((one) => one.name === figure);
      const values =
        metric === undefined ? [] : seriesOf(evaluation.blocks, name, metric).filter((one) => one !== null);
      return values.length === 0 ? undefined : mean(values);
    };
    const audioMs = meanOf('audio-latency');
    const latencyMs = audioMs ?? meanOf('latency');
    if (latencyMs === undefined) return [];
    const { goodMs, unacceptableMs } = MOUTH_TO_EAR;
    const bounds = {
      good: `below ${goodMs}`,
      acceptable: `${goodMs} to ${unacceptableMs}`,
      unacceptable: `above ${unacceptableMs}`,
    };
    const called = interactivityOf(latencyMs);
    const from = audioMs === undefined ? 'from glass to glass' : 'from mouth to ear';
    return [
      `${title}: ${latencyMs.toFixed(0)} ms ${from}, which G.114 calls ${called} (${bounds[called]} ms).${networkSentence(meanOf)}`,
    ];
  });
}

function networkSentence(meanOf: (figure: Metric['name']) => number | undefined): string {
  const poor = meanOf('poor');
  if (poor === undefined) return '';
  const parts = [
    { title: 'round trip', value: meanOf('rtt'), digits: 0, unit: 'ms', limit: POOR.rttMs },
    { title: 'loss of video packets', value: meanOf('loss'), digits: 2, unit: '%', limit: 100 * POOR.lossFraction },
    { title: 'jitter', value: meanOf('jitter'), digits: 1, unit: 'ms', limit: POOR.jitterMs },
  ].flatMap(({ title, value, digits, unit, limit }) =>
    value === undefined ? [] : [`${title} ${value.toFixed(digits)} ${unit} (poor from ${limit})`],
  );
  const means = parts.length === 0 ? '' : `; on average ${parts.join(', ')}`;
  return ` By VIA's thresholds the network was poor in ${poor.toFixed(0)} % of the seconds${means}.`;
}

export function settingsOf(link: object): string {
  return Object.entries(link)
    .flatMap(([name, value]) => (value === undefined || value === null ? [] : [`${name} ${shown(value)}`]))
    .join(', ');
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(shown).join('; ')}]`;
  if (typeof value === 'object' && value !== null) return `(${settingsOf(value)})`;
  return String(value);
}

/** Figures of single directions: the ones that a table of thirty rows can bear. */
const DIRECTION_FIGURES = [
  { name: 'latency', short: 'latency, median' },
  { name: 'latency-p95', short: 'latency, 95 %' },
  { name: 'audio-latency', short: 'audio latency' },
  { name: 'rtt', short: 'round trip' },
  { name: 'video-rate', short: 'video' },
  { name: 'frozen', short: 'frozen' },
  { name: 'loss', short: 'lost before repair' },
  { name: 'audio-loss', short: 'audio lost' },
  { name: 'jitter', short: 'jitter' },
  { name: 'concealed', short: 'audio concealed' },
];

export interface DirectionTable {
  readonly arm: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** For each arm, who received what of whom: means over blocks. */
export function directionTables(evaluation: Evaluation): DirectionTable[] {
  const metrics = DIRECTION_FIGURES.flatMap(({ name, short }) => {
    const metric = METRICS.find((one) => one.name === name);
    return metric === undefined ? [] : [{ metric, head: metric.unit === '' ? short : `${short}, ${metric.unit}` }];
  });
  return evaluation.scenario.arms.flatMap(({ name, title }) => {
    const pairs = evaluation.blocks.flatMap(({ byArm }) => byArm.get(name)?.pairs ?? []);
    const nameOf = (client: string) =>
      evaluation.scenario.clients[client]?.kind === 'light' ? `${client} (light)` : client;
    const directionOf = ({ sender, receiver }: { sender: string; receiver: string }) =>
      `${nameOf(sender)} → ${nameOf(receiver)}`;
    // Those between pages first: everything else is made from them.
    const ordered = [...pairs.filter(({ timed }) => timed), ...pairs.filter(({ timed }) => !timed)];
    const directions = [...new Set(ordered.map(directionOf))];
    if (directions.length === 0) return [];
    const present = metrics.filter(({ metric }) => pairs.some((pair) => metric.of(pair) !== undefined));
    return [
      {
        arm: title,
        head: ['direction', ...present.map(({ head }) => head)],
        rows: directions.map((direction) => [
          direction,
          ...present.map(({ metric }) => {
            const values = pairs
              .filter((pair) => directionOf(pair) === direction)
              .flatMap((pair) => metric.of(pair) ?? []);
            return number(metric, values.length === 0 ? undefined : mean(values));
          }),
        ]),
      },
    ];
  });
}
