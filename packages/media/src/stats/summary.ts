import type { LegStats } from '../ports.ts';
import { lossFraction, type StreamReading } from './streams.ts';

const worst = (values: readonly number[]): number | null => (values.length === 0 ? null : Math.max(...values));

/**
 * The worst RTT and jitter of the streams, and the share of packets lost since they began (weighted by
 * packets). Streams that carried nothing yet say nothing.
 */
export function summarise(streams: readonly StreamReading[]): Omit<LegStats, 'bitrate'> {
  const live = streams.filter((stream) => stream.counters.packets > 0);
  const losses = live.map(({ direction, counters }) => ({
    packets: counters.packets,
    fraction: lossFraction(direction, counters.packets, counters.packetsLost),
  }));
  const packets = losses.reduce((sum, loss) => sum + loss.packets, 0);
  return {
    rttMs: worst(live.flatMap((stream) => (stream.rttMs === null ? [] : [stream.rttMs]))),
    jitterMs: worst(live.map((stream) => stream.jitterMs)),
    lossFraction: packets === 0 ? null : losses.reduce((sum, loss) => sum + loss.fraction * loss.packets, 0) / packets,
  };
}
