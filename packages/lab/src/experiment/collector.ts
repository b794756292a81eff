import { SessionStats } from '@meridian/protocol';
import { MachineMeter } from './measure/machine.ts';
import { Scraper } from './measure/scraper.ts';
import { Matcher } from './record/matcher.ts';
import type { RecordLine } from './record/schema.ts';
import type { RunWriter } from './record/writer.ts';
import type { ClientPage } from './world/client-page.ts';
import type { RunLinks } from './world/links.ts';
import type { World } from './world/world.ts';

/** Pages are asked for their news so often. */
const NEWS_EVERY_MS = 500;
/** Rounds of news between two looks at nodes, links and machine: once a second. */
const ROUNDS_PER_LOOK = 2;

export interface CollectorOptions {
  readonly world: World;
  readonly links: RunLinks;
  readonly pages: ReadonlyMap<string, { readonly page: ClientPage; readonly number: number }>;
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
  readonly #scraper: Scraper;
  readonly #offsets = new Map<string, number>();
  readonly #visible = new Set<string>();
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
    const { world, nowMs } = options;
    this.#matcher = new Matcher([...options.pages].map(([name, { number }]) => ({ name, number })));
    this.#meter = new MachineMeter({ named: () => options.processes, nowMs });
    this.#scraper = new Scraper({
      urls: new Map([...world.cluster.nodes].map(([node, { url }]) => [node, url])),
      nowMs,
    });
  }

  /** Clients that have shown a frame of everybody who sends any. */
  get visible(): ReadonlySet<string> {
    return this.#visible;
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
      this.#offsets.set(client, Math.abs(offsetMs) > uncertaintyMs ? offsetMs : 0);
      this.#options.writer.write({ type: 'clock', atMs: this.#options.nowMs(), client, offsetMs, uncertaintyMs });
    }
  }

  start(): void {
    this.#next();
  }

  /** One look at nodes, links and machine now, besides the regular ones. */
  async look(): Promise<void> {
    const { links, writer, nowMs } = this.#options;
    const [scrapes, load, report] = await Promise.all([
      this.#scraper.scrape(),
      this.#meter.read(),
      links.emulator.report(),
    ]);
    for (const scrape of scrapes) writer.write(scrape);
    if (load !== undefined) writer.write(load);
    writer.write({ type: 'links', atMs: nowMs(), links: report });
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
    const { pages, writer, nowMs } = this.#options;
    for (const [client, { page }] of pages) {
      const news = await page.news();
      const toRunMs = (pageMs: number) => pageMs - (this.#offsets.get(client) ?? 0) - this.#originMs;
      for (const line of this.#matcher.take(client, news, toRunMs)) this.#write(line);
      for (const { atMs, nodeId, stats } of news.node) {
        writer.write(nodeStats(client, nodeId, toRunMs(atMs), SessionStats.parse(stats)));
      }
    }
    for (const line of this.#matcher.matched(nowMs(), { last })) writer.write(line);
  }

  #write(line: RecordLine): void {
    if (line.type === 'mark' && line.what === 'visible' && line.client !== undefined) this.#visible.add(line.client);
    this.#options.writer.write(line);
  }
}

function nodeStats(client: string, node: string, atMs: number, stats: SessionStats): RecordLine {
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
    node,
    up: leg(stats.up),
    down: leg(stats.down),
    availableOutgoingBitrate: stats.availableOutgoingBitrate,
    relays: stats.relays.map(({ nodeId, rttMs, lossFraction }) => ({ node: nodeId, rttMs, lossFraction })),
  };
}
