import type { types } from 'mediasoup';
import type { RelayEndStats } from '../ports.ts';
import { consumerReadings, producerReadings, type StreamReading } from './streams.ts';
import { summarise } from './summary.ts';

const packets = (streams: readonly StreamReading[]): number =>
  streams.reduce((sum, stream) => sum + stream.counters.packets, 0);

export async function relayEndStats(of: {
  pipe: types.PipeTransport;
  producers: readonly types.Producer[];
  consumers: readonly types.Consumer[];
}): Promise<RelayEndStats> {
  const [pipe, incoming, outgoing] = await Promise.all([
    of.pipe.getStats().catch((): types.PipeTransportStat[] => []),
    Promise.all(of.producers.map(producerReadings)),
    Promise.all(of.consumers.map(consumerReadings)),
  ]);
  const { rttMs, jitterMs, lossFraction } = summarise([...incoming.flat(), ...outgoing.flat()]);
  return {
    rttMs,
    jitterMs,
    lossFraction,
    bytesSent: pipe[0]?.bytesSent ?? 0,
    bytesReceived: pipe[0]?.bytesReceived ?? 0,
    packetsSent: packets(outgoing.flat()),
    packetsReceived: packets(incoming.flat()),
  };
}
