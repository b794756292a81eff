import type { RtpParameters } from '@meridian/protocol';
import { parseScalabilityMode } from 'mediasoup-client';
import { CAMERA_LAYERS, LEAST_LINES } from './camera-layers.ts';

/** The size at which a video is shown, in device pixels; `hidden` when nobody sees it. */
export type Shown = { readonly width: number; readonly height: number } | 'hidden';

/** A layer may be stretched by this factor before the next one is asked for. */
const STRETCH = 1.25;

/** Number of spatial layers the node can choose from; mediasoup states them in the mode of the only encoding. */
export function spatialLayersOf({ encodings }: RtpParameters): number {
  const mode = encodings?.[0]?.scalabilityMode;
  return mode === undefined ? CAMERA_LAYERS : parseScalabilityMode(mode).spatialLayers;
}

/** The smallest spatial layer that looks sharp at this size. */
export function layerFor(shown: Exclude<Shown, 'hidden'>, layers = CAMERA_LAYERS): number {
  // A wide, low tile crops the picture: then the width decides.
  const height = Math.max(shown.height, (shown.width * 9) / 16);
  for (let layer = 0; layer < layers; layer += 1) {
    if (height <= LEAST_LINES * 2 ** layer * STRETCH) return layer;
  }
  return layers - 1;
}
