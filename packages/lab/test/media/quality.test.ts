import { describe, expect, it } from 'vitest';
import { compareFrames, findFfmpeg } from '../../src/experiment/measure/quality.ts';

describe('the quality of a received picture, by ffmpeg', () => {
  it('is lower for a picture with noise, and without limit for the same picture, in either range', async () => {
    const ffmpeg = await findFfmpeg();
    if (ffmpeg === undefined) throw new Error('ffmpeg is not installed: apt-get install ffmpeg');
    const [width, height] = [64, 48];
    const grey = (shadeOf: (index: number) => number) => {
      const bytes = new Uint8Array(width * height * 4).fill(255);
      for (let index = 0; index < width * height; index += 1) bytes.fill(shadeOf(index), index * 4, index * 4 + 3);
      return Buffer.from(bytes).toString('base64');
    };
    const luma = (shadeOf: (index: number) => number) =>
      Buffer.concat([
        Buffer.from(Uint8Array.from({ length: width * height }, (_, index) => shadeOf(index))),
        Buffer.alloc((width * height) / 2, 128),
      ]).toString('base64');
    const shade = (index: number) => (index * 7) % 200;
    const sent = { sender: 0, frame: 1, width, height, format: 'BGRX', fullRange: true, data: grey(shade) };
    const received = (fullRange: boolean, shadeOf: (index: number) => number) => ({
      ...sent,
      format: 'I420',
      fullRange,
      data: luma(shadeOf),
    });
    const pair = { sender: 'a', receiver: 'b', sent };
    const limited = (index: number) => 16 + (shade(index) * 219) / 255;
    const results = await compareFrames(ffmpeg, [
      { ...pair, received: received(true, shade) },
      { ...pair, received: received(true, (index) => shade(index) + (index % 3) * 12) },
      { ...pair, received: received(false, limited) },
    ]);
    const psnr = results.map(({ psnrDb }) => psnrDb ?? Number.POSITIVE_INFINITY);
    expect(psnr[0]).toBeGreaterThan(45);
    expect(psnr[1]).toBeLessThan(30);
    expect(psnr[2]).toBeGreaterThan(45);
    expect(results[1]?.ssim).toBeLessThan(results[0]?.ssim ?? 0);
  });
});
