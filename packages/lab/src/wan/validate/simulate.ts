import { UDP_HEADERS } from '../drivers/datagram-path.ts';
import { LinkModel } from '../model/link-model.ts';
import type { LinkSettings } from '../model/settings.ts';
import { deviation, type Figures, figuresOf, type Load, mean } from './figures.ts';

/** The probe of a load over a link in virtual time: what an emulator without any delay of its own would show. */
export function simulate(settings: LinkSettings, load: Load, seed: number): Figures {
  const model = new LinkModel({ settings, seed });
  model.startSchedule(0);
  const passages = Array.from({ length: load.count }, (_, i) => {
    const sentMs = (i * 1_000) / load.packetsPerS;
    const verdict = model.offer({ bytes: load.payloadBytes + UDP_HEADERS }, sentMs);
    return { sentMs, receivedMs: verdict.kind === 'deliver' ? verdict.atMs : Number.NaN };
  });
  return figuresOf(passages, load);
}

export interface Expectation {
  /** Mean over the seeds. */
  readonly mean: Figures;
  /** Deviation over the seeds: the sampling error of one probe of this length. */
  readonly error: Figures;
}

/** Over how many seeds the model is averaged. */
export const SEEDS = 32;

/** What probes of this length show over many seeds, and how far a single one strays by chance. */
export function expectation(settings: LinkSettings, load: Load): Expectation {
  const runs = Array.from({ length: SEEDS }, (_, seed) => simulate(settings, load, 1_000_003 + seed));
  const over = (summary: (values: readonly number[]) => number): Figures => ({
    delayMs: summary(runs.map((run) => run.delayMs)),
    jitterMs: summary(runs.map((run) => run.jitterMs)),
    loss: summary(runs.map((run) => run.loss)),
    rateBps: summary(runs.map((run) => run.rateBps)),
  });
  return { mean: over(mean), error: over(deviation) };
}
