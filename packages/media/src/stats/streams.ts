import type { types } from 'mediasoup';

type Stat = types.ProducerStat | types.ConsumerStat;

/** What of an RTP stream only grows. */
export interface Counters {
  bytes: number;
  packets: number;
  packetsLost: number;
  retransmitted: number;
  nacks: number;
  plis: number;
  firs: number;
}

/** One RTP stream at one moment, in the units of the ports. */
export interface StreamReading {
  readonly ssrc: number;
  readonly direction: 'in' | 'out';
  readonly rttMs: number | null;
  readonly jitterMs: number;
  readonly bitrate: number;
  readonly counters: Counters;
}

/** The clock rate by which RTP timestamps of this MIME type count, Hz. */
const clockRateOf = (mimeType: string): number => (mimeType.toLowerCase().startsWith('video/') ? 90_000 : 48_000);

export function readStream(stat: Stat): StreamReading {
  return {
    ssrc: stat.ssrc,
    direction: stat.type === 'outbound-rtp' ? 'out' : 'in',
    // 0 means that no report has come yet.
    rttMs: stat.roundTripTime ? stat.roundTripTime : null,
    // mediasoup gives it as RTCP does: in units of the RTP clock.
    jitterMs: (stat.jitter / clockRateOf(stat.mimeType)) * 1000,
    bitrate: stat.bitrate,
    counters: {
      bytes: stat.byteCount,
      packets: stat.packetCount,
      packetsLost: stat.packetsLost,
      retransmitted: stat.packetsRetransmitted,
      nacks: stat.nackCount,
      plis: stat.pliCount,
      firs: stat.firCount,
    },
  };
}

/** 0 to 1. Packets sent include those that were lost; packets received do not. */
export function lossFraction(direction: 'in' | 'out', packets: number, lost: number): number {
  const expected = direction === 'out' ? packets : packets + lost;
  return expected <= 0 ? 0 : Math.min(1, Math.max(0, lost / expected));
}

/** The streams a producer receives; empty when it closed meanwhile. */
export async function producerReadings(producer: types.Producer): Promise<StreamReading[]> {
  if (producer.closed) return [];
  const stats = await producer.getStats().catch((): types.ProducerStat[] => []);
  return stats.map(readStream);
}

/** The streams a consumer sends, without the one it is fed by; empty when it closed meanwhile. */
export async function consumerReadings(consumer: types.Consumer): Promise<StreamReading[]> {
  if (consumer.closed) return [];
  const stats = await consumer.getStats().catch((): (types.ConsumerStat | types.ProducerStat)[] => []);
  return stats.filter((stat) => stat.type === 'outbound-rtp').map(readStream);
}
