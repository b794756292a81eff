import { shortLine, type TableState, tableLines } from './table.ts';

export interface Terminal {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** Where it is no terminal: a line this often. */
const LINE_EVERY = 5;

/** A table that is drawn over itself on a terminal; a line now and then elsewhere. */
export class LiveTable {
  readonly #terminal: Terminal;
  #height = 0;
  #shown = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(state: TableState): void {
    if (this.#terminal.isTTY) {
      const lines = tableLines(state);
      this.clear();
      // Some terminals say that they have none.
      const width = this.#terminal.columns || 120;
      this.#terminal.write(lines.map((line) => `${line.slice(0, width - 1)}\n`).join(''));
      this.#height = lines.length;
    } else if (this.#shown++ % LINE_EVERY === 0) this.#terminal.write(`${shortLine(state)}\n`);
  }

  /** A line that stays. */
  line(text: string): void {
    this.clear();
    this.#terminal.write(`${text}\n`);
  }

  /** Takes the table away. */
  clear(): void {
    if (this.#height > 0) this.#terminal.write(`\x1b[${this.#height}A\x1b[J`);
    this.#height = 0;
  }
}
