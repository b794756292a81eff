import type { ConsumerId } from '@meridian/protocol';
import type { types } from 'mediasoup';
import type { ParticipantStats } from '../ports.ts';
import { consumerReadings, producerReadings } from './streams.ts';
import { summarise } from './summary.ts';

export const transportStat = async (
  transport: types.WebRtcTransport,
): Promise<types.WebRtcTransportStat | undefined> =>
  transport.closed ? undefined : (await transport.getStats().catch((): types.WebRtcTransportStat[] => []))[0];

export async function participantStats(of: {
  send: types.WebRtcTransport;
  recv: types.WebRtcTransport;
  producers: readonly types.Producer[];
  consumers: ReadonlyMap<ConsumerId, types.Consumer>;
}): Promise<ParticipantStats> {
  const consumers = [...of.consumers];
  const [send, recv, up, down] = await Promise.all([
    transportStat(of.send),
    transportStat(of.recv),
    Promise.all(of.producers.map(producerReadings)),
    Promise.all(consumers.map(([, consumer]) => consumerReadings(consumer))),
  ]);
  return {
    // What a participant sends arrives on its send transport.
    up: { ...summarise(up.flat()), bitrate: send?.recvBitrate ?? null },
    down: { ...summarise(down.flat()), bitrate: recv?.sendBitrate ?? null },
    availableOutgoingBitrate: recv?.availableOutgoingBitrate ?? null,
    consumers: consumers.map(([consumerId, consumer]) => ({
      consumerId,
      score: consumer.score.score,
      spatialLayer: consumer.currentLayers?.spatialLayer ?? null,
      temporalLayer: consumer.currentLayers?.temporalLayer ?? null,
    })),
  };
}
