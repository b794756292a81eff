import type { Sample, Scrape } from '../record/schema.ts';
import type { NodeFigures } from '../world/stage.ts';
import { ChangedSamples, samplesOf } from './series.ts';

/** Prometheus's own default would be 10 s. */
const TIMEOUT_MS = 3_000;

export interface ScraperOptions {
  /** The scenario's node -> base URL. */
  readonly urls: ReadonlyMap<string, string>;
  /** Milliseconds since the run's origin. */
  readonly nowMs: () => number;
  /** Bearer token for /metrics, where one is needed. */
  readonly token?: string | undefined;
  /** Told every sample before it is stored. */
  readonly rename?: (sample: Sample) => Sample;
}

/** Reads the metrics of nodes as Prometheus does. */
export class Scraper implements NodeFigures {
  readonly #options: ScraperOptions;
  readonly #changed = new Map<string, ChangedSamples>();

  constructor(options: ScraperOptions) {
    this.#options = options;
  }

  /** One scrape of every node; one that does not answer is left out, as Prometheus leaves a gap. */
  async scrape(): Promise<Scrape[]> {
    const scrapes = await Promise.all(
      [...this.#options.urls].map(async ([node, url]): Promise<Scrape[]> => {
        const { nowMs, rename = (sample) => sample } = this.#options;
        const started = nowMs();
        try {
          const samples = (await readMetrics(url, this.#options.token)).map(rename);
          const tookMs = nowMs() - started;
          return [{ type: 'scrape', atMs: started, node, tookMs, samples: this.#changedOf(node).of(samples) }];
        } catch {
          return [];
        }
      }),
    );
    return scrapes.flat();
  }

  /** It keeps nothing itself. */
  async keptSince(): Promise<Scrape[]> {
    return [];
  }

  #changedOf(node: string): ChangedSamples {
    const changed = this.#changed.get(node) ?? new ChangedSamples();
    this.#changed.set(node, changed);
    return changed;
  }
}

/** @param url of the node. @throws Error when it cannot be reached or refuses */
export async function readMetrics(url: string, token?: string): Promise<Sample[]> {
  const reply = await fetch(`${url.replace(/\/$/, '')}/metrics`, {
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
  });
  if (!reply.ok) throw new Error(`${url}/metrics answers ${reply.status}`);
  return samplesOf(await reply.text());
}
