import { assertNever } from '@meridian/protocol';
import type { Effect, Interval } from './effects.ts';

/** What a figure means to the people in the call. */
export interface Judged {
  readonly name: string;
  /** As it stands in a sentence, such as "glass-to-glass latency". */
  readonly title: string;
  readonly unit: string;
  readonly better: 'lower' | 'higher';
  /** The smallest difference that somebody in the call could notice, in the figure's unit. */
  readonly matters: number;
  /** Digits after the point. */
  readonly digits: number;
}

/**
 * - `better`, `worse`: the whole joint interval lies on that side of zero; `slightly-...` where the difference is less
 *   than what matters
 * - `same`: the whole interval lies within what matters
 * - `not-found`: neither; the interval allows for a difference either way
 * - `too-few`: not enough blocks for any interval
 */
export type Finding = 'better' | 'slightly-better' | 'same' | 'not-found' | 'slightly-worse' | 'worse' | 'too-few';

export function findingOf(effect: Pick<Effect, 'difference' | 'jointInterval'>, judged: Judged): Finding {
  const { jointInterval: interval, difference } = effect;
  if (interval === undefined) return 'too-few';
  const { matters, better } = judged;
  const side = interval.low > 0 ? 'higher' : interval.high < 0 ? 'lower' : undefined;
  if (side === undefined) return interval.low >= -matters && interval.high <= matters ? 'same' : 'not-found';
  if (Math.abs(difference) < matters) return side === better ? 'slightly-better' : 'slightly-worse';
  return side === better ? 'better' : 'worse';
}

export type Outcome = 'better' | 'worse' | 'mixed' | 'no-difference' | 'too-few';

export interface Judgement {
  readonly effect: Effect;
  readonly judged: Judged;
  readonly finding: Finding;
}

export interface Verdict {
  readonly outcome: Outcome;
  /** The answer in one sentence. */
  readonly headline: string;
  /** One sentence for each figure. */
  readonly sentences: readonly string[];
  readonly judgements: readonly Judgement[];
}

/** Whether `arm` made the call better than `reference`, in words. */
export function verdictOf(options: {
  readonly arm: string;
  readonly reference: string;
  readonly effects: readonly Effect[];
  readonly judged: readonly Judged[];
}): Verdict {
  const { arm, reference, effects } = options;
  const judgements = options.judged.flatMap((judged) => {
    const effect = effects.find(({ name }) => name === judged.name);
    return effect === undefined ? [] : [{ judged, effect, finding: findingOf(effect, judged) }];
  });
  const outcome = outcomeOf(judgements);
  return {
    outcome,
    headline: headlineOf(outcome, { arm, reference, judgements }),
    sentences: judgements.map(sentenceOf),
    judgements,
  };
}

function outcomeOf(judgements: readonly Judgement[]): Outcome {
  const found = new Set(judgements.map(({ finding }) => finding));
  const better = found.has('better') || (found.has('slightly-better') && !found.has('worse'));
  const worse = found.has('worse') || (found.has('slightly-worse') && !found.has('better'));
  if (better && worse) return 'mixed';
  if (better) return 'better';
  if (worse) return 'worse';
  // Also where an arm gave no figure at all.
  return judgements.every(({ finding }) => finding === 'too-few') ? 'too-few' : 'no-difference';
}

function headlineOf(
  outcome: Outcome,
  { arm, reference, judgements }: { arm: string; reference: string; judgements: readonly Judgement[] },
): string {
  const titles = (...of: Finding[]) =>
    list(judgements.filter(({ finding }) => of.includes(finding)).map(({ judged }) => judged.title));
  switch (outcome) {
    case 'better':
      return `"${arm}" made the call better than "${reference}": ${titles('better', 'slightly-better')}.`;
    case 'worse':
      return `"${arm}" made the call worse than "${reference}": ${titles('worse', 'slightly-worse')}.`;
    case 'mixed':
      return `"${arm}" against "${reference}" is a trade: better in ${titles('better', 'slightly-better')}; worse in ${titles('worse', 'slightly-worse')}.`;
    case 'no-difference':
      return `No difference found between "${arm}" and "${reference}".`;
    case 'too-few':
      return `Too few valid blocks to compare "${arm}" with "${reference}".`;
    default:
      return assertNever(outcome);
  }
}

function sentenceOf({ effect, judged, finding }: Judgement): string {
  const { title, unit, digits, matters } = judged;
  // Nothing is below zero that is shown as zero.
  const amount = (value: number) =>
    `${value
      .toFixed(digits)
      .replace(/^-(?=[0.]*$)/, '')
      .replace('-', '−')}${unit === '' ? '' : ` ${unit}`}`;
  const what = title.charAt(0).toUpperCase() + title.slice(1);
  const { jointInterval: interval, difference } = effect;
  if (interval === undefined) return `${what}: too few blocks (${effect.blocks}).`;
  const change = `${amount(Math.abs(difference))} ${difference < 0 ? 'lower' : 'higher'}`;
  const range = `interval ${between(interval, amount)}`;
  switch (finding) {
    case 'better':
    case 'worse':
      return `${what} is ${change} (${range}): ${finding}.`;
    case 'slightly-better':
    case 'slightly-worse':
      return `${what} is ${change} (${range}): ${finding.replace('slightly-', '')}, though less than the ${amount(matters)} that matter.`;
    case 'same':
      return `${what}: the same within ${amount(matters)} (${range}).`;
    case 'not-found':
      return `${what}: no difference found (${range}).`;
    case 'too-few':
      return `${what}: too few blocks (${effect.blocks}).`;
    default:
      return assertNever(finding);
  }
}

const between = ({ low, high }: Interval, amount: (value: number) => string): string =>
  `${amount(low)} to ${amount(high)}`;

function list(items: readonly string[]): string {
  const last = items.at(-1) ?? '';
  return items.length < 2 ? last : `${items.slice(0, -1).join(', ')} and ${last}`;
}

/** When a second of a call is poor. Source: VIA, J. Jiang et al., SIGCOMM 2016. */
export const POOR = { rttMs: 320, lossFraction: 0.012, jitterMs: 12 } as const;

/** Mouth to ear, milliseconds. Source: ITU-T G.114. */
export const MOUTH_TO_EAR = { goodMs: 150, unacceptableMs: 400 } as const;

export type Interactivity = 'good' | 'acceptable' | 'unacceptable';

export function interactivityOf(mouthToEarMs: number): Interactivity {
  if (mouthToEarMs < MOUTH_TO_EAR.goodMs) return 'good';
  return mouthToEarMs > MOUTH_TO_EAR.unacceptableMs ? 'unacceptable' : 'acceptable';
}
