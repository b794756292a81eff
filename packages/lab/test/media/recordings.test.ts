import { bitrateInOneLayer } from '@meridian/client/camera-layers';
import { describe, expect, it } from 'vitest';
import { Recordings } from '../../src/experiment/light/recordings.ts';

describe('what light peers play', () => {
  it.each([
    { width: 320, height: 180, fps: 10 },
    { width: 640, height: 360, fps: 20 },
    // Held upright: the shorter side counts, as it does to the SDK.
    { width: 180, height: 320, fps: 10 },
  ])('is a picture of $width x $height with the bits that the SDK gives a camera of that size', async (size) => {
    const { frames, clockRate } = await new Recordings().video(size);
    const bits = frames.reduce((sum, { data }) => sum + data.length * 8, 0);
    const seconds = frames.reduce((sum, { ticks }) => sum + ticks, 0) / clockRate;
    const wanted = bitrateInOneLayer(Math.min(size.width, size.height));
    expect(bits / seconds).toBeGreaterThan(0.8 * wanted);
    expect(bits / seconds).toBeLessThan(1.2 * wanted);
  });
});
