import { SessionStats } from '@meridian/protocol';
import { MachineMeter } from './measure/machine.ts';
import { Matcher } from './record/matcher.ts';
import type { RecordLine } from './record/schema.ts';
import type { RunWriter } from './record/writer.ts';
import type { LabClient, NodeFigures, RunWays, Stage } from './world/stage.ts';

/** Pages are asked for their news so often. */
const NEWS_EVERY_MS = 500;
/** Rounds of news between two looks at nodes, links and machine: once a second. */
const ROUNDS_PER_LOOK = 2;
/** Marks of a client that gets what everybody sends. */
const ALL_THERE: ReadonlySet<string> = new Set(['visible', 'receiving']);

export interface CollectorOptions {
  readonly stage: Stage;
  readonly ways: RunWays;
  readonly pages: ReadonlyMap<string, { readonly page: LabClient; readonly number: number }>;
  readonly writer: RunWriter;
  /** Milliseconds since the run's origin. */
  readonly nowMs: () => number;
  /** Names of the processes that are told apart, by pid. */
  readonly processes: ReadonlyMap<number, string>;
}

/** Fetches what everybody measured and writes it down, from its start until it is finished. */
export class Collector {
  readonly #options: CollectorOptions;
  readonly #matcher: Matcher;
  readonly #meter: MachineMeter;
  readonly #figures: NodeFigures;
  readonly #offsets = new Map<string, number>();
  readonly #visible = new Set<string>();
  /** Time of each client's latest reading of getStats, ms of the run. */
  readonly #read = new Map<string, number>();
  readonly #originMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #round = 0;
  #working: Promise<void> | undefined;
  #failure: unknown;
  #finished = false;

  /** @param originMs the run's origin, milliseconds since 1970 by the recorder's clock */
  constructor(options: CollectorOptions, originMs: number) {
    this.#options = options;
    this.#originMs = originMs;
    const { stage, nowMs } = options;
    this.#matcher = new Matcher([...options.pages].map(([name, { number }]) => ({ name, number })));
    this.#meter = new MachineMeter({ named: () => options.processes, nowMs });
    this.#figures = stage.figures(nowMs);
  }

  /** Pages that have shown a frame, and light peers that have packets, of everybody who sends any. */
  get visible(): ReadonlySet<string> {
    return this.#visible;
  }

  /** Whether every client has told a reading of getStats from this time of the run or later. */
  hasReadSince(atMs: number): boolean {
    return [...this.#options.pages.keys()].every((client) => (this.#read.get(client) ?? 0) >= atMs);
  }

  /** What made collecting fail, if something did. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Measures the clocks of the pages; what they tell is corrected by it from then on. */
  async readClocks(): Promise<void> {
    for (const [client, { page }] of this.#options.pages) {
      const { offsetMs, uncertaintyMs } = await page.clock();
      // Clocks of one machine agree unless one was set: a distance that cannot be told from none is none.
      const known = page.remote || Math.abs(offsetMs) > uncertaintyMs;
      this.#offsets.set(client, known ? offsetMs : 0);
      this.#options.writer.write({ type: 'clock', atMs: this.#options.nowMs(), client, offsetMs, uncertaintyMs });
    }
  }

  start(): void {
    this.#next();
  }

  /** One look at nodes, links and machine now, besides the regular ones. */
  async look(): Promise<void> {
    const { ways, pages, writer, nowMs } = this.#options;
    const [scrapes, load, report, ...remote] = await Promise.all([
      this.#figures.scrape(),
      this.#meter.read(),
      ways.report(),
      ...[...pages.values()].map(({ page }) => page.load()),
    ]);
    for (const scrape of scrapes) writer.write(scrape);
    for (const one of remote) if (one !== undefined) writer.write({ ...one, atMs: nowMs() });
    if (load !== undefined) writer.write(load);
    if (report !== undefined) writer.write({ type: 'links', atMs: nowMs(), links: report });
  }

  /** Series that were kept elsewhere, such as by a Prometheus. @throws what asking for them throws */
  async writeKept(fromMs: number): Promise<void> {
    for (const scrape of await this.#figures.keptSince(fromMs)) this.#options.writer.write(scrape);
  }

  /** Takes the last news and ends. Idempotent. */
  async finish(): Promise<void> {
    if (this.#finished) return;
    this.#finished = true;
    clearTimeout(this.#timer);
    await this.#working;
    try {
      await this.#news(true);
    } catch (error) {
      this.#failure ??= error;
    }
  }

  #next(): void {
    if (this.#finished) return;
    this.#timer = setTimeout(() => {
      this.#working = this.#work().then(
        () => this.#next(),
        (error: unknown) => {
          this.#failure ??= error;
        },
      );
    }, NEWS_EVERY_MS);
  }

  async #work(): Promise<void> {
    this.#round += 1;
    await this.#news(false);
    if (this.#round % ROUNDS_PER_LOOK === 0) await this.look();
  }

  async #news(last: boolean): Promise<void> {
    const { stage, pages, writer, nowMs } = this.#options;
    for (const [client, { page }] of pages) {
      const news = await page.news();
      const toRunMs = (pageMs: number) => pageMs - (this.#offsets.get(client) ?? 0) - this.#originMs;
      for (const line of this.#matcher.take(client, news, toRunMs)) this.#write(line);
      const latest = news.stats.at(-1);
      if (latest !== undefined) this.#read.set(client, toRunMs(latest.atMs));
      for (const { atMs, nodeId, stats } of news.node) {
        const nameOf = (id: string) => stage.nodeName(id);
        writer.write(nodeStats(client, nameOf, nodeId, toRunMs(atMs), SessionStats.parse(stats)));
      }
    }
    for (const line of this.#matcher.matched(nowMs(), { last })) writer.write(line);
  }

  #write(line: RecordLine): void {
    if (line.type === 'mark' && line.client !== undefined && ALL_THERE.has(line.what)) this.#visible.add(line.client);
    this.#options.writer.write(line);
  }
}

function nodeStats(
  client: string,
  nameOf: (nodeId: string) => string,
  nodeId: string,
  atMs: number,
  stats: SessionStats,
): RecordLine {
  const leg = ({ rttMs, lossFraction, jitterMs, bitrate }: SessionStats['up']) => ({
    rttMs,
    lossFraction,
    jitterMs,
    bitrate,
  });
  return {
    type: 'node-stats',
    atMs,
    client,
    node: nameOf(nodeId),
    up: leg(stats.up),
    down: leg(stats.down),
    availableOutgoingBitrate: stats.availableOutgoingBitrate,
    relays: stats.relays.map(({ nodeId: other, rttMs, lossFraction }) => ({
      node: nameOf(other),
      rttMs,
      lossFraction,
    })),
  };
}
