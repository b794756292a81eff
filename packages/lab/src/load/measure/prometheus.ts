import { parseOrThrow } from '@meridian/protocol';
import { z } from 'zod';
import type { Sample } from '../../experiment/record/schema.ts';
import { type MetricsSource, type NodeReading, readingOf } from './node-metrics.ts';

const TIMEOUT_MS = 5_000;
const QUERY =
  '{__name__=~"meridian_(info|process_cpu_seconds_total|process_resident_memory_bytes|worker_cpu_seconds_total|worker_resident_memory_bytes|participants|consumers|relay_links|media_packets_total)",node!=""}';

/** As far as it is used: https://prometheus.io/docs/prometheus/latest/querying/api/ (instant queries). */
const Answer = z.object({
  status: z.literal('success'),
  data: z.object({
    resultType: z.literal('vector'),
    result: z.array(z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) })),
  }),
});

/** Asks the Prometheus that scrapes the nodes: as fresh as its scrapes are. */
export class PrometheusServer implements MetricsSource {
  readonly #url: URL;

  /** @param url its base URL; @throws TypeError for what is no URL */
  constructor(url: string) {
    this.#url = new URL('api/v1/query', url.endsWith('/') ? url : `${url}/`);
    this.#url.searchParams.set('query', QUERY);
  }

  async read(): Promise<NodeReading[]> {
    return await this.#ask().catch(() => []);
  }

  /** @throws Error when it does not answer, or knows no node */
  async check(): Promise<void> {
    if ((await this.#ask()).length === 0) throw new Error(`${this.#url.origin} knows no Meridian node`);
  }

  async #ask(): Promise<NodeReading[]> {
    const reply = await fetch(this.#url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!reply.ok) throw new Error(`${this.#url.origin} answers ${reply.status}`);
    const { data } = parseOrThrow(Answer, await reply.json(), 'internal', "Prometheus's answer");
    const byNode = new Map<string, Sample[]>();
    for (const { metric, value } of data.result) {
      const { __name__: name = '', node = '', ...labels } = metric;
      byNode.set(node, [...(byNode.get(node) ?? []), [name, labels, Number(value[1])]]);
    }
    return [...byNode].map(([node, samples]) => readingOf(node, samples));
  }
}
