import type { RtpParameters } from '@meridian/protocol';

export const AUDIO_LEVEL_EXTENSION = { uri: 'urn:ietf:params:rtp-hdrext:ssrc-audio-level', id: 10 };

export const opusParameters = (ssrc: number): RtpParameters => ({
  codecs: [
    {
      mimeType: 'audio/opus',
      payloadType: 111,
      clockRate: 48_000,
      channels: 2,
      parameters: { useinbandfec: 1, usedtx: 1 },
      rtcpFeedback: [{ type: 'transport-cc' }],
    },
  ],
  headerExtensions: [AUDIO_LEVEL_EXTENSION],
  encodings: [{ ssrc }],
  rtcp: { cname: 'test' },
});

export const vp8Parameters = (...ssrcs: number[]): RtpParameters => ({
  codecs: [
    {
      mimeType: 'video/VP8',
      payloadType: 96,
      clockRate: 90_000,
      parameters: {},
      rtcpFeedback: [{ type: 'nack' }, { type: 'nack', parameter: 'pli' }, { type: 'ccm', parameter: 'fir' }],
    },
    { mimeType: 'video/rtx', payloadType: 97, clockRate: 90_000, parameters: { apt: 96 }, rtcpFeedback: [] },
  ],
  headerExtensions: [],
  encodings: ssrcs.map((ssrc) => ({ ssrc, rtx: { ssrc: ssrc + 1 } })),
  rtcp: { cname: 'test' },
});
