import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { assertNever } from '@meridian/protocol';
import type { Browser } from 'playwright-core';
import { Recordings } from '../light/recordings.ts';
import { childrenOf, MachineMeter } from '../measure/machine.ts';
import { machine } from '../record/surroundings.ts';
import { recorderMs } from '../world/clock.ts';
import { type LocalMember, openMember } from '../world/open-member.ts';
import type { PageFiles } from '../world/page-files.ts';
import { AGENT_VERSION, type AgentReplyLine, type AgentRequest, AgentRequestLine } from './agent-protocol.ts';

export interface AgentOptions {
  readonly browser: Browser;
  /** The page, already built. */
  readonly files: PageFiles;
  readonly input: Readable;
  readonly output: Writable;
}

/** Runs one client of an experiment for a recorder elsewhere, until its input ends. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #meter: MachineMeter;
  #named: ReadonlyMap<number, string> = new Map();
  readonly #recordings = new Recordings();
  #member: LocalMember | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#meter = new MachineMeter({ named: () => this.#named, nowMs: recorderMs });
  }

  /** Answers until the input ends, then closes the client. The browser stays open. */
  async serve(): Promise<void> {
    const { input, output } = this.#options;
    this.#named = new Map([
      [process.pid, 'lab'],
      ...(await childrenOf(process.pid, /chrom/)).map((pid) => [pid, 'chromium'] as const),
    ]);
    // Requests are answered one after the other, as pages are asked anyway.
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line.trim() === '') continue;
      const reply = await this.#reply(line);
      if (!output.write(`${JSON.stringify(reply)}\n`)) await once(output, 'drain');
    }
    await this.#closeMember();
  }

  async #reply(line: string): Promise<AgentReplyLine> {
    let id = 0;
    try {
      const { id: asked, request } = AgentRequestLine.parse(JSON.parse(line));
      id = asked;
      const result = await this.#answer(request);
      return { id, result: result ?? null, complaints: this.#complaints() };
    } catch (error) {
      return { id, error: String(error), complaints: this.#complaints() };
    }
  }

  #complaints(): string[] {
    return this.#member?.errors.splice(0) ?? [];
  }

  async #answer(request: AgentRequest): Promise<unknown> {
    switch (request.op) {
      case 'hello':
        return { version: AGENT_VERSION, machine: machine(), chromium: this.#options.browser.version() };
      case 'open':
        await this.#closeMember();
        this.#member = await openMember(request.task, {
          browser: this.#options.browser,
          recordings: this.#recordings,
          files: this.#options.files,
        });
        return;
      case 'start':
        return this.#open.start();
      case 'now':
        return this.#open.now();
      case 'news':
        return this.#open.news();
      case 'keep-pictures':
        return this.#open.keepPictures();
      case 'kept-pictures':
        return this.#open.keptPictures();
      case 'draw-again':
        return this.#open.drawAgain(request.frames);
      case 'load': {
        const load = await this.#meter.read();
        if (load === undefined) return;
        const { atMs: _atMs, ...rest } = load;
        return rest;
      }
      case 'leave':
        return this.#open.leave();
      case 'close':
        return this.#closeMember();
      default:
        return assertNever(request);
    }
  }

  get #open(): LocalMember {
    if (this.#member === undefined) throw new Error('no client is open');
    return this.#member;
  }

  async #closeMember(): Promise<void> {
    const member = this.#member;
    this.#member = undefined;
    await member?.close();
  }
}
