import { ortc, type types } from 'mediasoup';

/**
 * What every router of every node of this version takes. RTX, header extensions and RTCP feedback
 * (nack, pli, fir, transport-cc, goog-remb) are added by mediasoup. Payload types are given here and
 * not drawn, so that all routers agree. The order is the order of preference of clients that have none.
 */
export const MEDIA_CODECS: readonly types.RouterRtpCodecCapability[] = [
  {
    kind: 'audio',
    mimeType: 'audio/opus',
    preferredPayloadType: 100,
    clockRate: 48_000,
    channels: 2,
    parameters: { useinbandfec: 1, usedtx: 1, stereo: 0, 'sprop-stereo': 0, minptime: 10 },
  },
  {
    kind: 'video',
    mimeType: 'video/VP8',
    preferredPayloadType: 101,
    clockRate: 90_000,
    parameters: { 'x-google-start-bitrate': 800 },
  },
  {
    kind: 'video',
    mimeType: 'video/VP9',
    preferredPayloadType: 103,
    clockRate: 90_000,
    parameters: { 'profile-id': 0, 'x-google-start-bitrate': 800 },
  },
  {
    kind: 'video',
    mimeType: 'video/H264',
    preferredPayloadType: 105,
    clockRate: 90_000,
    parameters: {
      'packetization-mode': 1,
      // Constrained baseline, level 3.1; the level may differ per direction.
      'profile-level-id': '42e01f',
      'level-asymmetry-allowed': 1,
      'x-google-start-bitrate': 800,
    },
  },
  {
    kind: 'video',
    mimeType: 'video/AV1',
    preferredPayloadType: 107,
    clockRate: 90_000,
    parameters: { profile: 0, 'x-google-start-bitrate': 800 },
  },
];

/** The codecs as mediasoup wants them: a list of its own that it may change. */
export const routerCodecs = (): types.RouterRtpCodecCapability[] => structuredClone([...MEDIA_CODECS]);

/** What a router with these codecs answers as its `rtpCapabilities`, without needing a router. */
export const routerCapabilities = (): types.RtpCapabilities => ortc.generateRouterRtpCapabilities(routerCodecs());
