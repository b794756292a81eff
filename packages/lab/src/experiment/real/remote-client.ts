import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { MeridianError } from '@meridian/protocol';
import { z } from 'zod';
import type { ClientTask, KeptFrame, PageNews } from '../page/contract.ts';
import type { MachineLoad } from '../record/schema.ts';
import { askClock } from '../world/clock.ts';
import type { LabClient } from '../world/stage.ts';
import {
  AGENT_VERSION,
  AgentReplyLine,
  type AgentRequest,
  Hello,
  Load,
  News,
  Now,
  Pictures,
} from './agent-protocol.ts';

/** Starting Chromium on a slow machine over a slow line. */
const HELLO_WITHIN_MS = 60_000;
/** A join over a bad line; pictures over a thin one. */
const REPLY_WITHIN_MS = 90_000;
/** Closing a browser takes a moment. */
const CLOSE_WITHIN_MS = 10_000;
const LAST_LINES = 12;
const Nothing = z.null();

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** `lab client` on another machine, started by a command such as `ssh vn.example.org ...`, which carries what is said. */
export class RemoteAgent {
  readonly client: string;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #lastLines: string[] = [];
  readonly complaints: string[] = [];
  #nextId = 1;
  #ended: Error | undefined;
  #hello: z.output<typeof Hello> | undefined;

  private constructor(client: string, child: ChildProcess) {
    this.client = client;
    this.#child = child;
    const { stdout, stderr } = child;
    if (stdout === null || stderr === null) throw new Error('the agent has no output');
    createInterface({ input: stdout }).on('line', (line) => this.#hear(line));
    createInterface({ input: stderr }).on('line', (line) => this.#remember(line));
    // Written to one that has ended: `close` says so, with what it said last.
    child.stdin?.on('error', () => {});
    child.once('error', (error) => this.#end(String(error)));
    child.once('close', (code, signal) => this.#end(`it ended (${signal ?? code})`));
  }

  /**
   * Starts the command and waits until the agent answers.
   * @throws MeridianError `config-invalid` with what it said when it does not
   */
  static async start(client: string, command: string): Promise<RemoteAgent> {
    // Its own process group: Ctrl-C reaches the recorder only, which then stops everything in order.
    const child = spawn(command, { shell: true, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    const agent = new RemoteAgent(client, child);
    try {
      const hello = await agent.ask(Hello, { op: 'hello', version: AGENT_VERSION }, HELLO_WITHIN_MS);
      if (hello.version !== AGENT_VERSION) {
        throw new Error(
          `it speaks version ${hello.version}, not ${AGENT_VERSION}: use the same checkout on both machines`,
        );
      }
      agent.#hello = hello;
      return agent;
    } catch (cause) {
      await agent.close();
      throw new MeridianError('config-invalid', {
        message: `the client ${client} could not be started by "${command}": ${String(cause)}`,
        cause,
      });
    }
  }

  get hello(): z.output<typeof Hello> {
    if (this.#hello === undefined) throw new Error('the agent has not answered yet');
    return this.#hello;
  }

  /** @throws Error with what went wrong there, or that it is gone */
  async ask<S extends z.ZodType>(schema: S, request: AgentRequest, withinMs = REPLY_WITHIN_MS): Promise<z.output<S>> {
    if (this.#ended !== undefined) throw this.#ended;
    const id = this.#nextId;
    this.#nextId += 1;
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#waiting.set(id, { resolve, reject });
    const timer = setTimeout(() => reject(new Error(`no answer to ${request.op} within ${withinMs} ms`)), withinMs);
    try {
      this.#child.stdin?.write(`${JSON.stringify({ id, request })}\n`);
      return schema.parse(await promise);
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(id);
    }
  }

  /** Ends its input, upon which it closes everything and ends. Idempotent. */
  async close(): Promise<void> {
    const child = this.#child;
    const { pid } = child;
    if (child.exitCode !== null || child.signalCode !== null || pid === undefined) return;
    const closed = once(child, 'close');
    child.stdin?.end();
    const late = setTimeout(() => {
      // The whole group: a shell stands before what was started. It may just have ended by itself.
      try {
        process.kill(-pid, 'SIGTERM');
      } catch {}
    }, CLOSE_WITHIN_MS);
    await closed.catch(() => {});
    clearTimeout(late);
  }

  #hear(line: string): void {
    const parsed = replyIn(line);
    // A login may greet us; pnpm says what it runs.
    if (parsed === undefined) {
      this.#remember(line);
      return;
    }
    this.complaints.push(...parsed.complaints);
    const waiting = this.#waiting.get(parsed.id);
    if (parsed.error === undefined) waiting?.resolve(parsed.result);
    else waiting?.reject(new Error(`${this.client}: ${parsed.error}`));
  }

  #remember(line: string): void {
    this.#lastLines.push(line);
    if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift();
  }

  #end(how: string): void {
    this.#ended ??= new Error([`the agent of ${this.client} is gone: ${how}`, ...this.#lastLines].join('\n'));
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
  }
}

function replyIn(line: string): z.output<typeof AgentReplyLine> | undefined {
  try {
    return AgentReplyLine.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

/** One client of one run, on the machine of its agent. */
export class RemoteClient implements LabClient {
  readonly name: string;
  readonly remote = true;
  readonly #agent: RemoteAgent;
  #closing: Promise<void> | undefined;

  private constructor(agent: RemoteAgent) {
    this.name = agent.client;
    this.#agent = agent;
  }

  static async open(agent: RemoteAgent, task: ClientTask): Promise<RemoteClient> {
    agent.complaints.length = 0;
    await agent.ask(Nothing, { op: 'open', task });
    return new RemoteClient(agent);
  }

  get errors(): readonly string[] {
    return this.#agent.complaints;
  }

  async start(): Promise<void> {
    await this.#agent.ask(Nothing, { op: 'start' });
  }

  /** Of the page's clock, asked over the whole distance; known to half of the quickest round trip. */
  async clock(): Promise<{ offsetMs: number; uncertaintyMs: number }> {
    return askClock(() => this.#agent.ask(Now, { op: 'now' }));
  }

  news(): Promise<PageNews> {
    return this.#agent.ask(News, { op: 'news' });
  }

  async keepPictures(): Promise<void> {
    await this.#agent.ask(Nothing, { op: 'keep-pictures' });
  }

  keptPictures(): Promise<KeptFrame[]> {
    return this.#agent.ask(Pictures, { op: 'kept-pictures' });
  }

  drawAgain(frames: readonly number[]): Promise<KeptFrame[]> {
    return this.#agent.ask(Pictures, { op: 'draw-again', frames: [...frames] });
  }

  async load(): Promise<Omit<MachineLoad, 'atMs'> | undefined> {
    const load = await this.#agent.ask(Load, { op: 'load' });
    return load === null ? undefined : { ...load, host: this.name };
  }

  async leave(): Promise<void> {
    await this.#agent.ask(Nothing, { op: 'leave' });
  }

  /** The agent stays for the next run. */
  close(): Promise<void> {
    this.#closing ??= this.#agent.ask(Nothing, { op: 'close' }).then(
      () => {},
      // It is gone, and its page with it.
      () => {},
    );
    return this.#closing;
  }
}
