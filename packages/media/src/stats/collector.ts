import type { LinkId, MediaKind } from '@meridian/protocol';
import type { types } from 'mediasoup';
import type { Leg, LegSample, LegTotals } from '../ports.ts';
import type { KeyFrames } from './key-frames.ts';
import { type Counters, consumerReadings, lossFraction, producerReadings, type StreamReading } from './streams.ts';

/** A producer or consumer and the leg it stands for. */
export type Source = { readonly leg: Leg; readonly linkId?: LinkId } & (
  | { readonly producer: types.Producer }
  | { readonly consumer: types.Consumer }
);

type Where = Pick<LegTotals, 'leg' | 'kind' | 'linkId'>;
type Total = Where & Counters & { keyFrames?: number };

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
  readonly #keyFrames: KeyFrames;
  readonly #heights = new WeakMap<object, Map<number, Counters>>();
  readonly #keyFramesBefore = new WeakMap<types.Producer, number>();

  constructor(keyFrames: KeyFrames) {
    this.#keyFrames = keyFrames;
  }

  async collect(sources: readonly Source[]): Promise<{ samples: LegSample[]; totals: LegTotals[] }> {
    const samples: LegSample[] = [];
    const totals = new Map<string, Total>();
    for (let at = 0; at < sources.length; at += AT_ONCE) {
      const batch = sources.slice(at, at + AT_ONCE);
      const readings = await Promise.all(batch.map(readSource));
      batch.forEach((source, i) => {
        const streams = readings[i] ?? [];
        if (streams.length === 0) return;
        const where = whereOf(source);
        const total = totalOf(totals, where);
        for (const reading of streams) this.#add(source, where, reading, total, samples);
        if ('producer' in source && where.kind === 'video') {
          total.keyFrames = (total.keyFrames ?? 0) + this.#newKeyFrames(source.producer);
        }
      });
    }
    return { samples, totals: [...totals.values()] };
  }

  #add(source: Source, where: Where, reading: StreamReading, total: Total, samples: LegSample[]): void {
    const growth = this.#growth(objectOf(source), reading);
    for (const counter of COUNTERS) total[counter] += growth[counter];
    // What stood still says nothing new about the path.
    if (growth.packets === 0) return;
    samples.push({
      ...where,
      ...(reading.rttMs === null ? {} : { rttMs: reading.rttMs }),
      jitterMs: reading.jitterMs,
      lossFraction: lossFraction(reading.direction, growth.packets, growth.packetsLost),
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

  #newKeyFrames(producer: types.Producer): number {
    const now = this.#keyFrames.of(producer);
    const before = this.#keyFramesBefore.get(producer) ?? 0;
    this.#keyFramesBefore.set(producer, now);
    return now - before;
  }
}

const objectOf = (source: Source): types.Producer | types.Consumer =>
  'producer' in source ? source.producer : source.consumer;

const kindOf = (source: Source): MediaKind => objectOf(source).kind;

const readSource = (source: Source): Promise<StreamReading[]> =>
  'producer' in source ? producerReadings(source.producer) : consumerReadings(source.consumer);

const whereOf = (source: Source): Where => ({
  leg: source.leg,
  kind: kindOf(source),
  ...(source.linkId === undefined ? {} : { linkId: source.linkId }),
});

function totalOf(totals: Map<string, Total>, where: Where): Total {
  const key = `${where.leg} ${where.kind} ${where.linkId ?? ''}`;
  let total = totals.get(key);
  if (total === undefined) {
    total = { ...where, ...zero() };
    totals.set(key, total);
  }
  return total;
}
