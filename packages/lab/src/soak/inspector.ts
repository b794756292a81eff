import { readFile } from 'node:fs/promises';
import { WebSocket } from 'ws';
import { z } from 'zod';
import type { ServiceChild } from '../local-cluster/index.ts';

/** What a service's environment needs so that its inspector can be found. */
export const INSPECTED = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

const LISTENING = /^Debugger listening on (ws:\/\/127\.0\.0\.1:\d+\/\S+)$/gm;
const ANSWER_MS = 20_000;

const Reply = z.object({
  id: z.number().optional(),
  result: z.unknown(),
  error: z.object({ message: z.string() }).optional(),
});
const Spaces = z.object({
  result: z.object({ value: z.array(z.object({ space_name: z.string(), space_used_size: z.number() })) }),
});
/**
 * Evaluated in the process that is looked into. It collects in the same turn in which it reads: between two messages a busy process
 * goes on, and what it makes there is garbage that nobody has collected.
 */
const READ_SPACES = `(() => {
  const v8 = process.getBuiltinModule('node:v8');
  globalThis.__meridianCollect ??= (() => {
    v8.setFlagsFromString('--expose-gc');
    return process.getBuiltinModule('node:vm').runInNewContext('gc');
  })();
  globalThis.__meridianCollect();
  return v8.getHeapSpaceStatistics();
})()`;
/** Where V8 keeps what it compiles: it grows for as long as ever more functions are found worth optimizing. */
const COMPILED = /^(code|trusted)_/;

/** What is left of a heap when everything was thrown away that nobody holds, bytes. */
export interface LiveHeap {
  readonly objects: number;
  /** Machine code and byte code of functions. */
  readonly code: number;
}

/** Looks into the heaps of services that run with `INSPECTED`. */
export class Heaps {
  readonly #open = new Map<ServiceChild, Inspector>();

  /** @throws Error when the process does not answer */
  async live(child: ServiceChild): Promise<LiveHeap> {
    const inspector = this.#open.get(child) ?? (await Inspector.open(child.logFile));
    this.#open.set(child, inspector);
    try {
      return await inspector.liveHeap();
    } catch (error) {
      this.#open.delete(child);
      inspector.close();
      throw error;
    }
  }

  close(): void {
    for (const inspector of this.#open.values()) inspector.close();
    this.#open.clear();
  }
}

class Inspector {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #nextId = 1;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('message', (text) => {
      const { id, result, error } = Reply.parse(JSON.parse(String(text)));
      const waiting = id === undefined ? undefined : this.#waiting.get(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error.message));
    });
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('the inspected process has gone'));
    });
  }

  /** @throws Error when the last process that wrote to the log has not said where its inspector is, or has gone */
  static async open(logFile: string): Promise<Inspector> {
    const url = [...(await readFile(logFile, 'utf8')).matchAll(LISTENING)].at(-1)?.[1];
    if (url === undefined) throw new Error(`no inspector is named in ${logFile}`);
    const socket = new WebSocket(url, { handshakeTimeout: ANSWER_MS });
    await new Promise<void>((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return new Inspector(socket);
  }

  async liveHeap(): Promise<LiveHeap> {
    // The thorough one, which also gives back what only a second collection finds.
    await this.#send('HeapProfiler.collectGarbage');
    const answer = await this.#send('Runtime.evaluate', { expression: READ_SPACES, returnByValue: true });
    const live = { objects: 0, code: 0 };
    for (const { space_name, space_used_size } of Spaces.parse(answer).result.value) {
      live[COMPILED.test(space_name) ? 'code' : 'objects'] += space_used_size;
    }
    return live;
  }

  close(): void {
    this.#socket.terminate();
  }

  async #send(method: string, params: object = {}): Promise<unknown> {
    const id = this.#nextId++;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(id, answer);
    const late = setTimeout(() => answer.reject(new Error(`the inspector did not answer ${method}`)), ANSWER_MS);
    try {
      if (this.#socket.readyState !== WebSocket.OPEN) throw new Error('the inspected process has gone');
      this.#socket.send(JSON.stringify({ id, method, params }));
      return await answer.promise;
    } finally {
      clearTimeout(late);
      this.#waiting.delete(id);
    }
  }
}
