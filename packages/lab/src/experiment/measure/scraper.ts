import type { Scrape } from '../record/schema.ts';
import { ChangedSamples, samplesOf } from './series.ts';

/** Prometheus's own default would be 10 s. */
const TIMEOUT_MS = 3_000;

/** Reads the metrics of nodes as Prometheus does. */
export class Scraper {
  readonly #targets: ReadonlyMap<string, { readonly url: string; readonly changed: ChangedSamples }>;
  readonly #nowMs: () => number;

  /** @param urls node -> base URL */
  constructor(options: { urls: ReadonlyMap<string, string>; nowMs: () => number }) {
    this.#targets = new Map([...options.urls].map(([node, url]) => [node, { url, changed: new ChangedSamples() }]));
    this.#nowMs = options.nowMs;
  }

  /** One scrape of every node; one that does not answer is left out, as Prometheus leaves a gap. */
  async scrape(signal?: AbortSignal): Promise<Scrape[]> {
    const scrapes = await Promise.all(
      [...this.#targets].map(async ([node, { url, changed }]): Promise<Scrape[]> => {
        const started = this.#nowMs();
        try {
          const timeout = AbortSignal.timeout(TIMEOUT_MS);
          const reply = await fetch(`${url}/metrics`, {
            signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
          });
          if (!reply.ok) return [];
          const samples = samplesOf(await reply.text());
          const tookMs = this.#nowMs() - started;
          return [{ type: 'scrape', atMs: started, node, tookMs, samples: changed.of(samples) }];
        } catch {
          return [];
        }
      }),
    );
    return scrapes.flat();
  }
}
