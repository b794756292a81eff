import {
  createMediaEngine,
  type MediasoupEngine,
  type ParticipantMedia,
  type RelayEnd,
  type RoomMedia,
} from '@meridian/media';
import { type ConsumerId, LinkId, type ProducerId, RoomId, SessionId, TransportId } from '@meridian/protocol';
import { type RelayingServer, sectionOf, withoutBandwidthEstimation } from './server.ts';

/** How often a node reads its statistics for Prometheus, milliseconds. */
const COLLECT_EVERY_MS = 5_000;

/** Forwarding by this project's engine, with what a node runs besides: statistics and speaker events. */
export async function engineServer(workerBin: string | undefined): Promise<RelayingServer> {
  const engine: MediasoupEngine = await createMediaEngine({
    workers: 1,
    workerBin,
    webRtcServer: { listenIp: '127.0.0.1', port: 0 },
    pipe: { listenIp: '127.0.0.1', portRange: { min: 30_000, max: 32_000 } },
    maxIncomingBitrate: 0,
    emptyRoomLingerMs: 3_600_000,
  });
  const room: RoomMedia = await engine.openRoom(RoomId.parse('bench'));
  const rtpCapabilities = withoutBandwidthEstimation(engine.routerRtpCapabilities);
  const participants = new Map<string, ParticipantMedia>();
  const consumers = new Map<string, ConsumerId[]>();
  const published: ProducerId[] = [];
  let speakerEvents = 0;
  let forwarded = 0;
  let end: RelayEnd | undefined;
  room.on('active-speakers', () => speakerEvents++);
  const collect = async () => {
    for (const { leg, packets } of (await engine.collect()).totals) if (leg === 'client-down') forwarded += packets;
  };
  const collecting = setInterval(() => void collect(), COLLECT_EVERY_MS);
  const join = async (): Promise<ParticipantMedia> => {
    const sessionId = SessionId.parse(`s${participants.size}`);
    const participant = await room.openParticipant({ sessionId, rtpCapabilities });
    participants.set(sessionId, participant);
    return participant;
  };
  const participantOf = (key: string): ParticipantMedia => {
    const participant = participants.get(key);
    if (participant === undefined) throw new Error(`no participant ${key}`);
    return participant;
  };
  const relayEnd = (): RelayEnd => {
    if (end === undefined) throw new Error('no relay end');
    return end;
  };
  return {
    async openPublisher() {
      const participant = await join();
      return { key: participant.sessionId, transport: participant.sendTransport };
    },
    async connect(key, dtlsParameters) {
      const participant = participantOf(key);
      const transport = consumers.has(key) ? participant.recvTransport : participant.sendTransport;
      await participant.connect(TransportId.parse(transport.id), dtlsParameters);
    },
    async publish(key, kind, rtpParameters) {
      const participant = participantOf(key);
      const producerId = await participant.produce({
        transportId: TransportId.parse(participant.sendTransport.id),
        kind,
        source: kind === 'audio' ? 'microphone' : 'camera',
        rtpParameters,
        paused: false,
      });
      published.push(producerId);
      return producerId;
    },
    async openViewer() {
      const participant = await join();
      const opened = await Promise.all(published.map((producerId) => participant.consume(producerId)));
      consumers.set(
        participant.sessionId,
        opened.map(({ consumerId }) => consumerId),
      );
      const sections = opened.map(({ kind, rtpParameters }) => sectionOf(kind, rtpParameters));
      return { key: participant.sessionId, transport: participant.recvTransport, sections };
    },
    async resume(key) {
      for (const consumerId of consumers.get(key) ?? []) await participantOf(key).resumeConsumer(consumerId);
    },
    async forwarded() {
      await collect();
      return forwarded;
    },
    async workerPid() {
      const [worker] = (await engine.dump()).workers;
      if (worker === undefined) throw new Error('no worker');
      return worker.pid;
    },
    async openRelayEnd(role) {
      end = await room.openRelayEnd({ linkId: LinkId.parse('bench'), role });
      return end.endpoint;
    },
    connectRelay: (remote) => relayEnd().connect(remote),
    offer: (producerId) => relayEnd().offer(producerId),
    async accept(relayed) {
      await relayEnd().accept(relayed);
      published.push(relayed.producerId);
    },
    async close() {
      clearInterval(collecting);
      await engine.close();
    },
  };
}
