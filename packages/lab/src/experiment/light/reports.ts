import type { Stream } from '../../load/generator/receiver.ts';
import type { SendCounters } from '../../load/generator/sender.ts';
import { RTP_OVERHEAD_BYTES } from '../../load/media/frame.ts';
import type { StatsReport } from '../record/schema.ts';

/** What a light peer knows of a stream it gets, by the names of W3C webrtc-stats. Nothing is decoded: no frames, no freezes. */
export function inboundReport({ producerId, kind, reception, jitter }: Stream, sender: string): StatsReport {
  return {
    id: `down-${producerId}`,
    type: 'inbound-rtp',
    kind,
    sender,
    direction: 'down',
    packetsReceived: reception.received,
    packetsLost: reception.expected - reception.received,
    bytesReceived: reception.bytes - reception.headerBytes,
    headerBytesReceived: reception.headerBytes,
    jitter: jitter.ms / 1_000,
  };
}

/** What it knows of a stream it sends, and what the node's receiver reports say of it. */
export function outboundReports(kind: 'audio' | 'video', counters: SendCounters): StatsReport[] {
  const { packets, bytes, roundTripMs } = counters;
  const headerBytesSent = packets * RTP_OVERHEAD_BYTES;
  const own: StatsReport = {
    id: `up-${kind}`,
    type: 'outbound-rtp',
    kind,
    direction: 'up',
    packetsSent: packets,
    bytesSent: bytes - headerBytesSent,
    headerBytesSent,
  };
  if (roundTripMs === null) return [own];
  return [
    own,
    {
      id: `up-${kind}-remote`,
      type: 'remote-inbound-rtp',
      kind,
      direction: 'up',
      roundTripTime: roundTripMs / 1_000,
    },
  ];
}
