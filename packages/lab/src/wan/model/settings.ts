import { z } from 'zod';
import { ceilingOf, floorOf } from './jitter.ts';

const ratio = z.number().min(0).max(1);
const ms = z.number().min(0).max(60_000);

/**
 * Jitter: how the delay of single packets differs from `delayMs`. `sdMs` is the standard deviation in
 * milliseconds for every distribution and the mean stays `delayMs`, so one can be put in place of another.
 */
export const JitterSettings = z
  .strictObject({
    distribution: z.enum(['uniform', 'normal', 'pareto']),
    sdMs: z.number().gt(0).max(5_000),
    /** true: each packet's delay is drawn for itself and packets overtake. false: the delay wanders and order is kept. */
    reorder: z.boolean().default(false),
    /** Order kept: milliseconds over which the delay wanders to an unrelated value. Default 10 * sdMs. */
    coherenceMs: z.number().gt(0).max(60_000).optional(),
  })
  .readonly();
export type JitterSettings = z.output<typeof JitterSettings>;

/**
 * Loss of single packets. Gilbert-Elliott (Gilbert 1960, Elliott 1963): a chain of two states steps once
 * per packet; each state has a loss ratio of its own. Mean length of a bad spell: 1 / badToGood packets.
 */
export const LossSettings = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('independent'), ratio }),
    z.strictObject({
      kind: z.literal('gilbert-elliott'),
      goodToBad: ratio,
      badToGood: ratio.gt(0, 'must be above 0, or the link never gets good again'),
      lossInGood: ratio.default(0),
      lossInBad: ratio.default(1),
    }),
  ])
  .readonly();
export type LossSettings = z.output<typeof LossSettings>;

/** How much may wait before the bottleneck; what does not fit is dropped (drop-tail). */
export const QueueSettings = z
  .union([z.strictObject({ bytes: z.int().min(1_500) }), z.strictObject({ ms: z.number().gt(0).max(60_000) })])
  .readonly();
export type QueueSettings = z.output<typeof QueueSettings>;

const linkFields = {
  /** One way, milliseconds: the mean of a packet's delay after the bottleneck. */
  delayMs: ms,
  jitter: JitterSettings.nullable(),
  loss: LossSettings.nullable(),
  /** Of IP packets, bits per second; null: no limit. */
  rateBps: z.number().min(8_000).max(100_000_000_000).nullable(),
  queue: QueueSettings,
  /** true: nothing passes. */
  outage: z.boolean(),
};

/** Jitter wider than the delay would need packets that arrive before they are sent. */
function jitterProblem(state: { delayMs: number; jitter: JitterSettings | null }): string | undefined {
  if (state.jitter === null || state.delayMs + floorOf(state.jitter) >= -1e-9) return undefined;
  const { distribution, sdMs } = state.jitter;
  const least = (Math.ceil(-floorOf(state.jitter) * 100) / 100).toFixed(2);
  return `${distribution} jitter of ${sdMs} ms needs a delayMs of at least ${least}, here it is ${state.delayMs}`;
}

const DEFAULT_QUEUE: QueueSettings = { ms: 200 };

/** What changes and what is left as it was. */
export const LinkChange = z
  .strictObject({
    delayMs: linkFields.delayMs.optional(),
    jitter: linkFields.jitter.optional(),
    loss: linkFields.loss.optional(),
    rateBps: linkFields.rateBps.optional(),
    queue: linkFields.queue.optional(),
    outage: linkFields.outage.optional(),
  })
  .readonly();
export type LinkChange = z.output<typeof LinkChange>;

/** A change at `atS` seconds after the schedule was started; it holds until another one. */
export const ScheduledChange = z.strictObject({ atS: z.number().min(0), change: LinkChange }).readonly();
export type ScheduledChange = z.output<typeof ScheduledChange>;

/** One direction of a link: its state at first and what happens to it later. */
export const LinkSettings = z
  .strictObject({
    delayMs: linkFields.delayMs.default(0),
    jitter: linkFields.jitter.default(null),
    loss: linkFields.loss.default(null),
    rateBps: linkFields.rateBps.default(null),
    queue: linkFields.queue.default(DEFAULT_QUEUE),
    outage: linkFields.outage.default(false),
    schedule: z.array(ScheduledChange).readonly().default([]),
  })
  .superRefine((link, context) => {
    let state = stateOf(link);
    let problem = jitterProblem(state);
    if (problem !== undefined) context.addIssue({ code: 'custom', path: ['jitter', 'sdMs'], message: problem });
    let before = 0;
    for (const [index, step] of link.schedule.entries()) {
      if (step.atS < before) {
        context.addIssue({
          code: 'custom',
          path: ['schedule', index, 'atS'],
          message: 'steps must be in order of time',
        });
      }
      before = step.atS;
      state = applyChange(state, step.change);
      problem = jitterProblem(state);
      if (problem !== undefined) {
        context.addIssue({ code: 'custom', path: ['schedule', index, 'change'], message: problem });
      }
    }
  })
  .readonly();
export type LinkSettings = z.output<typeof LinkSettings>;
export type LinkSettingsInput = z.input<typeof LinkSettings>;
/** The state of one direction of a link at one time. */
export type LinkState = Omit<LinkSettings, 'schedule'>;

/** A link's first state, without its schedule. */
export function stateOf(link: LinkState): LinkState {
  const { delayMs, jitter, loss, rateBps, queue, outage } = link;
  return { delayMs, jitter, loss, rateBps, queue, outage };
}

export function applyChange(state: LinkState, change: LinkChange): LinkState {
  return {
    delayMs: change.delayMs ?? state.delayMs,
    jitter: change.jitter === undefined ? state.jitter : change.jitter,
    loss: change.loss === undefined ? state.loss : change.loss,
    rateBps: change.rateBps === undefined ? state.rateBps : change.rateBps,
    queue: change.queue ?? state.queue,
    outage: change.outage ?? state.outage,
  };
}

/** The loss ratio in the long run that the settings ask for. */
export function meanLoss(loss: LossSettings | null): number {
  if (loss === null) return 0;
  switch (loss.kind) {
    case 'independent':
      return loss.ratio;
    case 'gilbert-elliott': {
      const bad = loss.goodToBad / (loss.goodToBad + loss.badToGood);
      return bad * loss.lossInBad + (1 - bad) * loss.lossInGood;
    }
  }
}

/** The greatest delay a packet can meet after the bottleneck, milliseconds. */
export const greatestDelayMs = (state: LinkState): number =>
  state.delayMs + (state.jitter === null ? 0 : ceilingOf(state.jitter));
