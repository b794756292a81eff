import type { Cell } from './cells.ts';
import type { Figures } from './figures.ts';
import { type Expectation, SEEDS } from './simulate.ts';

/** The emulator keeps what was asked within this part of it. */
export const TOLERANCE = 0.05;
/** What the emulator itself may add to the delay of all but one packet in a hundred, milliseconds. */
export const MOST_ADDED_MS = 1;

/**
 * Below this a difference is the emulator's own delay, which is judged by itself, and not a wrong setting:
 * 5 % of a 3 ms delay is less than a busy socket takes.
 */
const FLOOR: Figures = { delayMs: 0.5, jitterMs: 0.3, loss: 0, rateBps: 0 };

/** By chance alone a figure of one probe strays by more than this many of its sampling errors once in 370 times... */
const ERRORS = 3;
/** ... and a mean of the model by more than this many once in 16,000 times: many are looked at in one go. */
const MODEL_ERRORS = 4;

export interface Spread {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Live {
  readonly figures: Figures;
  /** The figures of the same packets had each met exactly the fate its link's model gave it. */
  readonly plan: Figures;
  /**
   * The emulator's own delay, which is judged: from the moment before the probe handed a packet to the kernel, from which on the
   * emulator could read it, to the moment the emulator had handed it on, less what was planned.
   */
  readonly own: Spread;
  /** The same to the moment at which the probe's receiver had the packet: the receiver's wake-up is in it too. */
  readonly added: Spread;
  /** Packets that neither arrived nor were dropped by a link: lost by the machine. */
  readonly vanished: number;
}

export interface Judgement {
  readonly figure: keyof Figures;
  readonly asked: number;
  /** The model's mean over many seeds, in virtual time; undefined where there is none (TCP). */
  readonly model: number | undefined;
  /** What the packets of this probe were to show; undefined where there is no telling. */
  readonly plan: number | undefined;
  readonly measured: number;
  /** In words, what is out of bounds; empty: all is well. */
  readonly complaints: readonly string[];
}

export interface Verdict {
  readonly cell: Cell;
  readonly live: Live;
  readonly figures: readonly Judgement[];
  readonly complaints: readonly string[];
}

const FIGURES: readonly (keyof Figures)[] = ['delayMs', 'jitterMs', 'loss', 'rateBps'];
const within = (value: number, of: number, allowed: number): boolean => Math.abs(value - of) <= allowed;

/**
 * Three things are held to 5 %: the model, averaged over seeds, against what was asked; what the probe measured
 * against what its packets were to show; and, where a probe is long enough for chance to stray by less than 5 %,
 * what it measured against what was asked.
 */
function judgeFigure(figure: keyof Figures, asked: number, live: Live, expected: Expectation): Judgement {
  const [model, plan, measured] = [expected.mean[figure], live.plan[figure], live.figures[figure]];
  const allowed = (of: number): number => Math.max(TOLERANCE * of, FLOOR[figure]);
  const error = expected.error[figure];
  const complaints: string[] = [];
  const complain = (what: string, value: number, of: number) =>
    complaints.push(`${figure}: ${what} ${value.toPrecision(4)}, ${of.toPrecision(4)} was asked`);
  if (!within(model, asked, Math.max(allowed(asked), (MODEL_ERRORS * error) / Math.sqrt(SEEDS))))
    complain('the model has', model, asked);
  if (!within(measured, plan, allowed(plan))) {
    complaints.push(`${figure}: measured ${measured.toPrecision(4)}, ${plan.toPrecision(4)} was planned`);
  }
  if (ERRORS * error <= allowed(asked) && !within(measured, asked, allowed(asked)))
    complain('measured', measured, asked);
  return { figure, asked, model, plan, measured, complaints };
}

export function judge(cell: Cell, live: Live, expected: Expectation): Verdict {
  const figures = FIGURES.flatMap((figure) => {
    const asked = cell.asked[figure];
    return asked === undefined ? [] : [judgeFigure(figure, asked, live, expected)];
  });
  const complaints = figures.flatMap((one) => one.complaints);
  if (!(live.own.p99Ms < MOST_ADDED_MS)) {
    complaints.push(`${live.own.p99Ms.toFixed(2)} ms added at p99, ${MOST_ADDED_MS} ms is the most`);
  }
  if (live.vanished > 0) complaints.push(`${live.vanished} packets vanished outside the links`);
  return { cell, live, figures, complaints };
}
