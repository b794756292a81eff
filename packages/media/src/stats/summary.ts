import type { LegStats } from '../ports.ts';
import type { StreamReading } from './streams.ts';

const worst = (values: readonly number[]): number | null => (values.length === 0 ? null : Math.max(...values));

/**
 * The worst RTT and jitter of the streams, and the share of packets lost since they began. Streams
 * that carried nothing yet say nothing.
 */
export function summarise(streams: readonly StreamReading[]): Omit<LegStats, 'bitrate'> {
  const live = streams.filter((stream) => stream.counters.packets > 0);
  let lost = 0;
  let expected = 0;
  for (const { counters } of live) {
    lost += Math.max(0, counters.packetsLost);
    expected += counters.packets + Math.max(0, counters.packetsLost);
  }
  return {
    rttMs: worst(live.flatMap((stream) => (stream.rttMs === null ? [] : [stream.rttMs]))),
    jitterMs: worst(live.map((stream) => stream.jitterMs)),
    lossFraction: expected === 0 ? null : lost / expected,
  };
}
