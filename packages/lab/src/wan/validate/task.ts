import type { Cell } from './cells.ts';
import { judge, type Verdict } from './judge.ts';
import { liveOf, type Recording } from './probe.ts';
import { type Expectation, expectation } from './simulate.ts';
import { type Row, rowOf } from './table.ts';

/** A cell that is out of bounds is measured again: another process may have held the CPU. */
export const MOST_RUNS = 3;
/**
 * Above this part of the CPUs' time given to others by the machine's host, a run that is out of bounds says nothing of the emulator: no thread of
 * this machine, of whatever priority, ran then, and half of the packets that may be late were late for that alone. It is repeated ...
 */
export const DISTURBED = 0.005;
/** ... so often at most; then it counts like any other. */
export const MOST_DISTURBED = 5;

/** A link that is measured until it is within bounds, or often enough. */
export class Task {
  readonly cell: Cell;
  readonly index: number;
  readonly #expected: Expectation;
  #runs = 0;
  #disturbed = 0;
  #best: Verdict | undefined;
  #row: Row | undefined;

  constructor(cell: Cell, index: number) {
    this.cell = cell;
    this.index = index;
    this.#expected = expectation(cell.settings, cell.load);
  }

  /** What is said of it in the end; undefined while it is to be measured. */
  get row(): Row | undefined {
    return this.#row;
  }

  get isFirst(): boolean {
    return this.#runs + this.#disturbed === 0;
  }

  /** @param stolenCpu part of the CPUs' time that the machine's host gave to others meanwhile; undefined: not known. */
  judge(recording: Recording, stolenCpu: number | undefined): void {
    const verdict = judge(this.cell, liveOf(recording), this.#expected);
    if (verdict.complaints.length > 0 && (stolenCpu ?? 0) > DISTURBED && this.#disturbed < MOST_DISTURBED) {
      this.#disturbed += 1;
      return;
    }
    this.#runs += 1;
    if (this.#best === undefined || verdict.complaints.length < this.#best.complaints.length) this.#best = verdict;
    if (verdict.complaints.length === 0 || this.#runs === MOST_RUNS) {
      this.#row = rowOf(this.#best, { runs: this.#runs, disturbed: this.#disturbed });
    }
  }
}
