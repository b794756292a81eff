import type { MediaSource } from '@meridian/protocol';
import type { types } from 'mediasoup-client';

type Encoding = types.RtpEncodingParameters;

/** Shares of the full picture's bit rate that the lower layers get, from the smallest layer up. */
const LAYERS: readonly { readonly scaleDownBy: number; readonly maxBitrate: number; readonly maxFramerate?: number }[] =
  [
    { scaleDownBy: 4, maxBitrate: 150_000, maxFramerate: 15 },
    { scaleDownBy: 2, maxBitrate: 500_000 },
    { scaleDownBy: 1, maxBitrate: 1_500_000 },
  ];

/** Number of spatial layers of a camera; 0 is the smallest. */
export const CAMERA_LAYERS = LAYERS.length;

/** What leaves the browser for each source. Bit rates in bit/s. */
export function encodingsOf(source: MediaSource): Encoding[] | undefined {
  switch (source) {
    case 'camera':
      return LAYERS.map(({ scaleDownBy, maxBitrate, maxFramerate }) => ({
        scaleResolutionDownBy: scaleDownBy,
        maxBitrate,
        scalabilityMode: 'L1T3',
        ...(maxFramerate === undefined ? {} : { maxFramerate }),
      }));
    case 'screen':
      // One layer, sharp rather than smooth; `dtx` tells mediasoup that a still picture is no dead stream.
      return [{ maxBitrate: 2_500_000, maxFramerate: 15, dtx: true }];
    case 'microphone':
    case 'screen-audio':
      return undefined;
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

/** VP8 for video: every browser sends and receives it, and its simulcast is proven. */
export function preferredCodec(
  source: MediaSource,
  device: types.RtpCapabilities,
): types.RtpCodecCapability | undefined {
  const wanted = source === 'camera' || source === 'screen' ? 'video/vp8' : 'audio/opus';
  return device.codecs?.find((codec) => codec.mimeType.toLowerCase() === wanted);
}
