import type { LinkId, MediaKind } from '@meridian/protocol';
import type { types } from 'mediasoup';
import type { Leg, LegSample, LegTotals } from '../ports.ts';
import { type Counters, consumerReadings, producerReadings, type StreamReading } from './streams.ts';

/** A producer or consumer and the leg it stands for. */
export type Source = { readonly leg: Leg; readonly linkId?: LinkId } & (
  | { readonly producer: types.Producer }
  | { readonly consumer: types.Consumer }
);

const COUNTERS = ['bytes', 'packets', 'packetsLost', 'retransmitted', 'nacks', 'plis', 'firs'] as const;
/** How many objects are asked at once, so that a pass does not flood the workers' channels. */
const AT_ONCE = 64;

const zero = (): Counters => ({
  bytes: 0,
  packets: 0,
  packetsLost: 0,
  retransmitted: 0,
  nacks: 0,
  plis: 0,
  firs: 0,
});

/**
 * Turns mediasoup's counters into growth since the pass before. A counter that falls (a stream that
 * began anew; losses that were made good) counts as no growth until it passes its old height.
 */
export class Collector {
  readonly #heights = new WeakMap<object, Map<number, Counters>>();

  async collect(sources: readonly Source[]): Promise<{ samples: LegSample[]; totals: LegTotals[] }> {
    const samples: LegSample[] = [];
    const totals = new Map<string, LegTotals & Counters>();
    for (let at = 0; at < sources.length; at += AT_ONCE) {
      const batch = sources.slice(at, at + AT_ONCE);
      const readings = await Promise.all(batch.map(readSource));
      batch.forEach((source, i) => {
        for (const reading of readings[i] ?? []) this.#add(source, reading, samples, totals);
      });
    }
    return { samples, totals: [...totals.values()] };
  }

  #add(source: Source, reading: StreamReading, samples: LegSample[], totals: Map<string, LegTotals & Counters>): void {
    const object = objectOf(source);
    const growth = this.#growth(object, reading);
    const where = legOf(source, object.kind);
    const key = `${where.leg} ${where.kind} ${where.linkId ?? ''}`;
    let total = totals.get(key);
    if (total === undefined) {
      total = { ...where, ...zero() };
      totals.set(key, total);
    }
    for (const counter of COUNTERS) total[counter] += growth[counter];
    if (growth.packets === 0) return;
    samples.push({
      ...where,
      ...(reading.rttMs === null ? {} : { rttMs: reading.rttMs }),
      jitterMs: reading.jitterMs,
      lossFraction: growth.packetsLost / (growth.packets + growth.packetsLost),
    });
  }

  #growth(object: object, { ssrc, counters }: StreamReading): Counters {
    let streams = this.#heights.get(object);
    if (streams === undefined) {
      streams = new Map();
      this.#heights.set(object, streams);
    }
    const height = streams.get(ssrc) ?? zero();
    const growth = zero();
    for (const counter of COUNTERS) {
      growth[counter] = Math.max(0, counters[counter] - height[counter]);
      height[counter] = Math.max(height[counter], counters[counter]);
    }
    streams.set(ssrc, height);
    return growth;
  }
}

const objectOf = (source: Source): types.Producer | types.Consumer =>
  'producer' in source ? source.producer : source.consumer;

const readSource = (source: Source): Promise<StreamReading[]> =>
  'producer' in source ? producerReadings(source.producer) : consumerReadings(source.consumer);

const legOf = (source: Source, kind: MediaKind): { leg: Leg; kind: MediaKind; linkId?: LinkId } => ({
  leg: source.leg,
  kind,
  ...(source.linkId === undefined ? {} : { linkId: source.linkId }),
});
