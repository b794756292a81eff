import parsePrometheusTextFormat from 'parse-prometheus-text-format';
import type { Sample, Scrape } from '../record/schema.ts';

/**
 * All samples of a page of metrics as Prometheus stores them: histograms as `_bucket` with `le`, `_sum`, `_count`. Values
 * that JSON does not know (NaN, infinities: nothing has been observed yet) are left out.
 */
export function samplesOf(text: string): Sample[] {
  // Without the types: told that something is a histogram, the parser puts all its label sets into one.
  const untyped = text.replace(/^#.*\n?/gm, '');
  return parsePrometheusTextFormat(untyped).flatMap(({ name, metrics }) =>
    metrics.flatMap(({ labels = {}, value }): Sample[] => {
      const number = Number(value);
      return value !== undefined && Number.isFinite(number) ? [[name, labels, number]] : [];
    }),
  );
}

const keyOf = ([name, labels]: Sample): string =>
  `${name}{${Object.entries(labels)
    .map(([label, value]) => `${label}=${JSON.stringify(value)}`)
    .sort()
    .join(',')}}`;

/** Leaves out what has not changed since the call before. */
export class ChangedSamples {
  readonly #known = new Map<string, number>();

  of(samples: readonly Sample[]): Sample[] {
    return samples.filter((sample) => {
      const key = keyOf(sample);
      const changed = this.#known.get(key) !== sample[2];
      this.#known.set(key, sample[2]);
      return changed;
    });
  }
}

/** The series of a run: what a node's metrics were at any time. */
export class Series {
  readonly #byNode = new Map<string, Scrape[]>();

  constructor(scrapes: readonly Scrape[]) {
    for (const scrape of scrapes) {
      const known = this.#byNode.get(scrape.node);
      if (known === undefined) this.#byNode.set(scrape.node, [scrape]);
      else known.push(scrape);
    }
  }

  get nodes(): string[] {
    return [...this.#byNode.keys()];
  }

  /**
   * Sum over a metric's series whose labels match, as of the last scrape at or before `atMs`; undefined before the
   * first scrape.
   */
  sumAt(node: string, metric: string, labels: Readonly<Record<string, string>>, atMs: number): number | undefined {
    const latest = new Map<string, number>();
    let scraped = false;
    for (const scrape of this.#byNode.get(node) ?? []) {
      if (scrape.atMs > atMs) break;
      scraped = true;
      for (const sample of scrape.samples) {
        if (sample[0] !== metric) continue;
        if (Object.entries(labels).every(([label, value]) => sample[1][label] === value)) {
          latest.set(keyOf(sample), sample[2]);
        }
      }
    }
    return scraped ? [...latest.values()].reduce((sum, value) => sum + value, 0) : undefined;
  }

  /** How much a counter rose between the scrapes nearest to two times, and the times of those scrapes. */
  increase(
    node: string,
    metric: string,
    labels: Readonly<Record<string, string>>,
    window: { readonly fromMs: number; readonly toMs: number },
  ): { readonly by: number; readonly fromMs: number; readonly toMs: number } | undefined {
    const times = (this.#byNode.get(node) ?? []).map(({ atMs }) => atMs);
    const fromMs = times.findLast((atMs) => atMs <= window.fromMs) ?? times[0];
    const toMs = times.find((atMs) => atMs >= window.toMs) ?? times.at(-1);
    if (fromMs === undefined || toMs === undefined || toMs <= fromMs) return undefined;
    const before = this.sumAt(node, metric, labels, fromMs);
    const after = this.sumAt(node, metric, labels, toMs);
    return before === undefined || after === undefined ? undefined : { by: after - before, fromMs, toMs };
  }
}
