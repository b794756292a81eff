import { seedOf } from '../model/random.ts';
import { LinkSettings, stateOf } from '../model/settings.ts';
import type { Priority } from '../priority.ts';
import type { Profile } from '../profiles.ts';
import { startEmulator, type WanEmulator } from '../start-emulator.ts';
import { parameterCells, profileCells } from './cells.ts';
import { loadOfBits, loadOfPackets } from './figures.ts';
import type { Spread } from './judge.ts';
import { watchCpuPressure, watchStolenCpu } from './machine.ts';
import { type Probe, probeLinks, probeNothing, type Recording, spreadOf } from './probe.ts';
import { Prober } from './prober.ts';
import type { Row } from './table.ts';
import { DISTURBED, MOST_RUNS, Task } from './task.ts';
import { probeTcp, TCP_LINK } from './tcp-cell.ts';

/** Before a cell is measured again the machine is given time to calm down: until threads wait for a CPU in less than this part of the time. */
const CALM = 0.3;
/** Looked at for so long. */
const CALM_MS = 1_000;
/** How long packets pass an emulator before they count: code that runs for the first time is slow, compiled or not. */
const WARM_UP_S = 3;
const WARM_UP = [loadOfPackets(1_000, 200, WARM_UP_S), loadOfBits(5e6, 1_200, WARM_UP_S)];
/** For that, a link with everything in it. */
const WARM_UP_NAME = 'warm-up';
const WARM_UP_LINK = LinkSettings.parse({
  delayMs: 5,
  jitter: { distribution: 'pareto', sdMs: 0.5 },
  loss: { kind: 'gilbert-elliott', goodToBad: 0.01, badToGood: 0.5 },
  rateBps: 20e6,
});
/** The control before each batch: probes without an emulator between. */
const CONTROL = loadOfPackets(1_000, 200, 1);

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
  /** Part of the CPUs' time that the machine's host gave to others, 0 to 1; undefined where the system does not tell. */
  readonly stolenCpu: number | undefined;
  /** Delay of the controls: probes that went straight from one socket to the other, some before each batch of links. */
  readonly without: Spread;
  /** What the system let the measuring and the emulating threads have. */
  readonly priority: Priority;
}

/** Measures links of every kind against what was asked of them. Takes some minutes; loopback only. */
export async function validate(options: ValidationOptions): Promise<Validation> {
  const { seconds, only = '' } = options;
  const cells = [...parameterCells(seconds), ...profileCells(options.profiles, seconds)].filter((cell) =>
    cell.name.includes(only),
  );
  const tcp = 'TCP upload'.includes(only);
  const of = cells.length + (tcp ? 1 : 0);
  const [pressure, stolen] = [watchCpuPressure(), watchStolenCpu()];
  const rows: Row[] = [];
  const keep = (row: Row): void => {
    rows.push(row);
    options.onRow(row, rows.length, of);
  };
  // All of it before the first probe: it would take a CPU from those who measure.
  const tasks = cells.map((cell, index) => new Task(cell, index));
  const emulator = await startEmulator({
    seed: options.seed,
    links: {
      ...Object.fromEntries(cells.map((cell, i) => [`${i}`, cell.settings])),
      tcpUp: TCP_LINK,
      tcpDown: TCP_LINK,
      [WARM_UP_NAME]: WARM_UP_LINK,
    },
  });
  const prober = new Prober();
  const control: number[] = [];
  const tools = {
    emulator,
    prober,
    seed: options.seed,
    patience: new Patience(options.patienceS),
    control,
  };
  const lanes = { alone: 1, together: options.lanes };
  try {
    await warmUp(prober, emulator);
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
    return {
      rows: inOrder,
      cpuPressure: pressure(),
      stolenCpu: stolen(),
      without: spreadOf(control),
      priority: await prober.priority(),
    };
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
      const [pressure, stolen] = [watchCpuPressure(), watchStolenCpu()];
      await new Promise((resolve) => setTimeout(resolve, CALM_MS));
      this.#leftMs -= CALM_MS;
      if ((pressure() ?? 0) < CALM && (stolen() ?? 0) <= DISTURBED) return;
    }
  }
}

interface Tools {
  readonly emulator: WanEmulator;
  readonly prober: Prober;
  readonly seed: number;
  readonly patience: Patience;
  /** Delays of the controls so far, milliseconds. */
  readonly control: number[];
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
    tools.control.push(...(await probeNothing(tools.prober, CONTROL)));
    const { recordings, stolenCpu } = await record(batch, tools);
    for (const [i, task] of batch.entries()) {
      const recording = recordings[i];
      if (recording !== undefined) task.judge(recording, stolenCpu);
      if (task.row === undefined) waiting.push(task);
      else keep(task.row);
    }
  }
}

interface Recorded {
  readonly recordings: readonly Recording[];
  /** Part of the CPUs' time meanwhile that the machine's host gave to others; undefined where the system does not tell. */
  readonly stolenCpu: number | undefined;
}

/** One probe of each. A schedule starts for all links of an emulator: such a link gets one of its own. */
async function record(batch: readonly Task[], { emulator, prober, seed }: Tools): Promise<Recorded> {
  const own: WanEmulator[] = [];
  try {
    const probes: Probe[] = [];
    for (const { cell, index } of batch) {
      const probe = { state: stateOf(cell.settings), load: cell.load, link: `${index}`, emulator };
      if (cell.scheduled) {
        probe.emulator = await startEmulator({
          seed: seedOf(seed, cell.name),
          links: { [probe.link]: cell.settings, [WARM_UP_NAME]: WARM_UP_LINK },
        });
        own.push(probe.emulator);
      }
      probes.push(probe);
    }
    for (const one of own) await warmUp(prober, one);
    for (const one of own) await one.startSchedules();
    const stolen = watchStolenCpu();
    return { recordings: await probeLinks(prober, probes), stolenCpu: stolen() };
  } finally {
    for (const one of own) await one.close();
  }
}

async function warmUp(prober: Prober, emulator: WanEmulator): Promise<void> {
  const state = stateOf(WARM_UP_LINK);
  await probeLinks(
    prober,
    WARM_UP.map((load) => ({ emulator, link: WARM_UP_NAME, state, load })),
  );
}

async function measuredTcp(emulator: WanEmulator, seconds: number, patience: Patience): Promise<Row> {
  for (let runs = 1; ; runs += 1) {
    const { load, figures } = await probeTcp(emulator, { up: 'tcpUp', down: 'tcpDown' }, seconds);
    const complaints = figures.flatMap((figure) => figure.complaints);
    const row: Row = {
      name: 'TCP upload',
      load: load.label,
      figures,
      own: undefined,
      added: undefined,
      complaints,
      runs,
      disturbed: 0,
    };
    if (complaints.length === 0 || runs === MOST_RUNS) return row;
    await patience.calm();
  }
}
