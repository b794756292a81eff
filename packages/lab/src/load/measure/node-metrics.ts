import { samplesOf } from '../../experiment/measure/series.ts';
import type { Sample } from '../../experiment/record/schema.ts';

/** What a node says of itself to Prometheus, as far as load goes. Counters since the node began. */
export interface NodeReading {
  readonly node: string;
  /** CPU time of the node's own process, workers not included, seconds. */
  readonly processCpuS: number;
  readonly rssBytes: number;
  readonly workers: readonly { readonly worker: string; readonly cpuS: number; readonly rssBytes: number }[];
  readonly participants: number;
  readonly consumers: number;
  readonly relayLinks: number;
  /** RTP packets sent to clients, and over relays to other nodes. */
  readonly toClients: number;
  readonly toNodes: number;
}

/** Reads the metrics of a whole cluster at once. */
export interface MetricsSource {
  /** Nodes that do not answer are left out. */
  read(): Promise<NodeReading[]>;
}

const TIMEOUT_MS = 3_000;

/** @param samples of one node */
export function readingOf(node: string, samples: readonly Sample[]): NodeReading {
  const sum = (name: string, labels: Readonly<Record<string, string>> = {}) =>
    samples
      .filter(([one, its]) => one === name && Object.entries(labels).every(([label, value]) => its[label] === value))
      .reduce((total, [, , value]) => total + value, 0);
  const workers = new Set(
    samples.flatMap(([name, { worker }]) =>
      name === 'meridian_worker_cpu_seconds_total' && worker !== undefined ? [worker] : [],
    ),
  );
  return {
    node,
    processCpuS: sum('meridian_process_cpu_seconds_total'),
    rssBytes: sum('meridian_process_resident_memory_bytes'),
    workers: [...workers].map((worker) => ({
      worker,
      cpuS: sum('meridian_worker_cpu_seconds_total', { worker }),
      rssBytes: sum('meridian_worker_resident_memory_bytes', { worker }),
    })),
    participants: sum('meridian_participants'),
    consumers: sum('meridian_consumers'),
    relayLinks: sum('meridian_relay_links'),
    toClients: sum('meridian_media_packets_total', { leg: 'client-down' }),
    toNodes: sum('meridian_media_packets_total', { leg: 'relay-out' }),
  };
}

/** Asks every node itself. */
export class NodePages implements MetricsSource {
  readonly #urls: readonly string[];
  readonly #token: string | undefined;

  /** @param urls base URLs of the nodes; @param token bearer token of /metrics, where one is needed */
  constructor(urls: readonly string[], token?: string) {
    this.#urls = urls;
    this.#token = token;
  }

  async read(): Promise<NodeReading[]> {
    const pages = await Promise.all(this.#urls.map((url) => this.#page(url).catch(() => undefined)));
    return pages.filter((page) => page !== undefined);
  }

  /** @throws Error when one does not answer: a wrong address should be told at once */
  async check(): Promise<void> {
    await Promise.all(this.#urls.map((url) => this.#page(url)));
  }

  async #page(url: string): Promise<NodeReading> {
    const address = `${url.replace(/\/$/, '')}/metrics`;
    const reply = await fetch(address, {
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(this.#token === undefined ? {} : { headers: { authorization: `Bearer ${this.#token}` } }),
    });
    if (!reply.ok) throw new Error(`${address} answers ${reply.status}`);
    const samples = samplesOf(await reply.text());
    const node = samples.find(([name]) => name === 'meridian_info')?.[1].node;
    if (node === undefined) throw new Error(`${address} is not that of a Meridian node`);
    return readingOf(node, samples);
  }
}
