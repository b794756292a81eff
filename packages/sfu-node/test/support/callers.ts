import {
  type ConnectServer,
  type MediaSection,
  openReceivingPeer,
  openSendingPeer,
  rtpPacket,
  vp8Payload,
} from '@meridian/harness/webrtc';
import type { ConsumerOptions, ProducerId } from '@meridian/protocol';
import { opusParameters, vp8Parameters } from './rtp.ts';
import type { Joined } from './test-cluster.ts';

const connector =
  ({ client, joined }: Joined, transport: 'sendTransport' | 'recvTransport'): ConnectServer =>
  async (dtlsParameters) => {
    await client.request('connect-transport', { transportId: joined[transport].id, dtlsParameters });
  };

const required = <T>(value: T | undefined, what: string): T => {
  if (value === undefined) throw new Error(`no ${what}`);
  return value;
};

export interface Caller {
  readonly audioId: ProducerId;
  readonly videoId: ProducerId;
  /** Pairs of audio and video packets that were sent. */
  readonly sent: number;
  start(): void;
  /** Sends nothing any more. */
  stop(): void;
  close(): void;
}

/** A participant with a real WebRTC client that publishes a microphone and a camera through the signalling. */
export async function callFrom(who: Joined): Promise<Caller> {
  const parameters = { audio: opusParameters(), video: vp8Parameters() };
  const ssrcOf = (kind: 'audio' | 'video') => required(parameters[kind].encodings?.[0]?.ssrc, 'SSRC');
  const midOf = (kind: 'audio' | 'video') => required(parameters[kind].mid, 'mid');
  const audio: MediaSection = {
    mid: midOf('audio'),
    kind: 'audio',
    codec: 'opus/48000/2',
    payloadType: 111,
    ssrc: ssrcOf('audio'),
  };
  const video: MediaSection = {
    mid: midOf('video'),
    kind: 'video',
    codec: 'VP8/90000',
    payloadType: 96,
    ssrc: ssrcOf('video'),
  };
  const publish = (kind: 'audio' | 'video') =>
    who.client.request('publish', {
      transportId: who.joined.sendTransport.id,
      kind,
      source: kind === 'audio' ? 'microphone' : 'camera',
      rtpParameters: parameters[kind],
    });
  const [{ producerId: audioId }, { producerId: videoId }] = [await publish('audio'), await publish('video')];
  const peer = await openSendingPeer({
    transport: who.joined.sendTransport,
    sections: [audio, video],
    connect: connector(who, 'sendTransport'),
  });
  let sent = 0;
  let timer: NodeJS.Timeout | undefined;
  const send = () => {
    const sequence = ++sent;
    const payload = Buffer.alloc(80, sequence);
    peer.send(audio.mid, rtpPacket({ ...audio, sequence, timestamp: sequence * 960, payload }));
    const frame = vp8Payload({ keyFrame: sequence % 25 === 1, text: 'x'.repeat(600) });
    peer.send(video.mid, rtpPacket({ ...video, sequence, timestamp: sequence * 1_800, marker: true, payload: frame }));
  };
  return {
    audioId,
    videoId,
    get sent() {
      return sent;
    },
    start() {
      timer = setInterval(send, 10);
    },
    stop() {
      clearInterval(timer);
    },
    close() {
      clearInterval(timer);
      peer.close();
    },
  };
}

/** A participant's real WebRTC client that receives what the node has opened for it. */
export async function receive(
  who: Joined,
  consumers: readonly ConsumerOptions[],
): Promise<{ received: (kind: 'audio' | 'video') => number; close: () => void }> {
  const counts = { audio: 0, video: 0 };
  const sections = consumers.map(({ kind, rtpParameters }): MediaSection => {
    const codec = required(rtpParameters.codecs[0], 'codec');
    const [, name = ''] = codec.mimeType.split('/');
    return {
      mid: required(rtpParameters.mid, 'mid'),
      kind,
      codec: `${name}/${codec.clockRate}${codec.channels === undefined ? '' : `/${codec.channels}`}`,
      payloadType: codec.payloadType,
      ssrc: required(rtpParameters.encodings?.[0]?.ssrc, 'SSRC'),
    };
  });
  const peer = await openReceivingPeer({
    transport: who.joined.recvTransport,
    sections,
    connect: connector(who, 'recvTransport'),
  });
  for (const { mid, kind, ssrc } of sections) {
    peer.onRtp(mid, (packet) => {
      if (packet.readUInt32BE(8) === ssrc) counts[kind] += 1;
    });
  }
  return { received: (kind) => counts[kind], close: () => peer.close() };
}
