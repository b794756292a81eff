import { assertNever, type MediaSource } from '@meridian/protocol';
import type { types } from 'mediasoup-client';

type Encoding = types.RtpEncodingParameters;

/** What video may be sent in. */
export const VIDEO_CODECS = ['vp8', 'vp9', 'av1', 'h264'] as const;
export type VideoCodec = (typeof VIDEO_CODECS)[number];

export const isVideoCodec = (text: string | null | undefined): text is VideoCodec =>
  VIDEO_CODECS.some((codec) => codec === text);

/** VP8: every browser sends and receives it, and its simulcast is proven. */
export const DEFAULT_VIDEO_CODEC: VideoCodec = 'vp8';

/** Shares of the full picture's bit rate that the lower layers get, from the smallest layer up. */
const LAYERS: readonly { readonly scaleDownBy: number; readonly maxBitrate: number; readonly maxFramerate?: number }[] =
  [
    { scaleDownBy: 4, maxBitrate: 150_000, maxFramerate: 15 },
    { scaleDownBy: 2, maxBitrate: 500_000 },
    { scaleDownBy: 1, maxBitrate: 1_500_000 },
  ];

/** Number of spatial layers of a camera; 0 is the smallest. */
export const CAMERA_LAYERS = LAYERS.length;

/**
 * One stream that holds all layers, each smaller picture the base of the next one in key frames only, so
 * that a node can forward any of them alone. Cheaper than the sum of the simulcast streams.
 */
const SVC_CAMERA: Encoding = { scalabilityMode: 'L3T3_KEY', maxBitrate: 1_500_000 };

/** One layer, sharp rather than smooth; `dtx` tells mediasoup that a still picture is no dead stream. */
const SCREEN: Encoding = { maxBitrate: 2_500_000, maxFramerate: 15, dtx: true };

/** What leaves the browser for each source in this codec. Bit rates in bit/s. */
export function encodingsOf(source: MediaSource, codec: VideoCodec = DEFAULT_VIDEO_CODEC): Encoding[] | undefined {
  switch (source) {
    case 'camera':
      // Encoders of H.264, most of them in hardware, know no temporal layers.
      return isScalable(codec) ? [{ ...SVC_CAMERA }] : simulcast(codec === 'h264' ? 'L1T1' : 'L1T3');
    case 'screen':
      return [isScalable(codec) ? { ...SCREEN, scalabilityMode: 'L1T3' } : { ...SCREEN }];
    case 'microphone':
    case 'screen-audio':
      return undefined;
    default:
      return assertNever(source);
  }
}

export function codecOptionsOf(source: MediaSource): types.ProducerCodecOptions {
  switch (source) {
    case 'microphone':
      return { opusDtx: true, opusFec: true, opusStereo: false, opusMaxAverageBitrate: 40_000 };
    case 'screen-audio':
      return { opusDtx: false, opusFec: true, opusStereo: true, opusMaxAverageBitrate: 128_000 };
    case 'camera':
    case 'screen':
      // Start near the middle layer instead of the browser's 300 kbit/s; the estimate takes over from there.
      return { videoGoogleStartBitrate: 1_000 };
  }
}

/** How a source is published; absent fields leave it to mediasoup-client. */
export interface Sending {
  readonly codec?: types.RtpCodecCapability;
  readonly encodings?: Encoding[];
}

/**
 * Codec and encodings of a source. A video codec that this device cannot send (or the router cannot take)
 * gives way to VP8 and its simulcast.
 * @param device what both the device and the router can do
 */
export function sendingOf(source: MediaSource, wanted: VideoCodec, device: types.RtpCapabilities): Sending {
  const find = (mimeType: string) => device.codecs?.find((codec) => codec.mimeType.toLowerCase() === mimeType);
  const video = source === 'camera' || source === 'screen';
  const chosen = video ? find(`video/${wanted}`) : undefined;
  const codec = chosen ?? find(video ? `video/${DEFAULT_VIDEO_CODEC}` : 'audio/opus');
  const encodings = encodingsOf(source, chosen === undefined ? DEFAULT_VIDEO_CODEC : wanted);
  return { ...(codec === undefined ? {} : { codec }), ...(encodings === undefined ? {} : { encodings }) };
}

/** Codecs that carry spatial layers in one stream. */
const isScalable = (codec: VideoCodec): boolean => codec === 'vp9' || codec === 'av1';

const simulcast = (scalabilityMode: string): Encoding[] =>
  LAYERS.map(({ scaleDownBy, maxBitrate, maxFramerate }) => ({
    scaleResolutionDownBy: scaleDownBy,
    maxBitrate,
    scalabilityMode,
    ...(maxFramerate === undefined ? {} : { maxFramerate }),
  }));
