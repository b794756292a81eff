import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { MeridianError, parseOrThrow } from '@meridian/protocol';
import {
  type Command,
  type GeneratorFigures,
  type MediaPlan,
  type PersonPlan,
  Report,
  type StreamFigures,
} from './contract.ts';

/** Longer than any step of a join may take. */
const END_WITHIN_MS = 15_000;
const STREAMS_WITHIN_MS = 5_000;

interface Child {
  readonly name: string;
  readonly process: ChildProcess;
  readonly people: Set<number>;
  figures: GeneratorFigures | undefined;
  readonly exited: Promise<void>;
}

export interface GeneratorsOptions {
  readonly count: number;
  readonly url: string;
  readonly media: MediaPlan;
  /** Joins, failures and losses as they are told. */
  readonly onReport: (report: Report) => void;
}

/** The processes in which the participants live: what they cost is told apart from what the cluster costs. */
export class Generators {
  readonly #children: readonly Child[];
  readonly #onReport: (report: Report) => void;
  readonly #waiting = new Map<Child, (streams: StreamFigures[]) => void>();
  #closing: Promise<void> | undefined;
  #failure: Error | undefined;

  private constructor(children: readonly Child[], onReport: (report: Report) => void) {
    this.#children = children;
    this.#onReport = onReport;
  }

  /** @throws MeridianError `config-invalid` when a recording cannot be used */
  static async start({ count, url, media, onReport }: GeneratorsOptions): Promise<Generators> {
    const children = Array.from({ length: count }, (_, index) => startChild(`generator-${index + 1}`));
    const generators = new Generators(children, onReport);
    const clockOffsetMs = Date.now() - Number(process.hrtime.bigint()) / 1e6;
    try {
      await Promise.all(
        children.map(async (child) => {
          const ready = firstReport(child);
          give(child, { do: 'begin', url, media, clockOffsetMs });
          const report = await ready;
          if (report.report === 'broken') throw new MeridianError('config-invalid', { message: report.message });
          child.process.on('message', (message) =>
            generators.#hear(child, parseOrThrow(Report, message, 'internal', 'report')),
          );
          child.process.once('exit', () => generators.#gone(child));
        }),
      );
    } catch (error) {
      for (const child of children) child.process.kill('SIGKILL');
      throw error;
    }
    return generators;
  }

  /** pid -> name */
  get pids(): ReadonlyMap<number, string> {
    return new Map(this.#children.map(({ process, name }) => [process.pid ?? -1, name]));
  }

  /** As each told last. @throws Error when one of them has died */
  get figures(): ReadonlyMap<string, GeneratorFigures> {
    if (this.#failure !== undefined) throw this.#failure;
    return new Map(this.#children.flatMap(({ name, figures }) => (figures === undefined ? [] : [[name, figures]])));
  }

  /** In the process with the fewest people. */
  join(plan: PersonPlan): void {
    const child = this.#children.reduce((fewest, one) => (one.people.size < fewest.people.size ? one : fewest));
    child.people.add(plan.person);
    give(child, { do: 'join', plan });
  }

  leave(person: number): void {
    const child = this.#children.find(({ people }) => people.has(person));
    if (child !== undefined) give(child, { do: 'leave', person });
  }

  /** Every stream that somebody receives now. */
  async streams(): Promise<StreamFigures[]> {
    const all = await Promise.all(
      this.#children.map(
        (child) =>
          new Promise<StreamFigures[]>((resolve) => {
            const late = setTimeout(() => resolve([]), STREAMS_WITHIN_MS);
            this.#waiting.set(child, (streams) => {
              clearTimeout(late);
              resolve(streams);
            });
            give(child, { do: 'streams' });
          }),
      ),
    );
    return all.flat();
  }

  /** Everybody leaves. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= Promise.all(this.#children.map(endChild)).then(() => {});
    return this.#closing;
  }

  kill(): void {
    for (const { process } of this.#children) process.kill('SIGKILL');
  }

  #hear(child: Child, report: Report): void {
    switch (report.report) {
      case 'figures':
        child.figures = report.figures;
        return;
      case 'streams':
        this.#waiting.get(child)?.(report.streams);
        this.#waiting.delete(child);
        return;
      case 'broken':
        this.#failure ??= new Error(`${child.name}: ${report.message}`);
        return;
      case 'failed':
      case 'lost':
      case 'left':
        child.people.delete(report.person);
        break;
    }
    this.#onReport(report);
  }

  #gone(child: Child): void {
    if (this.#closing === undefined)
      this.#failure ??= new Error(`${child.name} died; what its participants saw is lost`);
  }
}

function startChild(name: string): Child {
  const child = fork(fileURLToPath(new URL('./child.ts', import.meta.url)), [], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });
  return { name, process: child, people: new Set(), figures: undefined, exited };
}

function give(child: Child, command: Command): void {
  if (child.process.connected) child.process.send(command);
}

function firstReport(child: Child): Promise<Report> {
  return new Promise((resolve, reject) => {
    child.process.once('message', (message) => resolve(parseOrThrow(Report, message, 'internal', 'report')));
    void child.exited.then(() => reject(new Error(`${child.name} did not start`)));
  });
}

async function endChild(child: Child): Promise<void> {
  const hard = setTimeout(() => child.process.kill('SIGKILL'), END_WITHIN_MS);
  give(child, { do: 'end' });
  await child.exited;
  clearTimeout(hard);
}
