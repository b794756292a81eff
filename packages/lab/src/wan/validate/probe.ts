import { quantile } from '../../analysis/quantile.ts';
import { greatestDelayMs, type LinkState } from '../model/settings.ts';
import type { Trace } from '../spec.ts';
import type { WanEmulator } from '../start-emulator.ts';
import { TRACE_FIELDS } from '../trace.ts';
import { figuresOf, type Load, type Passage } from './figures.ts';
import type { Live, Spread } from './judge.ts';
import type { Prober } from './prober.ts';

/** Packets of a probe that come later than this after their link's greatest delay are lost, milliseconds. */
const SETTLE_MS = 300;
const NO_TRACE: Trace['up'] = { rows: new Float64Array(), drops: [] };

/** The probe alone, straight from its one socket to its other: what of every measurement is not the emulator's. Delays, milliseconds. */
export async function probeNothing(prober: Prober, load: Load): Promise<number[]> {
  const target = await prober.open(load.count);
  try {
    const passages = await prober.run(load, target.port, target, SETTLE_MS);
    return passages.filter((one) => !Number.isNaN(one.receivedMs)).map((one) => one.receivedMs - one.sentMs);
  } finally {
    target.close();
  }
}

/** A link to be probed, of an emulator. */
export interface Probe {
  readonly emulator: WanEmulator;
  readonly link: string;
  readonly state: LinkState;
  readonly load: Load;
}

/** What a probe of a link has noted. */
export interface Recording {
  readonly load: Load;
  readonly passages: readonly Passage[];
  readonly trace: Trace['up'];
}

/**
 * Probes links at the same time. Nothing else is done until the last packet of all has come: whatever was computed meanwhile
 * would take a CPU from those who measure.
 */
export async function probeLinks(prober: Prober, probes: readonly Probe[]): Promise<Recording[]> {
  const lines = await Promise.all(
    probes.map(async (probe) => {
      const target = await prober.open(probe.load.count);
      const proxy = await probe.emulator.openUdp({
        target: { port: target.port },
        up: [probe.link],
        down: [],
        trace: true,
      });
      return { ...probe, target, proxy };
    }),
  );
  try {
    const passages = await Promise.all(
      lines.map(({ load, proxy, target, state }) =>
        prober.run(load, proxy.port, target, greatestDelayMs(state) + SETTLE_MS),
      ),
    );
    const traces = await Promise.all(lines.map(({ emulator, proxy }) => emulator.trace(proxy.id)));
    return lines.map(({ load }, i) => ({ load, passages: passages[i] ?? [], trace: traces[i]?.up ?? NO_TRACE }));
  } finally {
    for (const { target, emulator, proxy } of lines) {
      target.close();
      await emulator.closeOne(proxy.id);
    }
  }
}

/** What the packets of a probe say of its link. */
export function liveOf({ load, passages, trace: { rows, drops } }: Recording): Live {
  const treated = treatedOf(rows);
  const own: number[] = [];
  const added: number[] = [];
  for (const [index, { plannedMs, sentMs }] of treated) {
    const passage = passages[index];
    if (passage === undefined) continue;
    own.push(sentMs - passage.sentMs - plannedMs);
    if (!Number.isNaN(passage.receivedMs)) added.push(passage.receivedMs - passage.sentMs - plannedMs);
  }
  const arrived = passages.filter((passage) => !Number.isNaN(passage.receivedMs)).length;
  const plan = [...treated.values()].map(({ arrivedMs, plannedMs }) => ({
    sentMs: arrivedMs,
    receivedMs: arrivedMs + plannedMs,
  }));
  const lost = drops.map(() => ({ sentMs: Number.NaN, receivedMs: Number.NaN }));
  return {
    figures: figuresOf(passages, load),
    plan: figuresOf([...plan, ...lost], load),
    own: spreadOf(own),
    added: spreadOf(added),
    vanished: load.count - arrived - drops.length,
  };
}

export const spreadOf = (valuesMs: readonly number[]): Spread => ({
  p50Ms: quantile(valuesMs, 0.5),
  p99Ms: quantile(valuesMs, 0.99),
});

/** One packet in the emulator, by its own notes. */
interface Treated {
  readonly arrivedMs: number;
  /** How long its links' models said it should take. */
  readonly plannedMs: number;
  /** When it had been handed to the kernel. */
  readonly sentMs: number;
}

/** By sequence number. */
function treatedOf(rows: Float64Array): Map<number, Treated> {
  const treated = new Map<number, Treated>();
  for (let row = 0; row < rows.length; row += TRACE_FIELDS) {
    const [tag, arrivedMs, plannedMs, lateMs] = rows.subarray(row, row + TRACE_FIELDS);
    if (tag === undefined || arrivedMs === undefined || plannedMs === undefined || lateMs === undefined) continue;
    treated.set(tag, { arrivedMs, plannedMs, sentMs: arrivedMs + plannedMs + lateMs });
  }
  return treated;
}
