import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { z } from 'zod';
import type { Priority } from '../priority.ts';
import type { Load, Passage } from './figures.ts';
import { OpenReport, PriorityReport, type ReceiveOrder } from './receiver.ts';
import { type SendOrder, SendReport } from './sender.ts';

/** A socket that receives one probe, and what it has noted so far. */
export interface Target {
  readonly port: number;
  /** By sequence number; NaN: it has not come. */
  readonly receivedMs: Float64Array;
  close(): void;
}

/**
 * Sends probes from a thread of its own and receives them in another, so that neither delays the other and nothing else is
 * computed in either.
 */
export class Prober {
  readonly #sender = new Answering(new URL('./sender.ts', import.meta.url), 'sender');
  readonly #receiver = new Answering(new URL('./receiver.ts', import.meta.url), 'receiver');
  #lastId = 0;

  async open(count: number): Promise<Target> {
    const id = this.#nextId();
    const times = new SharedArrayBuffer(count * Float64Array.BYTES_PER_ELEMENT);
    const receivedMs = new Float64Array(times).fill(Number.NaN);
    const order: ReceiveOrder = { op: 'open', id, times };
    const { port } = OpenReport.parse(await this.#receiver.ask(order));
    const close: ReceiveOrder = { op: 'close', id };
    return { port, receivedMs, close: () => this.#receiver.tell(close) };
  }

  /** Sends the load to `port` and says when each packet left and when it reached `target`. */
  async run(load: Load, port: number, target: Target, settleMs: number): Promise<Passage[]> {
    const { count, packetsPerS, payloadBytes } = load;
    const order: SendOrder = { id: this.#nextId(), port, count, packetsPerS, payloadBytes };
    const { sentMs } = SendReport.parse(await this.#sender.ask(order));
    await new Promise((resolve) => setTimeout(resolve, settleMs));
    return Array.from(sentMs, (sent, i) => ({ sentMs: sent, receivedMs: target.receivedMs[i] ?? Number.NaN }));
  }

  /** What the system let the receiving thread have. */
  async priority(): Promise<Priority> {
    const order = { op: 'priority' as const, id: this.#nextId() };
    return PriorityReport.parse(await this.#receiver.ask(order)).priority;
  }

  async close(): Promise<void> {
    await Promise.all([this.#sender.close(), this.#receiver.close()]);
  }

  #nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }
}

const Answer = z.looseObject({ id: z.int() });

/** A thread that answers orders by their number. */
class Answering {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (answer: unknown) => void>();
  /** One for all orders: each that waits by itself would leave listeners behind. */
  readonly #ended: Promise<never>;

  constructor(file: URL, name: string) {
    this.#worker = new Worker(file);
    this.#ended = once(this.#worker, 'exit').then(() => Promise.reject(new Error(`the ${name} ended`)));
    // Nobody may be waiting.
    this.#ended.catch(() => {});
    this.#worker.on('message', (message) => {
      const { id } = Answer.parse(message);
      this.#waiting.get(id)?.(message);
      this.#waiting.delete(id);
    });
  }

  tell(order: unknown): void {
    this.#worker.postMessage(order);
  }

  async ask(order: { readonly id: number }): Promise<unknown> {
    const answered = new Promise<unknown>((resolve) => this.#waiting.set(order.id, resolve));
    this.tell(order);
    return Promise.race([answered, this.#ended]);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
