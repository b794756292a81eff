import { assertNever, type MediaSource } from '@meridian/protocol';
import type { types } from 'mediasoup-client';
import { FULL_LINES, type Layer, layersFor } from './camera-layers.ts';

type Encoding = types.RtpEncodingParameters;

/** What video may be sent in. */
export const VIDEO_CODECS = ['vp8', 'vp9', 'av1', 'h264'] as const;
export type VideoCodec = (typeof VIDEO_CODECS)[number];

export const isVideoCodec = (text: string | null | undefined): text is VideoCodec =>
  VIDEO_CODECS.some((codec) => codec === text);

/** VP8: every browser sends and receives it, and its simulcast is proven. */
export const DEFAULT_VIDEO_CODEC: VideoCodec = 'vp8';

/** How many layers a track is sent in. */
export const layerCountOf = (source: MediaSource, track: MediaStreamTrack, simulcast = true): number =>
  source === 'camera' && simulcast ? layersFor(linesOf(track)).length : 1;

/** Lines of a video track: its shorter side, so that a phone held upright counts like one held across. */
export function linesOf(track: MediaStreamTrack): number {
  const { width, height } = track.getSettings();
  const known = [width, height].filter((side) => side !== undefined);
  return known.length === 0 ? FULL_LINES : Math.min(...known);
}

/** One layer, sharp rather than smooth; `dtx` tells mediasoup that a still picture is no dead stream. */
const SCREEN: Encoding = { maxBitrate: 2_500_000, maxFramerate: 15, dtx: true };

/** What leaves the browser for each source in this codec. Bit rates in bit/s. */
function encodingsOf(source: MediaSource, codec: VideoCodec, lines: number, inLayers: boolean): Encoding[] | undefined {
  switch (source) {
    case 'camera': {
      const worth = layersFor(lines);
      const layers = inLayers ? worth : worth.slice(-1);
      if (codec === 'vp9') return [svc(layers)];
      // mediasoup takes no AV1 simulcast, and does not hand browsers the dependency descriptor, without
      // which they cannot put a picture of several spatial layers together: temporal layers only.
      if (codec === 'av1') return [svc(layers.slice(-1))];
      // Encoders of H.264, most of them in hardware, know no temporal layers.
      return simulcast(layers, codec === 'h264' ? 'L1T1' : 'L1T3');
    }
    case 'screen':
      return [isScalable(codec) ? { ...SCREEN, scalabilityMode: 'L1T3' } : { ...SCREEN }];
    case 'microphone':
    case 'screen-audio':
      return undefined;
    default:
      return assertNever(source);
  }
}

/** @param leastBps of the connection, where it is known to carry that; bit/s */
export function codecOptionsOf(source: MediaSource, leastBps?: number): types.ProducerCodecOptions {
  switch (source) {
    case 'microphone':
      return { opusDtx: true, opusFec: true, opusStereo: false, opusMaxAverageBitrate: 40_000 };
    case 'screen-audio':
      return { opusDtx: false, opusFec: true, opusStereo: true, opusMaxAverageBitrate: 128_000 };
    case 'camera':
    case 'screen':
      // Start near the middle layer instead of the browser's 300 kbit/s; the estimate takes over from there.
      return {
        videoGoogleStartBitrate: 1_000,
        ...(leastBps === undefined ? {} : { videoGoogleMinBitrate: Math.floor(leastBps / 1_000) }),
      };
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
 * @param lines of the picture; small ones are sent in fewer layers
 * @param inLayers false: in one layer whatever its size
 */
export function sendingOf(
  source: MediaSource,
  wanted: VideoCodec,
  device: types.RtpCapabilities,
  lines = FULL_LINES,
  inLayers = true,
): Sending {
  const find = (mimeType: string) => device.codecs?.find((codec) => codec.mimeType.toLowerCase() === mimeType);
  const video = source === 'camera' || source === 'screen';
  const chosen = video ? find(`video/${wanted}`) : undefined;
  const codec = chosen ?? find(video ? `video/${DEFAULT_VIDEO_CODEC}` : 'audio/opus');
  const encodings = encodingsOf(source, chosen === undefined ? DEFAULT_VIDEO_CODEC : wanted, lines, inLayers);
  return { ...(codec === undefined ? {} : { codec }), ...(encodings === undefined ? {} : { encodings }) };
}

/** Codecs whose layers are all in one stream. */
const isScalable = (codec: VideoCodec): boolean => codec === 'vp9' || codec === 'av1';

/**
 * One stream that holds all layers, each smaller picture the base of the next one in key frames only, so
 * that a node can forward any of them alone. Cheaper than the sum of the simulcast streams.
 */
function svc(layers: readonly Layer[]): Encoding {
  const maxBitrate = layers.at(-1)?.maxBitrate ?? 0;
  return { scalabilityMode: layers.length === 1 ? 'L1T3' : `L${layers.length}T3_KEY`, maxBitrate };
}

function simulcast(layers: readonly Layer[], scalabilityMode: string): Encoding[] {
  // A single stream is plain VP8 or H.264 to the node: nothing to choose from, nothing to state.
  if (layers.length === 1) return layers.map(({ maxBitrate }) => ({ maxBitrate }));
  return layers.map(({ maxBitrate, maxFramerate }, index) => ({
    scaleResolutionDownBy: 2 ** (layers.length - 1 - index),
    maxBitrate,
    scalabilityMode,
    ...(maxFramerate === undefined ? {} : { maxFramerate }),
  }));
}
