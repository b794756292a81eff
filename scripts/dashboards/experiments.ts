import { type Dashboard, type Query, query, row, stat, time } from './panels.ts';

const chosen = 'experiment=~"$experiment", arm=~"$arm"';
const byArm = '{{experiment}} {{arm}}';
const NEWEST = 'Of the newest run of each arm: the arms take turns.';

/** A figure of the newest run of each arm. */
const newest = (metric: string): Query => query(`max by (experiment, arm) (${metric}{${chosen}})`, byArm);
/** Over all runs so far: counters begin with the experiment. */
const soFar = (share: number, media: string): Query =>
  query(
    `histogram_quantile(${share}, sum by (le, experiment, arm) (meridian_lab_latency_seconds_bucket{media="${media}", ${chosen}}))`,
    `${byArm} p${share * 100}`,
  );
const perMeasured = (metric: string): Query => {
  const sum = (of: string) => `sum by (experiment, arm) (${of}{${chosen}})`;
  return query(`${sum(metric)} / ${sum('meridian_lab_measured_seconds_total')}`, byArm);
};

/** Arms of an experiment of the lab side by side, while it runs and afterwards. */
export const experiments: Dashboard = {
  uid: 'meridian-experiments',
  title: 'Meridian: experiments',
  description:
    'Arms of a relay experiment side by side, as `pnpm lab run --metrics` finds them. Intervals and verdict are in its report: what looks different here may be chance.',
  variables: [
    { name: 'experiment', label: 'Experiment', metric: 'meridian_lab_running' },
    { name: 'arm', label: 'Arm', metric: 'meridian_lab_running' },
  ],
  panels: [
    stat('Runs that count', `sum(meridian_lab_runs_total{outcome="used", ${chosen}})`, { width: 6 }),
    stat('Runs left out', `sum(meridian_lab_runs_total{outcome="refused", ${chosen}})`, {
      width: 6,
      help: 'The machine was the bottleneck, a client strayed to another node, ...',
    }),
    stat('Measured', `sum(meridian_lab_measured_seconds_total{${chosen}})`, { unit: 's', width: 6 }),
    stat('Arms', `count(meridian_lab_running{${chosen}})`, { width: 6 }),

    row('Latency'),
    time('Glass to glass, median so far', [soFar(0.5, 'video')], { unit: 's', help: 'Over all runs that count.' }),
    time('Glass to glass, 95th percentile so far', [soFar(0.95, 'video')], { unit: 's' }),
    time('Mouth to ear, median so far', [soFar(0.5, 'audio')], {
      unit: 's',
      help: 'G.114: up to 150 ms nobody notices, beyond 400 ms a talk is hard.',
    }),
    time('Round trip along the whole way', [newest('meridian_lab_rtt_seconds')], { unit: 's', help: NEWEST }),
    time(
      'Where the latency comes from',
      [query(`max by (experiment, arm, leg) (meridian_lab_leg_seconds{${chosen}})`, '{{experiment}} {{arm}} {{leg}}')],
      { unit: 's', width: 16, help: `${NEWEST} Legs are halves of round trips that the nodes measure.` },
    ),

    row('Picture and sound'),
    time('Video received', [newest('meridian_lab_video_bits_per_second')], { unit: 'bps', help: NEWEST }),
    time('Pictures shown per second', [newest('meridian_lab_frames_per_second')], { help: NEWEST }),
    time('Picture quality (PSNR, dB)', [newest('meridian_lab_psnr_decibels')], { help: NEWEST }),
    time('Time with a frozen picture, so far', [perMeasured('meridian_lab_frozen_seconds_total')], {
      help: 'Seconds per measured second, all directions added.',
    }),
    time('Freezes per second, so far', [perMeasured('meridian_lab_freezes_total')], { unit: 'ops' }),
    time('Concealed audio', [newest('meridian_lab_concealed_ratio')], { unit: 'percentunit', help: NEWEST }),

    row('Network'),
    time('Video packets lost before repair', [newest('meridian_lab_loss_ratio')], {
      unit: 'percentunit',
      help: `${NEWEST} A call is felt to be poor from 1.2 % on.`,
    }),
    time('Video packets lost after repair', [newest('meridian_lab_residual_loss_ratio')], {
      unit: 'percentunit',
      help: NEWEST,
    }),
    time('Jitter', [newest('meridian_lab_jitter_seconds')], { unit: 's', help: NEWEST }),
    time('Under way', [query(`max by (experiment, arm) (meridian_lab_running{${chosen}})`, byArm)], {
      width: 24,
      help: '1 while a run of the arm is under way.',
    }),
  ],
};
