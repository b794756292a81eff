import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { quantile } from '../../analysis/quantile.ts';
import { bindUdp } from '../drivers/loopback.ts';
import { greatestDelayMs, type LinkState } from '../model/settings.ts';
import { monotonicMs } from '../scheduler.ts';
import type { Trace } from '../spec.ts';
import type { WanEmulator } from '../start-emulator.ts';
import { TRACE_FIELDS } from '../trace.ts';
import { figuresOf, type Load, type Passage } from './figures.ts';
import type { Live } from './judge.ts';
import { type SendOrder, SendReport } from './sender.ts';

/** Sends probes from a thread of its own and receives them in this one. */
export class Prober {
  readonly #worker = new Worker(new URL('./sender.ts', import.meta.url));
  readonly #waiting = new Map<number, (sentMs: Float64Array) => void>();
  /** One for all orders: each that waits by itself would leave listeners behind. */
  readonly #ended: Promise<never>;
  #lastId = 0;

  constructor() {
    this.#ended = once(this.#worker, 'exit').then(() => Promise.reject(new Error('the sender ended')));
    // Nobody may be waiting.
    this.#ended.catch(() => {});
    this.#worker.on('message', (message) => {
      const { id, sentMs } = SendReport.parse(message);
      this.#waiting.get(id)?.(sentMs);
      this.#waiting.delete(id);
    });
  }

  /** Sends the load to `port` and says when each packet left and when it reached `target`. */
  async run(load: Load, port: number, target: Socket, settleMs: number): Promise<Passage[]> {
    const receivedMs = new Float64Array(load.count).fill(Number.NaN);
    target.on('message', (payload) => {
      receivedMs[payload.readUInt32BE(0)] = monotonicMs();
    });
    const sentMs = await this.#send({ port, ...pick(load) });
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    return Array.from(sentMs, (sent, i) => ({ sentMs: sent, receivedMs: receivedMs[i] ?? Number.NaN }));
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  async #send(order: Omit<SendOrder, 'id'>): Promise<Float64Array> {
    this.#lastId += 1;
    const id = this.#lastId;
    const sent = new Promise<Float64Array>((resolve) => this.#waiting.set(id, resolve));
    this.#worker.postMessage({ id, ...order });
    return Promise.race([sent, this.#ended]);
  }
}

const pick = ({ count, packetsPerS, payloadBytes }: Load) => ({ count, packetsPerS, payloadBytes });

/** Packets of a probe that come later than this after their link's greatest delay are lost, milliseconds. */
const SETTLE_MS = 300;
const NO_TRACE: Trace['up'] = { rows: new Float64Array(), drops: [] };

/** A socket that receives probes. */
export const openTarget = (): Promise<Socket> => bindUdp('127.0.0.1');

/** The probe alone, straight from its one socket to its other: what of every measurement is not the emulator's. */
export async function probeNothing(prober: Prober, load: Load): Promise<{ p50Ms: number; p99Ms: number }> {
  const target = await openTarget();
  try {
    const passages = await prober.run(load, target.address().port, target, SETTLE_MS);
    const delays = passages.filter((one) => !Number.isNaN(one.receivedMs)).map((one) => one.receivedMs - one.sentMs);
    return { p50Ms: quantile(delays, 0.5), p99Ms: quantile(delays, 0.99) };
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
 * Probes links at the same time. Nothing else is done until the last packet of all has come: this thread receives, and whatever
 * it computed meanwhile would hold up packets and be taken for the emulator's doing.
 */
export async function probeLinks(prober: Prober, probes: readonly Probe[]): Promise<Recording[]> {
  const lines = await Promise.all(
    probes.map(async (probe) => {
      const target = await openTarget();
      const port = target.address().port;
      const proxy = await probe.emulator.openUdp({ target: { port }, up: [probe.link], down: [], trace: true });
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
  const planned = plannedOf(rows);
  const added = [...planned].flatMap(([index, plan]) => {
    const passage = passages[index];
    if (passage === undefined || Number.isNaN(passage.receivedMs)) return [];
    return [passage.receivedMs - passage.sentMs - (plan.receivedMs - plan.sentMs)];
  });
  const arrived = passages.filter((passage) => !Number.isNaN(passage.receivedMs)).length;
  const lost = drops.map(() => ({ sentMs: Number.NaN, receivedMs: Number.NaN }));
  return {
    figures: figuresOf(passages, load),
    plan: figuresOf([...planned.values(), ...lost], load),
    addedP50Ms: quantile(added, 0.5),
    addedP99Ms: quantile(added, 0.99),
    vanished: load.count - arrived - drops.length,
  };
}

/** By sequence number: when the emulator had a packet and when it was due to leave. */
function plannedOf(rows: Float64Array): Map<number, Passage> {
  const planned = new Map<number, Passage>();
  for (let row = 0; row < rows.length; row += TRACE_FIELDS) {
    const [tag, arrivedMs, plannedMs] = rows.subarray(row, row + TRACE_FIELDS);
    if (tag === undefined || arrivedMs === undefined || plannedMs === undefined) continue;
    planned.set(tag, { sentMs: arrivedMs, receivedMs: arrivedMs + plannedMs });
  }
  return planned;
}
