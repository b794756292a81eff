import type { Evaluation } from '../analysis/experiment.ts';
import { seriesOf } from '../analysis/experiment.ts';
import { METRICS, type Metric } from '../analysis/metrics.ts';
import { mean, quantileOfSorted } from '../analysis/quantile.ts';
import { armsOf, latencies } from './arm-runs.ts';
import { axisName, broken, draw, GRID, type Picture } from './chart.ts';
import { frozenOverTime, latencyOverTime, rateOverTime } from './time-plots.ts';

/** Share of the frames that came within a time. */
export function latencyDistribution(evaluation: Evaluation): Picture {
  const series = armsOf(evaluation).map(({ name, colour, runs }) => {
    const sorted = runs
      .flatMap(latencies)
      .map(([, latencyMs]) => latencyMs)
      .sort((a, b) => a - b);
    const steps = sorted.length === 0 ? [] : Array.from({ length: 101 }, (_, step) => step / 100);
    const data = steps.map((p) => [quantileOfSorted(sorted, Math.min(p, 0.995)), 100 * Math.min(p, 0.995)]);
    return {
      type: 'line',
      name,
      data,
      showSymbol: false,
      lineStyle: { color: colour },
      itemStyle: { color: colour },
    };
  });
  return draw('latency-distribution', 'Share of the frames that were shown within a time', {
    grid: GRID,
    legend: { top: 4, itemGap: 28 },
    xAxis: { type: 'value', scale: true, ...axisName('glass-to-glass latency, ms') },
    yAxis: { type: 'value', max: 100, ...axisName('% of frames'), nameGap: 44 },
    series,
  });
}

/** A dot for each block and a line for the mean, side by side. */
export function byBlock(evaluation: Evaluation, name: Metric['name']): Picture | undefined {
  const metric = METRICS.find((one) => one.name === name);
  if (metric === undefined) return undefined;
  const arms = armsOf(evaluation);
  const columns = arms.map((arm) => seriesOf(evaluation.blocks, arm.name, metric).filter((value) => value !== null));
  if (columns.every((values) => values.length === 0)) return undefined;
  return draw(
    `blocks-${metric.name}`,
    `${metric.title.charAt(0).toUpperCase()}${metric.title.slice(1)}: every block, and the mean`,
    {
      grid: { ...GRID, left: 190 },
      xAxis: {
        type: 'value',
        scale: true,
        ...axisName(metric.unit === '' ? metric.title : `${metric.title}, ${metric.unit}`),
      },
      yAxis: {
        type: 'category',
        inverse: true,
        data: arms.map(({ title }) => broken(title)),
        axisLabel: { lineHeight: 15 },
      },
      series: [
        {
          type: 'scatter',
          symbolSize: 8,
          data: columns.flatMap((values, row) =>
            values.map((value) => ({
              value: [value, row],
              itemStyle: { color: arms[row]?.colour ?? '#555', opacity: 0.55 },
            })),
          ),
        },
        {
          type: 'scatter',
          symbol: 'rect',
          symbolSize: [3, 26],
          data: columns.flatMap((values, row) =>
            values.length === 0
              ? []
              : [{ value: [mean(values), row], itemStyle: { color: arms[row]?.colour ?? '#555' } }],
          ),
        },
      ],
    },
    { width: 860, height: 100 + 56 * arms.length },
  );
}

/** The parts of a picture's time, in the order in which they pass. */
const LEGS = [
  { name: 'encode', title: 'encode and send', colour: '#8ecae6', ink: '#222' },
  { name: 'clientUp', title: 'sender to node', colour: '#219ebc', ink: '#fff' },
  { name: 'relay', title: 'node to node', colour: '#023047', ink: '#fff' },
  { name: 'clientDown', title: 'node to receiver', colour: '#126782', ink: '#fff' },
  { name: 'play', title: 'buffer, decode, show', colour: '#ffb703', ink: '#222' },
  { name: 'rest', title: 'rest', colour: '#cccccc', ink: '#222' },
] as const;

/** With more directions than these the bars are means over all of them. */
const MOST_DIRECTIONS = 2;

/**
 * Where the latency comes from: means over blocks, one bar for each arm and direction. What is on the way from the sender in one
 * direction is on the way to the receiver in the other, so a mean of both would say nothing of where the long line is.
 */
export function hops(evaluation: Evaluation): Picture | undefined {
  const bars = armsOf(evaluation).flatMap(({ name, title }) => {
    const pairs = evaluation.blocks.flatMap(({ byArm }) => (byArm.get(name)?.pairs ?? []).filter(({ timed }) => timed));
    const directions = [...new Set(pairs.map(({ sender, receiver }) => `${sender} → ${receiver}`))];
    const apart = directions.length <= MOST_DIRECTIONS;
    return (apart ? directions : [undefined]).map((direction) => {
      const legs = pairs
        .filter(({ sender, receiver }) => direction === undefined || direction === `${sender} → ${receiver}`)
        .flatMap((pair) => pair.legs ?? []);
      const parts = LEGS.map(({ name: leg }) => {
        const values = legs.flatMap((one) => one[leg] ?? []);
        return values.length === 0 ? null : mean(values);
      });
      return { label: direction === undefined ? broken(title) : `${broken(title)}\n${direction}`, parts };
    });
  });
  if (bars.every(({ parts }) => parts.every((part) => part === null))) return undefined;
  return draw(
    'hops',
    'Where the latency comes from (means over blocks)',
    {
      grid: { ...GRID, left: 190, top: 56 },
      legend: { top: 4, itemWidth: 14, itemGap: 24, textStyle: { fontSize: 11 } },
      xAxis: { type: 'value', ...axisName('ms') },
      yAxis: {
        type: 'category',
        inverse: true,
        data: bars.map(({ label }) => label),
        axisLabel: { lineHeight: 14, fontSize: 11, interval: 0 },
      },
      series: LEGS.map(({ title, colour, ink }, leg) => ({
        type: 'bar',
        stack: 'latency',
        barMaxWidth: 28,
        name: title,
        itemStyle: { color: colour },
        label: {
          show: true,
          color: ink,
          formatter: ({ value }: { value?: unknown }) =>
            typeof value === 'number' && value >= 8 ? value.toFixed(0) : '',
        },
        // What the halves of round trips overestimate would be drawn to the left of zero; the table has it.
        data: bars.map(({ parts }) => Math.max(0, parts[leg] ?? 0)),
      })),
    },
    { width: 860, height: 130 + 54 * bars.length },
  );
}

/** All plots that there are data for. */
export function plotsOf(evaluation: Evaluation): Picture[] {
  const blocks = ['latency', 'video-rate', 'frozen', 'recovery', 'psnr'].flatMap(
    (name) => byBlock(evaluation, name) ?? [],
  );
  return [
    latencyOverTime(evaluation),
    rateOverTime(evaluation),
    frozenOverTime(evaluation),
    latencyDistribution(evaluation),
    hops(evaluation) ?? [],
    blocks,
  ].flat();
}
