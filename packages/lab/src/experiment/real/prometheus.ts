import { MeridianError } from '@meridian/protocol';
import { z } from 'zod';
import { ChangedSamples } from '../measure/series.ts';
import type { Sample, Scrape } from '../record/schema.ts';
import { recorderMs } from '../world/clock.ts';
import type { NodeFigures } from '../world/stage.ts';

const TIMEOUT_MS = 30_000;
/** Questions for the clock of Prometheus; the one answered soonest counts. */
const CLOCK_QUESTIONS = 5;

const Answer = z.object({ status: z.literal('success'), data: z.object({ result: z.unknown() }) });
const Failure = z.object({ status: z.literal('error'), error: z.string() });
const Scalar = z.tuple([z.number(), z.string()]);
const Vector = z.array(z.object({ metric: z.record(z.string(), z.string()) }));
/** Seconds since 1970 and the value as text. */
const Matrix = z.array(
  z.object({ metric: z.record(z.string(), z.string()), values: z.array(z.tuple([z.number(), z.string()])) }),
);

export interface PrometheusOptions {
  /** Base URL, such as http://prometheus.example.org:9090. */
  readonly url: string;
  /** The scenario's node -> id of the node, which its metrics carry as `node`. */
  readonly nodes: ReadonlyMap<string, string>;
  /** Puts the scenario's names in the place of ids. */
  readonly rename: (sample: Sample) => Sample;
}

/** The nodes' series as a Prometheus keeps them, by its HTTP API. */
export class Prometheus {
  readonly #options: PrometheusOptions;

  constructor(options: PrometheusOptions) {
    this.#options = options;
  }

  /** @throws MeridianError `config-invalid` when it does not answer, or knows nothing of a node */
  async check(): Promise<void> {
    const known = Vector.parse(await this.#ask({ query: 'meridian_info' }));
    const missing = [...this.#options.nodes.values()].filter((id) => !known.some(({ metric }) => metric.node === id));
    if (missing.length > 0) {
      throw new MeridianError('config-invalid', {
        message: `the Prometheus at ${this.#options.url} does not scrape ${missing.join(', ')} (no series meridian_info)`,
      });
    }
  }

  /** Every sample of the nodes that was scraped in a time, milliseconds since 1970 by our clock. */
  async samples(fromMs: number, toMs: number): Promise<{ node: string; atMs: number; samples: Sample[] }[]> {
    const ahead = await this.#aheadMs();
    const ids = [...this.#options.nodes.values()].map((id) => id.replaceAll(/[.\\"]/g, '\\$&')).join('|');
    // A range selector in an instant query gives samples as they were scraped, at the times of the scrapes: query_range would
    // give values repeated at steps of its own.
    const seconds = Math.max(1, Math.ceil((toMs - fromMs) / 1_000));
    const matrix = Matrix.parse(
      await this.#ask({
        query: `{__name__=~"meridian_.+", node=~"${ids}"}[${seconds}s]`,
        time: String((toMs + ahead) / 1_000),
      }),
    );
    const scrapes = new Map<string, { node: string; atMs: number; samples: Sample[] }>();
    const names = new Map([...this.#options.nodes].map(([name, id]) => [id, name]));
    for (const { metric, values } of matrix) {
      const { __name__: series = '', instance: _instance, job: _job, ...labels } = metric;
      const node = names.get(labels.node ?? '');
      if (node === undefined) continue;
      for (const [atS, text] of values) {
        const value = Number(text);
        if (!Number.isFinite(value)) continue;
        const atMs = atS * 1_000 - ahead;
        const key = `${node} ${atS}`;
        const scrape = scrapes.get(key) ?? { node, atMs, samples: [] };
        scrape.samples.push(this.#options.rename([series, labels, value]));
        scrapes.set(key, scrape);
      }
    }
    return [...scrapes.values()].sort((a, b) => a.atMs - b.atMs);
  }

  /** How far its clock is ahead of ours, ms. */
  async #aheadMs(): Promise<number> {
    let best = { aheadMs: 0, tookMs: Number.POSITIVE_INFINITY };
    for (let question = 0; question < CLOCK_QUESTIONS; question += 1) {
      const asked = recorderMs();
      const [, seconds] = Scalar.parse(await this.#ask({ query: 'time()' }));
      const answered = recorderMs();
      const tookMs = answered - asked;
      if (tookMs < best.tookMs) best = { tookMs, aheadMs: Number(seconds) * 1_000 - (asked + answered) / 2 };
    }
    return best.aheadMs;
  }

  async #ask(parameters: Record<string, string>): Promise<unknown> {
    const { url } = this.#options;
    const reply = await fetch(`${url.replace(/\/$/, '')}/api/v1/query`, {
      method: 'POST',
      body: new URLSearchParams(parameters),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    }).catch((cause: unknown) => {
      throw new MeridianError('config-invalid', { message: `no Prometheus answers at ${url}`, cause });
    });
    const body: unknown = await reply.json().catch(() => undefined);
    const failure = Failure.safeParse(body);
    if (failure.success)
      throw new MeridianError('config-invalid', { message: `Prometheus at ${url}: ${failure.data.error}` });
    const answer = Answer.safeParse(body);
    if (answer.success) return answer.data.data.result;
    throw new MeridianError('config-invalid', { message: `${url} does not answer as Prometheus does` });
  }
}

/** A run's share of what Prometheus keeps. */
export class KeptFigures implements NodeFigures {
  readonly #prometheus: Prometheus;
  readonly #nowMs: () => number;

  /** @param nowMs milliseconds since the run's origin */
  constructor(prometheus: Prometheus, nowMs: () => number) {
    this.#prometheus = prometheus;
    this.#nowMs = nowMs;
  }

  /** Prometheus scrapes. */
  async scrape(): Promise<Scrape[]> {
    return [];
  }

  async keptSince(fromMs: number): Promise<Scrape[]> {
    const originMs = recorderMs() - this.#nowMs();
    const changed = new Map<string, ChangedSamples>();
    const scrapes = await this.#prometheus.samples(originMs + fromMs, recorderMs());
    return scrapes.map(({ node, atMs, samples }) => {
      const known = changed.get(node) ?? new ChangedSamples();
      changed.set(node, known);
      return { type: 'scrape', atMs: atMs - originMs, node, tookMs: 0, samples: known.of(samples) };
    });
  }
}
