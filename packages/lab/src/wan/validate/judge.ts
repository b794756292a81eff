import type { Cell } from './cells.ts';
import type { Figures } from './figures.ts';
import type { Expectation } from './simulate.ts';

/** The emulator keeps what was asked within this part of it. */
export const TOLERANCE = 0.05;
/** What the emulator may add to the delay of all but one packet in a hundred, milliseconds. */
export const MOST_ADDED_MS = 1;

/**
 * Below this a difference is the emulator's own delay, which is judged by itself, and not a wrong setting:
 * 5 % of a 3 ms delay is less than a socket takes.
 */
const FLOOR: Figures = { delayMs: 0.5, jitterMs: 0.3, loss: 0, rateBps: 0 };

/** A probe strays by chance by more than this many of its sampling errors once in 370 times. */
const ERRORS = 3;

export interface Live {
  readonly figures: Figures;
  /** By how much packets took longer than the link's model said, milliseconds. */
  readonly addedP50Ms: number;
  readonly addedP99Ms: number;
  /** Packets that neither arrived nor were dropped by a link: lost by the machine. */
  readonly vanished: number;
}

export interface Judgement {
  readonly figure: keyof Figures;
  readonly asked: number;
  readonly measured: number;
  /** The difference that is let pass. */
  readonly allowed: number;
  /** true: the sampling error of so short a probe, not the 5 %, set what is allowed. */
  readonly byChance: boolean;
  readonly ok: boolean;
}

export interface Verdict {
  readonly cell: Cell;
  readonly live: Live;
  readonly figures: readonly Judgement[];
  /** In words, what is out of bounds; empty: all is well. */
  readonly complaints: readonly string[];
}

const FIGURES: readonly (keyof Figures)[] = ['delayMs', 'jitterMs', 'loss', 'rateBps'];

/**
 * Each figure may differ from what was asked by 5 %, or by three sampling errors where chance alone makes a
 * probe of this length stray further. The model by itself, averaged over many seeds, is held to the same 5 %.
 */
export function judge(cell: Cell, live: Live, expected: Expectation, seeds = 24): Verdict {
  const complaints: string[] = [];
  const figures: Judgement[] = [];
  for (const figure of FIGURES) {
    const asked = cell.asked[figure];
    if (asked === undefined) continue;
    const strict = Math.max(TOLERANCE * asked, FLOOR[figure]);
    const chance = ERRORS * expected.error[figure];
    const measured = live.figures[figure];
    const allowed = Math.max(strict, chance);
    const ok = Math.abs(measured - asked) <= allowed;
    figures.push({ figure, asked, measured, allowed, byChance: chance > strict, ok });
    if (!ok) complaints.push(`${figure}: ${measured.toPrecision(4)} where ${asked.toPrecision(4)} was asked`);
    const model = expected.mean[figure];
    if (!(Math.abs(model - asked) <= Math.max(strict, chance / Math.sqrt(seeds)))) {
      complaints.push(`${figure} of the model: ${model.toPrecision(4)} where ${asked.toPrecision(4)} was asked`);
    }
  }
  if (!(live.addedP99Ms < MOST_ADDED_MS)) {
    complaints.push(`${live.addedP99Ms.toFixed(2)} ms added at p99, ${MOST_ADDED_MS} ms is the most`);
  }
  if (live.vanished > 0) complaints.push(`${live.vanished} packets vanished outside the links`);
  return { cell, live, figures, complaints };
}
