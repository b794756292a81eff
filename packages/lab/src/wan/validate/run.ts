import { seedOf } from '../model/random.ts';
import { stateOf } from '../model/settings.ts';
import { type Priority, raisePriority } from '../priority.ts';
import type { Profile } from '../profiles.ts';
import { startEmulator, type WanEmulator } from '../start-emulator.ts';
import { type Cell, parameterCells, profileCells } from './cells.ts';
import { loadOfPackets } from './figures.ts';
import { judge, type Verdict } from './judge.ts';
import { watchCpuPressure } from './machine.ts';
import { Prober, probeLink, probeNothing } from './probe.ts';
import { expectation } from './simulate.ts';
import { type Row, rowOf } from './table.ts';
import { probeTcp, TCP_LINK } from './tcp-cell.ts';

/** A cell that is out of bounds is measured again: another process may have held the CPU. */
const MOST_RUNS = 3;
/** Before that the machine is given time to calm down: until threads wait for a CPU in less than this part of the time. */
const CALM = 0.3;

export interface ValidationOptions {
  readonly profiles: Iterable<Profile>;
  readonly seed: number;
  /** Length of a probe. */
  readonly seconds: number;
  /** Cells measured at the same time, where they need not be alone. */
  readonly lanes: number;
  /** How long to wait for a calm machine before a cell is measured again, seconds in all. */
  readonly patienceS: number;
  /** Only cells whose name contains this. */
  readonly only?: string | undefined;
  onRow(row: Row, done: number, of: number): void;
}

export interface Validation {
  readonly rows: readonly Row[];
  /** Part of the time in which threads waited for a CPU, 0 to 1; undefined where the system does not tell. */
  readonly cpuPressure: number | undefined;
  /** Delay of probes that go straight from one socket to the other. */
  readonly without: { readonly p50Ms: number; readonly p99Ms: number };
  /** What the system let the measuring and the emulating threads have. */
  readonly priority: Priority;
}

/** Measures links of every kind against what was asked of them. Takes about a minute; loopback only. */
export async function validate(options: ValidationOptions): Promise<Validation> {
  const { seconds, only = '' } = options;
  const cells = [...parameterCells(seconds), ...profileCells(options.profiles, seconds)].filter((cell) =>
    cell.name.includes(only),
  );
  const tcp = 'TCP upload'.includes(only);
  const of = cells.length + (tcp ? 1 : 0);
  const pressure = watchCpuPressure();
  const patience = new Patience(options.patienceS);
  const rows = new Map<number, Row>();
  const emulator = await startEmulator({
    seed: options.seed,
    links: {
      ...Object.fromEntries(cells.map((cell, i) => [`${i}`, cell.settings])),
      tcpUp: TCP_LINK,
      tcpDown: TCP_LINK,
    },
  });
  const prober = new Prober();
  const priority = raisePriority();
  const measure = async (index: number): Promise<void> => {
    const cell = cells[index];
    if (cell === undefined) return;
    const row = await measured(cell, index, { emulator, prober, seed: options.seed, patience });
    rows.set(index, row);
    options.onRow(row, rows.size, of);
  };
  try {
    const without = await probeNothing(prober, loadOfPackets(1_000, 200, seconds));
    const indexes = cells.map((_, i) => i);
    for (const index of indexes.filter((i) => cells[i]?.alone === true)) await measure(index);
    if (tcp) {
      const row = await measuredTcp(emulator, seconds, patience);
      rows.set(cells.length, row);
      options.onRow(row, rows.size, of);
    }
    const waiting = indexes.filter((i) => cells[i]?.alone === false);
    const lane = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await measure(next);
    };
    await Promise.all(Array.from({ length: options.lanes }, lane));
    const inOrder = [...rows].sort(([a], [b]) => a - b).map(([, row]) => row);
    return { rows: inOrder, cpuPressure: pressure(), without, priority };
  } finally {
    await Promise.all([emulator.close(), prober.close()]);
  }
}

/** Waits for a calm machine, together for no longer than it was made for. */
class Patience {
  #leftMs: number;

  constructor(seconds: number) {
    this.#leftMs = seconds * 1_000;
  }

  async calm(): Promise<void> {
    while (this.#leftMs > 0) {
      const pressure = watchCpuPressure();
      await new Promise((resolve) => setTimeout(resolve, 500));
      this.#leftMs -= 500;
      const part = pressure();
      if (part === undefined || part < CALM) return;
    }
  }
}

interface Tools {
  readonly emulator: WanEmulator;
  readonly prober: Prober;
  readonly seed: number;
  readonly patience: Patience;
}

async function measured(cell: Cell, index: number, tools: Tools): Promise<Row> {
  const expected = expectation(cell.settings, cell.load);
  let best: Verdict | undefined;
  for (let run = 1; run <= MOST_RUNS; run += 1) {
    if (run > 1) await tools.patience.calm();
    const verdict = judge(cell, await live(cell, index, tools), expected);
    if (verdict.complaints.length === 0) return rowOf(verdict, run);
    if (best === undefined || verdict.complaints.length < best.complaints.length) best = verdict;
  }
  if (best === undefined) throw new Error('a cell is measured at least once');
  return rowOf(best, MOST_RUNS);
}

async function live(cell: Cell, index: number, { emulator, prober, seed }: Tools) {
  const probe = { state: stateOf(cell.settings), load: cell.load };
  if (!cell.scheduled) return probeLink(emulator, prober, { ...probe, link: `${index}` });
  // A schedule starts for all links of an emulator: it gets one of its own.
  const own = await startEmulator({ seed: seedOf(seed, cell.name), links: { line: cell.settings } });
  try {
    await own.startSchedules();
    return await probeLink(own, prober, { ...probe, link: 'line' });
  } finally {
    await own.close();
  }
}

async function measuredTcp(emulator: WanEmulator, seconds: number, patience: Patience): Promise<Row> {
  for (let runs = 1; ; runs += 1) {
    const { load, figures } = await probeTcp(emulator, { up: 'tcpUp', down: 'tcpDown' }, seconds);
    const complaints = figures.flatMap((figure) => figure.complaints);
    const row: Row = { name: 'TCP upload', load: load.label, figures, added: undefined, complaints, runs };
    if (complaints.length === 0 || runs === MOST_RUNS) return row;
    await patience.calm();
  }
}
