import { availableParallelism } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { MeridianError } from '@meridian/protocol';
import { MachineMeter } from '../experiment/measure/machine.ts';
import { createRoom } from '../light/api.ts';
import type { MediaPlan, Report, StreamFigures } from './generator/contract.ts';
import { Generators } from './generator/generators.ts';
import { figuresOf, type JoinFigures, joinFiguresOf, LAB, type LoadFigures } from './measure/figures.ts';
import type { JoinLine, LoadSample } from './measure/sample.ts';
import { freeSeat, type Layout, seatOf, streamsDue } from './seats.ts';
import type { Target } from './target.ts';

const SAMPLE_MS = 1_000;
/** Joins that take longer than this count as they stand. */
const JOINS_WITHIN_MS = 30_000;

export interface LostLine {
  readonly type: 'lost';
  readonly atMs: number;
  readonly person: number;
  readonly reason: string;
}

/** The first media of a participant: its own went out, or the first packet of somebody else's came. */
export interface MediaLine {
  readonly type: 'media';
  readonly person: number;
  readonly what: 'sending' | 'receiving';
  /** Since it began to join, milliseconds. */
  readonly afterMs: number;
}

export type RunLine = LoadSample | JoinLine | MediaLine | LostLine;

export interface LoadRunOptions {
  readonly target: Target;
  readonly layout: Layout;
  readonly media: MediaPlan;
  /** Streams that everybody receives at most; undefined for all. */
  readonly receives: number | undefined;
  readonly rampPerS: number;
  readonly generators: number;
  readonly signal: AbortSignal;
  /** Every line of the raw data as it is complete. */
  readonly onLine: (line: RunLine) => void;
  /** Something to show has changed. */
  readonly onSample: (sample: LoadSample) => void;
}

/** What one level of load showed. */
export interface LevelResult {
  readonly figures: LoadFigures | undefined;
  readonly joins: JoinFigures;
  readonly lost: number;
}

/** Participants in a cluster: as many as one asks for, measured as long as one wants. */
export class LoadRun {
  readonly #options: LoadRunOptions;
  readonly #startedMs = performance.now();
  readonly #generators: Generators;
  readonly #meter: MachineMeter;
  readonly #rooms: string[] = [];
  /** Everybody who joined or is joining, the latest last, and the seat of each. */
  readonly #people = new Map<number, number>();
  readonly #joining = new Map<number, number>();
  readonly #joins = new Map<number, JoinLine>();
  readonly #lost: LostLine[] = [];
  readonly #samples: LoadSample[] = [];
  #pids: ReadonlyMap<number, string> = new Map();
  #next = 0;
  #goal = 0;
  #idle: LoadSample | undefined;
  #sampling: NodeJS.Timeout | undefined;
  #reading: Promise<LoadSample> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(options: LoadRunOptions, generators: Generators) {
    this.#options = options;
    this.#generators = generators;
    this.#meter = new MachineMeter({ named: () => this.#pids, nowMs: () => this.nowMs });
  }

  /** Starts the participants' processes and looks at the cluster without load. */
  static async start(options: LoadRunOptions): Promise<LoadRun> {
    let run: LoadRun | undefined;
    const generators = await Generators.start({
      count: options.generators,
      url: options.target.url,
      media: options.media,
      onReport: (report) => {
        if (run !== undefined) run.#hear(report);
      },
    });
    const started = new LoadRun(options, generators);
    run = started;
    try {
      await started.#learnProcesses();
      started.#idle = await started.#sample();
      started.#sampling = setInterval(() => void started.#sample().catch(() => {}), SAMPLE_MS);
      return started;
    } catch (error) {
      await generators.close();
      throw error;
    }
  }

  /** Milliseconds since the run began. */
  get nowMs(): number {
    return performance.now() - this.#startedMs;
  }

  get people(): number {
    return this.#people.size;
  }

  /** How many there are to be. */
  get goal(): number {
    return this.#goal;
  }

  get rooms(): number {
    return new Set([...this.#people.values()].map((seat) => seatOf(seat, this.#options.layout).room)).size;
  }

  get samples(): readonly LoadSample[] {
    return this.#samples;
  }

  joinsSince(atMs: number): JoinFigures {
    return joinFiguresOf([...this.#joins.values()].filter((join) => join.atMs >= atMs));
  }

  lostSince(atMs: number): number {
    return this.#lost.filter((one) => one.atMs >= atMs).length;
  }

  /**
   * Lets people join at the ramp's rate, whether those before are in or not, or leave, until there are so many; waits for
   * those who are joining. Ends early when the run is aborted.
   */
  async reach(people: number): Promise<void> {
    const { rampPerS, signal, layout, receives } = this.#options;
    this.#goal = people;
    for (const [person] of [...this.#people].slice(people)) {
      this.#people.delete(person);
      this.#generators.leave(person);
    }
    const startMs = this.nowMs;
    const missing = people - this.#people.size;
    for (let begun = 0; begun < missing && !signal.aborted; begun++) {
      await this.#until(startMs + (begun * 1_000) / rampPerS);
      if (signal.aborted) break;
      const index = freeSeat(this.#people.values());
      const seat = seatOf(index, layout);
      const person = this.#next++;
      const beganMs = this.nowMs;
      const room = await this.#room(seat.room).catch((error: unknown) => MeridianError.from(error));
      if (typeof room !== 'string') {
        const { code, message } = room;
        const tookMs = this.nowMs - beganMs;
        this.#joinIs({ type: 'join', atMs: beganMs, person, outcome: 'failed', tookMs, step: 'room', code, message });
        continue;
      }
      this.#people.set(person, index);
      this.#joining.set(person, this.nowMs);
      this.#generators.join({
        person,
        room,
        ...(seat.region === undefined ? {} : { region: seat.region }),
        publishes: seat.publishes,
        receives: receives ?? null,
      });
    }
    const lateMs = this.nowMs + JOINS_WITHIN_MS;
    while (this.#joining.size > 0 && !signal.aborted && this.nowMs < lateMs) await this.#until(this.nowMs + 50);
    if (this.#joining.size > 0 && !signal.aborted) this.#giveUp();
  }

  /**
   * Watches for so long, or until the run is aborted.
   * @param since when this level was begun: its joins belong to it. Of a level that was aborted before, what came is taken
   */
  async measure(forMs: number, since: number): Promise<LevelResult> {
    if (this.#options.signal.aborted) {
      await this.#sample();
      return { figures: this.figuresSince(since), joins: this.joinsSince(since), lost: this.lostSince(since) };
    }
    await this.#learnProcesses();
    const before = await this.#generators.streams();
    const from = await this.#sample();
    await this.#until(from.atMs + forMs);
    const after = await this.#generators.streams();
    await this.#sample();
    const figures = this.figuresSince(from.atMs, { before, after });
    return { figures, joins: this.joinsSince(since), lost: this.lostSince(since) };
  }

  /** Waits, unless the run is aborted. */
  async settle(forMs: number): Promise<void> {
    await this.#until(this.nowMs + forMs);
  }

  figuresSince(
    atMs: number,
    streams?: { readonly before: readonly StreamFigures[]; readonly after: readonly StreamFigures[] },
  ): LoadFigures | undefined {
    const { layout, media, receives } = this.#options;
    const kinds = Number(media.audio !== undefined) + Number(media.video !== undefined);
    return figuresOf({
      samples: this.#samples.filter((sample) => sample.atMs >= atMs),
      idle: this.#idle,
      streams:
        streams === undefined
          ? { before: [], after: [], due: 0 }
          : { ...streams, due: streamsDue([...this.#people.values()], layout, kinds, receives) },
      cores: availableParallelism(),
    });
  }

  /** Everybody leaves. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      clearInterval(this.#sampling);
      await this.#reading?.catch(() => {});
      await this.#generators.close();
    })();
    return this.#closing;
  }

  kill(): void {
    this.#generators.kill();
  }

  /** A worker that died has been replaced by another process. */
  async #learnProcesses(): Promise<void> {
    const cluster = await this.#options.target.processes();
    this.#pids = new Map([...cluster, ...this.#generators.pids, [process.pid, LAB]]);
  }

  async #room(index: number): Promise<string> {
    let slug = this.#rooms[index];
    if (slug === undefined) {
      slug = await createRoom(this.#options.target.url);
      this.#rooms[index] = slug;
    }
    return slug;
  }

  #hear(report: Report): void {
    switch (report.report) {
      case 'joined': {
        const atMs = this.#joining.get(report.person);
        if (atMs === undefined) return;
        this.#joining.delete(report.person);
        const { person, node, steps, totalMs: tookMs } = report;
        this.#joinIs({ type: 'join', atMs, person, outcome: 'joined', tookMs, node, steps });
        return;
      }
      case 'sending':
      case 'receiving': {
        const { person, report: what, afterMs } = report;
        const join = this.#joins.get(person);
        if (join !== undefined) join[what === 'sending' ? 'sendingMs' : 'receivingMs'] = afterMs;
        this.#options.onLine({ type: 'media', person, what, afterMs });
        return;
      }
      case 'failed': {
        const { person, step, code, message, afterMs: tookMs } = report;
        const atMs = this.#joining.get(person) ?? this.#joins.get(person)?.atMs ?? this.nowMs - tookMs;
        this.#joining.delete(person);
        this.#joinIs({ type: 'join', atMs, person, outcome: 'failed', tookMs, step, code, message });
        this.#people.delete(person);
        return;
      }
      case 'lost': {
        const line: LostLine = { type: 'lost', atMs: this.nowMs, person: report.person, reason: report.reason };
        this.#lost.push(line);
        this.#options.onLine(line);
        this.#people.delete(report.person);
        return;
      }
      case 'ready':
      case 'left':
      case 'figures':
      case 'streams':
      case 'broken':
        return;
    }
  }

  /** One that failed after it had joined (no media came up) is told twice; the later counts. */
  #joinIs(join: JoinLine): void {
    this.#joins.set(join.person, join);
    this.#options.onLine(join);
  }

  #giveUp(): void {
    for (const [person, atMs] of this.#joining) {
      const tookMs = this.nowMs - atMs;
      const message = `not in the room after ${JOINS_WITHIN_MS / 1_000} s`;
      this.#joinIs({ type: 'join', atMs, person, outcome: 'failed', tookMs, code: 'deadline-exceeded', message });
      this.#generators.leave(person);
      this.#people.delete(person);
    }
    this.#joining.clear();
  }

  /** One look at everything; a call during one gets that one. */
  #sample(): Promise<LoadSample> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<LoadSample> {
    const { target, onLine, onSample } = this.#options;
    const [machine, nodes] = await Promise.all([this.#meter.read().catch(() => undefined), target.metrics.read()]);
    const sample: LoadSample = {
      type: 'sample',
      atMs: this.nowMs,
      generators: Object.fromEntries(this.#generators.figures),
      machine,
      nodes,
    };
    this.#samples.push(sample);
    onLine(sample);
    onSample(sample);
    return sample;
  }

  async #until(atMs: number): Promise<void> {
    const leftMs = atMs - this.nowMs;
    if (leftMs > 0) await pause(leftMs, undefined, { signal: this.#options.signal }).catch(() => {});
    // Throws when one of the processes died: what follows would mean nothing.
    void this.#generators.figures;
  }
}
