import {
  type ConnectServer,
  holdsPli,
  type MediaSection,
  openReceivingPeer,
  openSendingPeer,
  type ReceivingPeer,
  rtpPacket,
  type SendingPeer,
  vp8Payload,
} from '@meridian/harness/webrtc';
import { type MediaSource, type ProducerId, TransportId } from '@meridian/protocol';
import type { OpenedConsumer, ParticipantMedia } from '../../src/index.ts';
import { opusParameters, vp8Parameters } from './rtp.ts';

const AUDIO: MediaSection = { mid: '0', kind: 'audio', codec: 'opus/48000/2', payloadType: 111, ssrc: 1_001 };
const VIDEO: MediaSection = { mid: '1', kind: 'video', codec: 'VP8/90000', payloadType: 96, ssrc: 2_001 };

/** A participant's real WebRTC client that publishes a microphone and a camera. */
export interface Publisher {
  readonly peer: SendingPeer;
  readonly audioId: ProducerId;
  readonly videoId: ProducerId;
  readonly keyFrameRequests: number;
  start(): void;
  close(): void;
}

const connectorOf =
  (participant: ParticipantMedia, transport: 'sendTransport' | 'recvTransport'): ConnectServer =>
  (dtlsParameters) =>
    participant.connect(TransportId.parse(participant[transport].id), dtlsParameters);

export async function connectPublisher(participant: ParticipantMedia): Promise<Publisher> {
  const produce = (kind: 'audio' | 'video', source: MediaSource) =>
    participant.produce({
      transportId: TransportId.parse(participant.sendTransport.id),
      kind,
      source,
      rtpParameters: kind === 'audio' ? opusParameters(AUDIO.ssrc) : vp8Parameters(VIDEO.ssrc),
      paused: false,
    });
  const [audioId, videoId] = [await produce('audio', 'microphone'), await produce('video', 'camera')];
  const peer = await openSendingPeer({
    transport: participant.sendTransport,
    sections: [AUDIO, VIDEO],
    connect: connectorOf(participant, 'sendTransport'),
  });
  let sequence = 0;
  let keyFrameDue = true;
  let keyFrameRequests = 0;
  let timer: NodeJS.Timeout | undefined;
  peer.onRtcp(VIDEO.mid, (packet) => {
    if (!holdsPli(packet)) return;
    keyFrameRequests++;
    keyFrameDue = true;
  });
  const send = () => {
    sequence++;
    const text = `<${sequence}>`;
    peer.send(
      AUDIO.mid,
      rtpPacket({ ...AUDIO, sequence, timestamp: sequence * 960, payload: Buffer.from(`opus ${text}`) }),
    );
    const payload = vp8Payload({ keyFrame: keyFrameDue, text });
    keyFrameDue = false;
    peer.send(VIDEO.mid, rtpPacket({ ...VIDEO, sequence, timestamp: sequence * 1_800, marker: true, payload }));
  };
  return {
    peer,
    audioId,
    videoId,
    get keyFrameRequests() {
      return keyFrameRequests;
    },
    start() {
      timer = setInterval(send, 20);
    },
    close() {
      clearInterval(timer);
      peer.close();
    },
  };
}

/** A participant's real WebRTC client that receives what was consumed for it; counts packets by consumer. */
export async function connectViewer(
  participant: ParticipantMedia,
  consumers: readonly OpenedConsumer[],
): Promise<{ peer: ReceivingPeer; packets: Map<string, Buffer[]> }> {
  const peer = await openReceivingPeer({
    transport: participant.recvTransport,
    sections: consumers.map(sectionOf),
    connect: connectorOf(participant, 'recvTransport'),
  });
  const packets = new Map<string, Buffer[]>();
  for (const consumer of consumers) {
    const received: Buffer[] = [];
    packets.set(consumer.consumerId, received);
    const { mid, ssrc } = sectionOf(consumer);
    // The server probes for bandwidth with packets of another SSRC.
    peer.onRtp(mid, (packet) => {
      if (packet.readUInt32BE(8) === ssrc) received.push(packet);
    });
  }
  return { peer, packets };
}

function sectionOf({ kind, rtpParameters }: OpenedConsumer): MediaSection {
  const [codec] = rtpParameters.codecs;
  const ssrc = rtpParameters.encodings?.[0]?.ssrc;
  const { mid } = rtpParameters;
  if (codec === undefined || ssrc === undefined || mid === undefined) throw new Error('incomplete RTP parameters');
  const [, name = ''] = codec.mimeType.split('/');
  const rate = codec.channels === undefined ? `${codec.clockRate}` : `${codec.clockRate}/${codec.channels}`;
  return { mid, kind, codec: `${name}/${rate}`, payloadType: codec.payloadType, ssrc };
}
