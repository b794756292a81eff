import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { MeridianError } from '@meridian/protocol';
import { z } from 'zod';
import type { LinkChange } from './model/settings.ts';
import type { MeshSpec, Request, TcpSpec, UdpSpec } from './spec.ts';
import { EmulatorPlan, type EmulatorPlanInput, LinkReports, Opened, ReplyMessage, Trace } from './spec.ts';

/** An emulator that runs in a thread of its own. Its methods are those of `Emulator`. */
export interface WanEmulator {
  openUdp(spec: UdpSpec): Promise<Opened>;
  openTcp(spec: TcpSpec): Promise<Opened>;
  openMesh(spec: MeshSpec): Promise<number>;
  closeOne(id: number): Promise<void>;
  startSchedules(): Promise<void>;
  change(link: string, change: LinkChange): Promise<void>;
  report(): Promise<LinkReports>;
  trace(id: number): Promise<Trace>;
  /** Ends the thread with all its sockets. Idempotent. */
  close(): Promise<void>;
}

/**
 * Starts the emulator in a thread of its own, so that what else this process does delays no packet.
 * @throws ZodError when the plan is not of the expected form; MeridianError `closed` when the thread ends early.
 */
export async function startEmulator(input: EmulatorPlanInput): Promise<WanEmulator> {
  const plan = EmulatorPlan.parse(input);
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: plan,
    // Room for many short-lived packets between two collections: a collection is a pause.
    resourceLimits: { maxYoungGenerationSizeMb: 64 },
  });
  await once(worker, 'online');
  return new RemoteEmulator(worker);
}

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

class RemoteEmulator implements WanEmulator {
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;
  #ended: string | undefined;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', (message) => {
      const { id, result, error } = ReplyMessage.parse(message);
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      if (error === undefined) pending?.resolve(result);
      else pending?.reject(new MeridianError(error.code, { message: error.message }));
    });
    worker.on('error', (error) => this.#end(`the emulator failed: ${String(error)}`));
    worker.on('exit', () => this.#end('the emulator was closed'));
  }

  openUdp(spec: UdpSpec): Promise<Opened> {
    return this.#ask({ op: 'udp', spec }, Opened);
  }

  openTcp(spec: TcpSpec): Promise<Opened> {
    return this.#ask({ op: 'tcp', spec }, Opened);
  }

  openMesh(spec: MeshSpec): Promise<number> {
    return this.#ask({ op: 'mesh', spec }, z.int());
  }

  closeOne(id: number): Promise<void> {
    return this.#ask({ op: 'close', id }, z.undefined());
  }

  startSchedules(): Promise<void> {
    return this.#ask({ op: 'start-schedules' }, z.undefined());
  }

  change(link: string, change: LinkChange): Promise<void> {
    return this.#ask({ op: 'change', link, change }, z.undefined());
  }

  report(): Promise<LinkReports> {
    return this.#ask({ op: 'report' }, LinkReports);
  }

  trace(id: number): Promise<Trace> {
    return this.#ask({ op: 'trace', id }, Trace);
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  async #ask<S extends z.ZodType>(request: Request, result: S): Promise<z.output<S>> {
    if (this.#ended !== undefined) throw new MeridianError('closed', { message: this.#ended });
    this.#lastId += 1;
    const id = this.#lastId;
    const reply = await new Promise<unknown>((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#worker.postMessage({ id, request });
    });
    return result.parse(reply);
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    const error = new MeridianError('closed', { message: this.#ended });
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}
