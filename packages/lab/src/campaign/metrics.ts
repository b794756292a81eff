import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { figuresOf, type PairFigures } from '../analysis/figures.ts';
import { mean } from '../analysis/quantile.ts';
import type { RecordedRun } from '../experiment/record/run.ts';
import type { Scenario } from '../experiment/scenario/schema.ts';
import type { CampaignEvent } from './campaign.ts';

/** `experiment` is the scenario's name: as many values as there are scenarios and arms in files, however often they are run. */
const ARM = ['experiment', 'arm'] as const;
/** Glass to glass and mouth to ear, seconds: fine where G.114 draws its lines. */
const LATENCY_BUCKETS = [
  0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.14, 0.16, 0.18, 0.2, 0.225, 0.25, 0.275, 0.3, 0.325, 0.35, 0.375, 0.4, 0.45, 0.5,
  0.6, 0.8, 1, 2, 5,
];
const LEGS = ['encode', 'clientUp', 'relay', 'clientDown', 'play', 'rest'] as const;
const LEG_LABELS: Readonly<Record<(typeof LEGS)[number], string>> = {
  encode: 'encode',
  clientUp: 'client-up',
  relay: 'relay',
  clientDown: 'client-down',
  play: 'play',
  rest: 'rest',
};

/** What an experiment has found so far, for Prometheus: only runs that count, all directions together. */
export class LabMetrics {
  readonly registry = new Registry();
  readonly #scenario: Pick<Scenario, 'name' | 'arms'>;

  readonly #running = this.#gauge('running', 'Whether a run of this arm is under way.');
  readonly #runs = new Counter({
    name: 'meridian_lab_runs_total',
    help: 'Runs that have ended; refused: the machine was the bottleneck, a client strayed, ...',
    labelNames: [...ARM, 'outcome'] as const,
    registers: [this.registry],
  });
  readonly #measured = this.#counter('measured_seconds_total', 'Time that was measured, in runs that count.');
  readonly #latency = new Histogram({
    name: 'meridian_lab_latency_seconds',
    help: 'Glass to glass of each picture, mouth to ear of each tick of sound.',
    labelNames: [...ARM, 'media'] as const,
    buckets: LATENCY_BUCKETS,
    registers: [this.registry],
  });
  readonly #freezes = this.#counter('freezes_total', 'Times a picture stood still.');
  readonly #frozen = this.#counter(
    'frozen_seconds_total',
    'Time in which a picture stood still, all directions added.',
  );
  readonly #bitrate = this.#gauge('video_bits_per_second', 'Video received, in the last run: mean of all directions.');
  readonly #fps = this.#gauge('frames_per_second', 'Pictures shown, in the last run: mean of all directions.');
  readonly #loss = this.#gauge('loss_ratio', 'Video packets lost before repair, in the last run.');
  readonly #residual = this.#gauge('residual_loss_ratio', 'Video packets lost after repair, in the last run.');
  readonly #concealed = this.#gauge('concealed_ratio', 'Audio that was made up, in the last run.');
  readonly #jitter = this.#gauge('jitter_seconds', 'Interarrival jitter of audio, in the last run.');
  readonly #rtt = this.#gauge('rtt_seconds', 'Round trip along the whole way, in the last run.');
  readonly #psnr = this.#gauge('psnr_decibels', 'Received against sent pictures, in the last run.');
  readonly #leg = new Gauge({
    name: 'meridian_lab_leg_seconds',
    help: 'Where the latency of pictures comes from, in the last run: mean of the directions that have the leg.',
    labelNames: [...ARM, 'leg'] as const,
    registers: [this.registry],
  });

  constructor(scenario: Pick<Scenario, 'name' | 'arms'>) {
    this.#scenario = scenario;
    // From zero on, so that increases have a beginning.
    for (const { name } of scenario.arms) {
      const labels = this.#labels(name);
      this.#running.set(labels, 0);
      for (const outcome of ['used', 'refused']) this.#runs.inc({ ...labels, outcome }, 0);
      for (const media of ['video', 'audio']) this.#latency.zero({ ...labels, media });
      for (const counter of [this.#measured, this.#freezes, this.#frozen]) counter.inc(labels, 0);
    }
  }

  readonly observe = (event: CampaignEvent): void => {
    switch (event.type) {
      case 'note':
        return;
      case 'run-begins':
      case 'run-progress':
        for (const { name } of this.#scenario.arms) this.#running.set(this.#labels(name), name === event.arm ? 1 : 0);
        return;
      case 'run-ended':
        this.#running.set(this.#labels(event.run.header.arm), 0);
        this.#add(event.run);
        return;
    }
  };

  #add(run: RecordedRun): void {
    const labels = this.#labels(run.header.arm);
    const { window, valid } = run;
    this.#runs.inc({ ...labels, outcome: valid ? 'used' : 'refused' });
    if (!valid || window === undefined) return;
    const seconds = (window.toMs - window.fromMs) / 1_000;
    this.#measured.inc(labels, seconds);
    const inside = (atMs: number) => atMs >= window.fromMs && atMs < window.toMs;
    for (const { rows } of run.of('frames')) {
      for (const [, drawnMs, shownMs] of rows) {
        if (inside(drawnMs)) this.#latency.observe({ ...labels, media: 'video' }, (shownMs - drawnMs) / 1_000);
      }
    }
    for (const { rows } of run.of('ticks')) {
      for (const [, playedMs, heardMs] of rows) {
        if (inside(playedMs)) this.#latency.observe({ ...labels, media: 'audio' }, (heardMs - playedMs) / 1_000);
      }
    }
    const pairs = figuresOf(run).filter(({ timed }) => timed);
    for (const { freezeCount = 0, frozenPercent = 0 } of pairs) {
      this.#freezes.inc(labels, freezeCount);
      this.#frozen.inc(labels, (frozenPercent / 100) * seconds);
    }
    const set = (
      gauge: Gauge<(typeof ARM)[number]>,
      of: (pair: PairFigures) => number | null | undefined,
      factor = 1,
    ) => {
      const values = pairs.flatMap((pair) => of(pair) ?? []);
      if (values.length > 0) gauge.set(labels, mean(values) * factor);
    };
    set(this.#bitrate, ({ videoBps }) => videoBps);
    set(this.#fps, ({ framesPerSecond }) => framesPerSecond);
    set(this.#loss, ({ lossBeforeRepair }) => lossBeforeRepair);
    set(this.#residual, ({ lossAfterRepair }) => lossAfterRepair);
    set(this.#concealed, ({ concealedShare }) => concealedShare);
    set(this.#jitter, ({ jitterMs }) => jitterMs, 1e-3);
    set(this.#rtt, ({ pathRttMs }) => pathRttMs, 1e-3);
    set(this.#psnr, ({ psnrDb }) => psnrDb);
    for (const leg of LEGS) {
      const values = pairs.flatMap(({ legs }) => legs?.[leg] ?? []);
      if (values.length > 0) this.#leg.set({ ...labels, leg: LEG_LABELS[leg] }, mean(values) / 1_000);
    }
  }

  #labels(arm: string): { experiment: string; arm: string } {
    return { experiment: this.#scenario.name, arm };
  }

  #gauge(name: string, help: string): Gauge<(typeof ARM)[number]> {
    return new Gauge({ name: `meridian_lab_${name}`, help, labelNames: [...ARM], registers: [this.registry] });
  }

  #counter(name: string, help: string): Counter<(typeof ARM)[number]> {
    return new Counter({ name: `meridian_lab_${name}`, help, labelNames: [...ARM], registers: [this.registry] });
  }
}
