export interface Layer {
  /** Of its picture. */
  readonly lines: number;
  /** bit/s */
  readonly maxBitrate: number;
  readonly maxFramerate?: number;
}

/**
 * Spatial layers of a camera, the smallest first; each has twice the lines of the one before. Every layer names its frame
 * rate: Chromium takes the greatest one that is named for all layers together.
 */
const LAYERS: readonly Layer[] = [
  { lines: 180, maxBitrate: 150_000, maxFramerate: 15 },
  { lines: 360, maxBitrate: 500_000, maxFramerate: 30 },
  { lines: 720, maxBitrate: 1_500_000, maxFramerate: 30 },
];

/**
 * The smallest layer where there is no other: half the frames are enough for a thumbnail beside larger layers, not for all
 * that there is. Twice the frames need more bits as well: Chromium's own test picture takes 160 kbit/s, and with less the
 * encoder leaves out pictures, half of them for a second whenever several people who begin to watch ask for key frames.
 */
const ALONE: Layer = { lines: 180, maxBitrate: 250_000, maxFramerate: 30 };

/** Number of spatial layers of a camera of full size; 0 is the smallest. */
export const CAMERA_LAYERS = LAYERS.length;
/** Lines of the smallest layer. */
export const LEAST_LINES = 180;
export const FULL_LINES = 720;

/** A camera may give somewhat fewer lines than a layer is named for. */
const SLACK = 0.8;

/**
 * The layers that a picture of so many lines is worth. Asked for more, browsers leave out the upper
 * ones: of a picture of 180 lines they would send 45.
 */
export function layersFor(lines: number): readonly Layer[] {
  const worth = LAYERS.filter((layer) => lines >= layer.lines * SLACK);
  return worth.length > 1 ? worth : [ALONE];
}

/** The most that a camera of so many lines is sent with when it is sent in one layer, bit/s. */
export const bitrateInOneLayer = (lines: number): number => (layersFor(lines).at(-1) ?? ALONE).maxBitrate;

/**
 * What a connection that takes the place of another one, as in a move, counts on from its beginning: what the smallest picture needs, and never more
 * than half of what the other one carries, which goes on beside it for a while. Left to itself the browser starts over: whatever comes late in its first
 * half second makes its estimate a part of the little that had arrived by then, and for up to seven seconds three of four pictures are left out.
 * @param carriedBps by the other one, as the browser estimates it. Both in bit/s
 */
export const carriedAnew = (carriedBps: number): number => Math.min(ALONE.maxBitrate, carriedBps / 2);
