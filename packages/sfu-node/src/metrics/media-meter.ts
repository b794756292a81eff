import type { LegSample, LegTotals, MediaEngine, MediaReport } from '@meridian/media';
import type { LinkId, NodeId } from '@meridian/protocol';
import type { Cancel, Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';
import type { NodeMetrics } from './node-metrics.ts';

export interface MediaMeterOptions {
  readonly media: MediaEngine;
  readonly metrics: NodeMetrics;
  readonly clock: Clock;
  readonly log: Logger;
  /** The node at the other end of a link. */
  readonly remoteOf: (linkId: LinkId) => { node: NodeId; region: string } | undefined;
  readonly everyMs: number;
}

/** Reads the media's statistics every few seconds into the metrics. */
export class MediaMeter {
  readonly #options: MediaMeterOptions;
  readonly #cancel: Cancel;
  readonly #workerCpu = new Map<number, { pid: number; cpuSeconds: number }>();
  #reading: Promise<void> | undefined;

  constructor(options: MediaMeterOptions) {
    this.#options = options;
    this.#cancel = options.clock.every(options.everyMs, () => void this.read());
  }

  /** One reading; a call during a reading gets that one. Never rejects. */
  read(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async close(): Promise<void> {
    this.#cancel();
    await this.#reading;
  }

  async #read(): Promise<void> {
    try {
      this.record(await this.#options.media.collect());
    } catch (error) {
      this.#options.log.debug({ err: error }, 'the media could not be measured');
    }
  }

  record(report: MediaReport): void {
    for (const totals of report.totals) this.#totals(totals);
    for (const sample of report.samples) this.#sample(sample);
    this.#workers(report.workers);
  }

  #totals(totals: LegTotals): void {
    const { metrics, remoteOf } = this.#options;
    const { leg, kind, linkId } = totals;
    const labels = { leg, kind };
    metrics.mediaBytes.inc(labels, totals.bytes);
    metrics.mediaPackets.inc(labels, totals.packets);
    metrics.mediaPacketsLost.inc(labels, totals.packetsLost);
    metrics.mediaRetransmitted.inc(labels, totals.retransmitted);
    metrics.mediaNacks.inc(labels, totals.nacks);
    metrics.mediaPlis.inc(labels, totals.plis);
    metrics.mediaFirs.inc(labels, totals.firs);
    if (totals.keyFrames !== undefined) metrics.mediaKeyFrames.inc(labels, totals.keyFrames);
    const remote = linkId === undefined ? undefined : remoteOf(linkId);
    if (remote === undefined) return;
    const relay = {
      direction: leg === 'relay-in' ? 'in' : 'out',
      kind,
      remote_node: remote.node,
      remote_region: remote.region,
    };
    metrics.relayBytes.inc(relay, totals.bytes);
    metrics.relayPackets.inc(relay, totals.packets);
    metrics.relayPacketsLost.inc(relay, totals.packetsLost);
  }

  #sample({ leg, kind, linkId, rttMs, jitterMs, lossFraction }: LegSample): void {
    const { metrics, remoteOf } = this.#options;
    const labels = { leg, kind };
    if (rttMs !== undefined) metrics.legRtt.observe(labels, rttMs / 1_000);
    if (jitterMs !== undefined) metrics.legJitter.observe(labels, jitterMs / 1_000);
    if (lossFraction !== undefined) metrics.legLoss.observe(labels, lossFraction);
    const remote = linkId === undefined ? undefined : remoteOf(linkId);
    if (remote === undefined) return;
    const relay = { remote_node: remote.node, remote_region: remote.region };
    if (rttMs !== undefined) metrics.relayRtt.observe(relay, rttMs / 1_000);
    if (jitterMs !== undefined) metrics.relayJitter.observe(relay, jitterMs / 1_000);
    if (lossFraction !== undefined) metrics.relayLoss.observe(relay, lossFraction);
  }

  #workers(workers: MediaReport['workers']): void {
    const { metrics } = this.#options;
    metrics.workerMemory.reset();
    metrics.workerRouters.reset();
    metrics.workerConsumers.reset();
    for (const { index, pid, cpuSeconds, rssBytes, routers, consumers } of workers) {
      const worker = String(index);
      const before = this.#workerCpu.get(index);
      // A worker that took a dead one's place starts from zero.
      const since = before?.pid === pid ? before.cpuSeconds : 0;
      metrics.workerCpuSeconds.inc({ worker }, Math.max(0, cpuSeconds - since));
      this.#workerCpu.set(index, { pid, cpuSeconds });
      metrics.workerMemory.set({ worker }, rssBytes);
      metrics.workerRouters.set({ worker }, routers);
      metrics.workerConsumers.set({ worker }, consumers);
    }
  }
}
