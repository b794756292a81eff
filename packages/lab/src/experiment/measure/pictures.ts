import type { KeptFrame } from '../page/contract.ts';
import type { FrameQuality } from '../record/schema.ts';
import type { LabClient } from '../world/stage.ts';
import { compareFrames, type Ffmpeg, type FramePair } from './quality.ts';

/**
 * Compares the pictures that the receivers kept with what was sent: the senders draw those frames again, pixel for
 * pixel. Nothing without ffmpeg.
 * @param signal ends it; what was compared until then is returned
 */
export async function comparePictures(
  pages: ReadonlyMap<string, { readonly page: LabClient; readonly number: number }>,
  ffmpeg: Ffmpeg | undefined,
  signal?: AbortSignal,
): Promise<FrameQuality[]> {
  if (ffmpeg === undefined) return [];
  const kept: { receiver: string; picture: KeptFrame }[] = [];
  for (const [receiver, { page }] of pages) {
    for (const picture of await page.keptPictures()) kept.push({ receiver, picture });
  }
  const results: FrameQuality[] = [];
  for (const [sender, { page, number }] of pages) {
    if (signal?.aborted) break;
    const own = kept.filter(({ picture }) => picture.sender === number);
    const drawn = await page.drawAgain([...new Set(own.map(({ picture }) => picture.frame))]);
    const byFrame = new Map(drawn.map((picture) => [picture.frame, picture]));
    const pairs = own.flatMap(({ receiver, picture }): FramePair[] => {
      const sent = byFrame.get(picture.frame);
      return sent === undefined ? [] : [{ sender, receiver, sent, received: picture }];
    });
    results.push(...(await compareFrames(ffmpeg, pairs)));
  }
  return results;
}
