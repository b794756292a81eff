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
export async function callFrom(
  who: Joined,
  { replaces = {} }: { replaces?: { audio?: ProducerId; video?: ProducerId } } = {},
): Promise<Caller> {
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
  const publish = (kind: 'audio' | 'video') => {
    const former = replaces[kind];
    return who.client.request('publish', {
      transportId: who.joined.sendTransport.id,
      kind,
      source: kind === 'audio' ? 'microphone' : 'camera',
      rtpParameters: parameters[kind],
      ...(former === undefined ? {} : { replaces: former }),
    });
  };
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

/** What arrived of the consumers that a participant's client has opened. */
export interface Receiver {
  /** Packets, by kind. */
  received(kind: 'audio' | 'video'): number;
  receivedOf(producerId: ProducerId): number;
  /** The longest time without a packet of this kind from whatever producer, since the first one. Milliseconds. */
  longestGapMs(kind: 'audio' | 'video'): number;
  /** Opens these as well. */
  add(consumers: readonly ConsumerOptions[]): Promise<void>;
  close(): void;
}

function sectionOf({ kind, rtpParameters }: ConsumerOptions): MediaSection {
  const codec = required(rtpParameters.codecs[0], 'codec');
  const [, name = ''] = codec.mimeType.split('/');
  return {
    mid: required(rtpParameters.mid, 'mid'),
    kind,
    codec: `${name}/${codec.clockRate}${codec.channels === undefined ? '' : `/${codec.channels}`}`,
    payloadType: codec.payloadType,
    ssrc: required(rtpParameters.encodings?.[0]?.ssrc, 'SSRC'),
  };
}

/** A participant's real WebRTC client that receives what the node has opened for it. */
export async function receive(who: Joined, consumers: readonly ConsumerOptions[]): Promise<Receiver> {
  const counts = { audio: 0, video: 0 };
  const ofProducer = new Map<ProducerId, number>();
  const last = { audio: Number.NaN, video: Number.NaN };
  const gaps = { audio: 0, video: 0 };
  const peer = await openReceivingPeer({
    transport: who.joined.recvTransport,
    sections: consumers.map(sectionOf),
    connect: connector(who, 'recvTransport'),
  });
  const listen = (consumer: ConsumerOptions): void => {
    const { mid, kind, ssrc } = sectionOf(consumer);
    peer.onRtp(mid, (packet) => {
      if (packet.readUInt32BE(8) !== ssrc) return;
      const now = performance.now();
      if (!Number.isNaN(last[kind])) gaps[kind] = Math.max(gaps[kind], now - last[kind]);
      last[kind] = now;
      counts[kind] += 1;
      ofProducer.set(consumer.producerId, (ofProducer.get(consumer.producerId) ?? 0) + 1);
    });
  };
  for (const consumer of consumers) listen(consumer);
  return {
    received: (kind) => counts[kind],
    receivedOf: (producerId) => ofProducer.get(producerId) ?? 0,
    longestGapMs: (kind) => gaps[kind],
    add: async (more) => {
      await peer.add(more.map(sectionOf));
      for (const consumer of more) listen(consumer);
    },
    close: () => peer.close(),
  };
}
