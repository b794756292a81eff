import { seedOf } from '../model/random.ts';
import { stateOf } from '../model/settings.ts';
import { type Priority, raisePriority } from '../priority.ts';
import type { Profile } from '../profiles.ts';
import { startEmulator, type WanEmulator } from '../start-emulator.ts';
import { type Cell, parameterCells, profileCells } from './cells.ts';
import { loadOfPackets } from './figures.ts';
import { judge, type Verdict } from './judge.ts';
import { watchCpuPressure } from './machine.ts';
import { liveOf, type Probe, Prober, probeLinks, probeNothing, type Recording } from './probe.ts';
import { type Expectation, expectation } from './simulate.ts';
import { type Row, rowOf } from './table.ts';
import { probeTcp, TCP_LINK } from './tcp-cell.ts';

/** A cell that is out of bounds is measured again: another process may have held the CPU. */
const MOST_RUNS = 3;
/** Before that the machine is given time to calm down: until threads wait for a CPU in less than this part of the time. */
const CALM = 0.3;
/** How long packets pass an emulator of its own before it counts. */
const WARM_UP_S = 1;

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
  const rows: Row[] = [];
  const keep = (row: Row): void => {
    rows.push(row);
    options.onRow(row, rows.length, of);
  };
  // All of it before the first probe: it keeps the thread busy that receives.
  const tasks = cells.map((cell, index) => new Task(cell, index));
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
  const tools = { emulator, prober, seed: options.seed, patience: new Patience(options.patienceS) };
  const lanes = { alone: 1, together: options.lanes };
  try {
    const without = await probeNothing(prober, loadOfPackets(1_000, 200, seconds));
    await measureAll(
      tasks.filter(({ cell }) => cell.alone),
      lanes.alone,
      tools,
      keep,
    );
    if (tcp) keep(await measuredTcp(emulator, seconds, tools.patience));
    await measureAll(
      tasks.filter(({ cell }) => !cell.alone),
      lanes.together,
      tools,
      keep,
    );
    const order = new Map(tasks.map(({ row }, index) => [row, index]));
    const inOrder = rows.toSorted((a, b) => (order.get(a) ?? cells.length) - (order.get(b) ?? cells.length));
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

/** A link that is measured until it is within bounds, or often enough. */
class Task {
  readonly cell: Cell;
  readonly index: number;
  readonly #expected: Expectation;
  #runs = 0;
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
    return this.#runs === 0;
  }

  judge(recording: Recording): void {
    this.#runs += 1;
    const verdict = judge(this.cell, liveOf(recording), this.#expected);
    if (this.#best === undefined || verdict.complaints.length < this.#best.complaints.length) this.#best = verdict;
    if (verdict.complaints.length === 0 || this.#runs === MOST_RUNS) this.#row = rowOf(this.#best, this.#runs);
  }
}

/** Measures so many at the same time, and judges them when the last of these has ended. */
async function measureAll(
  tasks: readonly Task[],
  lanes: number,
  tools: Tools,
  keep: (row: Row) => void,
): Promise<void> {
  const waiting = [...tasks];
  while (waiting.length > 0) {
    const batch = waiting.splice(0, lanes);
    if (!batch.every((task) => task.isFirst)) await tools.patience.calm();
    const recordings = await record(batch, tools);
    for (const [i, task] of batch.entries()) {
      const recording = recordings[i];
      if (recording !== undefined) task.judge(recording);
      if (task.row === undefined) waiting.push(task);
      else keep(task.row);
    }
  }
}

/** One probe of each. A schedule starts for all links of an emulator: such a link gets one of its own. */
async function record(batch: readonly Task[], { emulator, prober, seed }: Tools): Promise<Recording[]> {
  const own: WanEmulator[] = [];
  try {
    const probes: Probe[] = [];
    for (const { cell, index } of batch) {
      const probe = { state: stateOf(cell.settings), load: cell.load, link: `${index}`, emulator };
      if (cell.scheduled) {
        probe.emulator = await startEmulator({ seed: seedOf(seed, cell.name), links: { [probe.link]: cell.settings } });
        own.push(probe.emulator);
      }
      probes.push(probe);
    }
    // Code that runs for the first time is slow: a thread of an emulator that was in use has that behind it.
    const warmUp = loadOfPackets(1_000, 200, WARM_UP_S);
    for (const probe of probes.filter(({ emulator: its }) => own.includes(its))) {
      await probeLinks(prober, [{ ...probe, load: warmUp }]);
    }
    for (const one of own) await one.startSchedules();
    return await probeLinks(prober, probes);
  } finally {
    for (const one of own) await one.close();
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
