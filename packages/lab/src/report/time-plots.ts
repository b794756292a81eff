import type { Evaluation } from '../analysis/experiment.ts';
import { freezeTimes, type Window } from '../analysis/freezes.ts';
import { mean, median } from '../analysis/quantile.ts';
import { increaseOf, numberIn, seriesOf } from '../experiment/measure/interpolate.ts';
import { cutsOf } from '../experiment/measure/recovery.ts';
import type { RecordedRun } from '../experiment/record/run.ts';
import { pagesOf, sentBy } from '../experiment/scenario/schema.ts';
import { type ArmRuns, armsOf, latencies } from './arm-runs.ts';
import { axisName, draw, GRID, type Picture } from './chart.ts';

/** A figure of each second of the measured time; null where it has none: the line is broken there. */
type PerSecond = (number | null)[];

const secondsOf = (evaluation: Evaluation): number => Math.ceil(evaluation.scenario.lengthS);

/** The seconds of a run as windows in its own time. */
function windowsOf({ window }: RecordedRun, seconds: number): Window[] {
  if (window === undefined) return [];
  return Array.from({ length: seconds }, (_, second) => ({
    fromMs: window.fromMs + 1_000 * second,
    toMs: window.fromMs + 1_000 * (second + 1),
  })).filter(({ toMs }) => toMs <= window.toMs + 500);
}

/** Every direction in which video is sent. */
function directionsOf({ header: { scenario } }: RecordedRun): { sender: string; receiver: string }[] {
  const pages = pagesOf(scenario);
  return pages
    .filter((sender) => sentBy(scenario, sender).video !== null)
    .flatMap((sender) => pages.filter((receiver) => receiver !== sender).map((receiver) => ({ sender, receiver })));
}

/** Second by second over all runs and directions. */
const merged = (all: readonly PerSecond[], seconds: number, by: (values: readonly number[]) => number): PerSecond =>
  Array.from({ length: seconds }, (_, second) => {
    const values = all.flatMap((one) => one[second] ?? []);
    return values.length === 0 ? null : by(values);
  });

function overTime(
  evaluation: Evaluation,
  { name, title, unit, fromZero = false }: { name: string; title: string; unit: string; fromZero?: boolean },
  of: (arm: ArmRuns) => PerSecond,
): Picture {
  const arms = armsOf(evaluation);
  return draw(name, title, {
    grid: GRID,
    legend: { top: 4, itemGap: 28 },
    xAxis: { type: 'value', min: 0, max: secondsOf(evaluation), ...axisName('seconds') },
    yAxis: { type: 'value', scale: !fromZero, ...axisName(unit), nameGap: 44 },
    series: arms.map((arm, index) => ({
      type: 'line',
      name: arm.name,
      data: of(arm).map((value, second) => [second + 0.5, value]),
      showSymbol: false,
      connectNulls: false,
      lineStyle: { color: arm.colour },
      itemStyle: { color: arm.colour },
      ...(index === 0 ? { markArea: cutAreas(arms) } : {}),
    })),
  });
}

/** Shades the time in which a line of some arm is dark, and says whose. */
function cutAreas(arms: readonly ArmRuns[]) {
  const whose = new Map<string, string[]>();
  for (const { name, runs } of arms) {
    const [run] = runs;
    for (const { fromS, toS } of run === undefined ? [] : cutsOf(run)) {
      const key = `${fromS} ${toS}`;
      whose.set(key, [...(whose.get(key) ?? []), name]);
    }
  }
  return {
    silent: true,
    itemStyle: { color: '#000', opacity: 0.07 },
    // Above the plot: within it a line may run through the words.
    label: { position: 'top', distance: 3, fontSize: 11, color: '#444' },
    data: [...whose].map(([key, names]) => {
      const [fromS, toS] = key.split(' ').map(Number);
      return [{ name: `line of ${names.join(', ')} cut`, xAxis: fromS }, { xAxis: toS }];
    }),
  };
}

/** Median of each second over all runs of an arm. */
export const latencyOverTime = (evaluation: Evaluation): Picture =>
  overTime(
    evaluation,
    {
      name: 'latency-over-time',
      title: 'Glass-to-glass latency over the measured time (median of each second)',
      unit: 'ms',
    },
    ({ runs }) => {
      const bySecond = new Map<number, number[]>();
      for (const [atS, latencyMs] of runs.flatMap(latencies)) {
        const second = Math.floor(atS);
        const known = bySecond.get(second);
        if (known === undefined) bySecond.set(second, [latencyMs]);
        else known.push(latencyMs);
      }
      return Array.from({ length: secondsOf(evaluation) }, (_, second) => {
        const values = bySecond.get(second);
        return values === undefined ? null : median(values);
      });
    },
  );

/** Video that arrived in each second. */
export const rateOverTime = (evaluation: Evaluation): Picture =>
  overTime(
    evaluation,
    {
      name: 'rate-over-time',
      title: 'Received video in each second (mean over blocks and directions)',
      unit: 'Mbit/s',
      fromZero: true,
    },
    ({ runs }) => {
      const seconds = secondsOf(evaluation);
      const all = runs.flatMap((run) =>
        directionsOf(run).map(({ sender, receiver }): PerSecond => {
          const bytes = seriesOf(
            run,
            receiver,
            (report) => report.type === 'inbound-rtp' && report.kind === 'video' && report.sender === sender,
            (report) => numberIn(report, 'bytesReceived'),
          );
          // What came after the last reading is not known: that second is no low one.
          const readUntilMs = run.of('stats').findLast(({ client }) => client === receiver)?.atMs ?? 0;
          return windowsOf(run, seconds).map((window) => {
            const risen = window.toMs > readUntilMs ? undefined : increaseOf(bytes, window);
            return risen === undefined ? null : (8 * risen) / 1e6;
          });
        }),
      );
      return merged(all, seconds, mean);
    },
  );

/** Share of each second in which the picture stood still. */
export const frozenOverTime = (evaluation: Evaluation): Picture =>
  overTime(
    evaluation,
    {
      name: 'frozen-over-time',
      title: 'Share of each second in which the picture stood still (mean over blocks and directions)',
      unit: '%',
      fromZero: true,
    },
    ({ runs }) => {
      const seconds = secondsOf(evaluation);
      const all = runs.flatMap((run) =>
        directionsOf(run).map(({ sender, receiver }): PerSecond => {
          const { window } = run;
          if (window === undefined) return [];
          const shownMs = run
            .of('frames')
            .filter((line) => line.sender === sender && line.receiver === receiver)
            .flatMap(({ rows }) => rows.map((row) => row[2]))
            .sort((a, b) => a - b);
          const freezes = freezeTimes(shownMs, window);
          return windowsOf(run, seconds).map(({ fromMs, toMs }) => {
            const within = freezes.map((one) => Math.max(0, Math.min(one.toMs, toMs) - Math.max(one.fromMs, fromMs)));
            return (100 * within.reduce((sum, ms) => sum + ms, 0)) / (toMs - fromMs);
          });
        }),
      );
      return merged(all, seconds, mean);
    },
  );
