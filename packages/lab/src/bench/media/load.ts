import {
  type MediaSection,
  openReceivingPeer,
  openSendingPeer,
  type ReceivingPeer,
  rtpPacket,
  type SendingPeer,
  vp8Payload,
} from '@meridian/harness/webrtc';
import type { ProducerId, RtpParameters } from '@meridian/protocol';
import type { ForwardingServer } from './server.ts';

const AUDIO: MediaSection = { mid: '0', kind: 'audio', codec: 'opus/48000/2', payloadType: 111, ssrc: 1_001 };
const VIDEO: MediaSection = { mid: '1', kind: 'video', codec: 'VP8/90000', payloadType: 96, ssrc: 2_001 };
const AUDIO_LEVEL = { uri: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level', id: 10 };
/** A loud voice: speaker detection has to work for it. */
const LEVEL = new Map([[AUDIO_LEVEL.id, Buffer.from([0x80 | 20])]]);

const audioParameters: RtpParameters = {
  codecs: [
    {
      mimeType: 'audio/opus',
      payloadType: AUDIO.payloadType,
      clockRate: 48_000,
      channels: 2,
      parameters: {},
      rtcpFeedback: [],
    },
  ],
  headerExtensions: [AUDIO_LEVEL],
  encodings: [{ ssrc: AUDIO.ssrc }],
  rtcp: { cname: 'bench' },
};

const videoParameters: RtpParameters = {
  codecs: [
    {
      mimeType: 'video/VP8',
      payloadType: VIDEO.payloadType,
      clockRate: 90_000,
      parameters: {},
      rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }],
    },
    {
      mimeType: 'video/rtx',
      payloadType: 97,
      clockRate: 90_000,
      parameters: { apt: VIDEO.payloadType },
      rtcpFeedback: [],
    },
  ],
  encodings: [{ ssrc: VIDEO.ssrc, rtx: { ssrc: VIDEO.ssrc + 1 } }],
  rtcp: { cname: 'bench' },
};

/** A client that publishes a microphone and a camera, packet by packet. */
export class LoadPublisher {
  readonly producerIds: readonly ProducerId[];
  readonly #peer: SendingPeer;
  #audio = 0;
  #video = 0;

  private constructor(peer: SendingPeer, producerIds: readonly ProducerId[]) {
    this.#peer = peer;
    this.producerIds = producerIds;
  }

  static async open(server: ForwardingServer): Promise<LoadPublisher> {
    const { key, transport } = await server.openPublisher();
    const producerIds = [
      await server.publish(key, 'audio', audioParameters),
      await server.publish(key, 'video', videoParameters),
    ];
    const peer = await openSendingPeer({
      transport,
      sections: [AUDIO, VIDEO],
      connect: (dtlsParameters) => server.connect(key, dtlsParameters),
    });
    return new LoadPublisher(peer, producerIds);
  }

  sendAudio(payload: Buffer): void {
    const sequence = ++this.#audio;
    this.#peer.send(
      AUDIO.mid,
      rtpPacket({ ...AUDIO, sequence, timestamp: sequence * 960, extensions: LEVEL, payload }),
    );
  }

  /** Every 500th is a key frame: whoever resumes gets one soon, without being asked. */
  sendVideo(text: string): void {
    const sequence = ++this.#video;
    const payload = vp8Payload({ keyFrame: sequence % 500 === 1, text });
    this.#peer.send(VIDEO.mid, rtpPacket({ ...VIDEO, sequence, timestamp: sequence * 90, marker: true, payload }));
  }

  close(): void {
    this.#peer.close();
  }
}

/** A client that receives everything. */
export async function openLoadViewer(
  server: ForwardingServer,
): Promise<{ peer: ReceivingPeer; sections: MediaSection[] }> {
  const { key, transport, sections } = await server.openViewer();
  const peer = await openReceivingPeer({
    transport,
    sections,
    connect: (dtlsParameters) => server.connect(key, dtlsParameters),
  });
  await server.resume(key);
  return { peer, sections };
}
