import { MEDIA_CODECS } from '@meridian/media';
import { ProducerId, type RtpCapabilities } from '@meridian/protocol';
import { createWorker, type types } from 'mediasoup';
import { type ForwardingServer, sectionOf, withoutBandwidthEstimation } from './server.ts';

/** The same forwarding by mediasoup alone: the least code that does it, no events, no statistics. */
export async function bareServer(workerBin: string | undefined): Promise<ForwardingServer> {
  const worker = await createWorker({ logLevel: 'warn', ...(workerBin === undefined ? {} : { workerBin }) });
  const listen = { ip: '127.0.0.1' };
  const webRtcServer = await worker.createWebRtcServer({
    listenInfos: [
      { protocol: 'udp', ...listen },
      { protocol: 'tcp', ...listen },
    ],
  });
  const router = await worker.createRouter({ mediaCodecs: structuredClone([...MEDIA_CODECS]) });
  const routerCapabilities: RtpCapabilities = router.rtpCapabilities;
  const rtpCapabilities = withoutBandwidthEstimation(routerCapabilities) as types.RtpCapabilities;
  const transports = new Map<string, types.WebRtcTransport>();
  const consumers = new Map<string, types.Consumer[]>();
  const producerIds: string[] = [];
  const open = async (): Promise<types.WebRtcTransport> => {
    const transport = await router.createWebRtcTransport({
      webRtcServer,
      enableUdp: true,
      enableTcp: true,
      preferUdp: true,
      initialAvailableOutgoingBitrate: 1_000_000,
      enableSctp: true,
    });
    transports.set(transport.id, transport);
    return transport;
  };
  const transportOf = (key: string): types.WebRtcTransport => {
    const transport = transports.get(key);
    if (transport === undefined) throw new Error(`no transport ${key}`);
    return transport;
  };
  const described = ({ id, iceParameters, iceCandidates, dtlsParameters }: types.WebRtcTransport) => ({
    key: id,
    transport: { iceParameters, iceCandidates, dtlsParameters },
  });
  return {
    openPublisher: async () => described(await open()),
    async connect(key, dtlsParameters) {
      await transportOf(key).connect({ dtlsParameters: dtlsParameters as types.DtlsParameters });
    },
    async publish(key, kind, rtpParameters) {
      const producer = await transportOf(key).produce({ kind, rtpParameters: rtpParameters as types.RtpParameters });
      producerIds.push(producer.id);
      return ProducerId.parse(producer.id);
    },
    async openViewer() {
      const transport = await open();
      const opened = await Promise.all(
        producerIds.map((producerId) => transport.consume({ producerId, rtpCapabilities, paused: true })),
      );
      consumers.set(transport.id, opened);
      return { ...described(transport), sections: opened.map((one) => sectionOf(one.kind, one.rtpParameters)) };
    },
    async resume(key) {
      for (const consumer of consumers.get(key) ?? []) await consumer.resume();
    },
    async forwarded() {
      const stats = await Promise.all([...consumers.values()].flat().map((consumer) => consumer.getStats()));
      return stats.flat().reduce((sum, stat) => (stat.type === 'outbound-rtp' ? sum + stat.packetCount : sum), 0);
    },
    workerPid: async () => worker.pid,
    async close() {
      worker.close();
    },
  };
}
