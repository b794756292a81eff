import type { MediaSection } from '@meridian/harness/webrtc';
import type { MediaSource, RtpParameters } from '@meridian/protocol';
import { CAPTURE_TIME_ID, CAPTURE_TIME_URI } from '../media/rtp.ts';

export const sectionOf = (kind: 'audio' | 'video', ssrc: number): MediaSection =>
  kind === 'audio'
    ? { mid: '0', kind, codec: 'opus/48000/2', payloadType: 111, ssrc }
    : { mid: '1', kind, codec: 'VP8/90000', payloadType: 96, ssrc };

/** As `publish` tells the node of it. */
export function described({ mid, kind, payloadType, ssrc }: MediaSection, cname: string) {
  const audio = kind === 'audio';
  const rtpParameters: RtpParameters = {
    mid,
    codecs: [
      {
        mimeType: audio ? 'audio/opus' : 'video/VP8',
        payloadType,
        clockRate: audio ? 48_000 : 90_000,
        ...(audio ? { channels: 2 } : {}),
        parameters: {},
        rtcpFeedback: audio ? [] : [{ type: 'nack', parameter: 'pli' }],
      },
    ],
    headerExtensions: [{ uri: CAPTURE_TIME_URI, id: CAPTURE_TIME_ID }],
    encodings: [{ ssrc }],
    rtcp: { cname },
  };
  const source: MediaSource = audio ? 'microphone' : 'camera';
  return { source, rtpParameters };
}
