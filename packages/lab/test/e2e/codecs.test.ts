import { eventually } from '@meridian/harness';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Person } from '../../src/index.ts';
import { framesRise, openStage, type Stage, seeEachOther } from './support.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterEach(() => stage.clear());
afterAll(() => stage?.close());

/** Height in pixels of the video that is decoded for one person's tile; 0 while there is none. */
async function heightFrom(viewer: Person, name: string): Promise<number> {
  const trackId = (await viewer.tileOf(name))?.trackId;
  const reports = await viewer.reports();
  return reports.find((one) => one.type === 'inbound-rtp' && one.trackIdentifier === trackId)?.frameHeight ?? 0;
}

/** Says to the SDK in which size the only incoming camera is shown. */
const show = (viewer: Person, width: number, height: number) =>
  viewer.page.evaluate(`(() => {
    const { room } = window.meridian;
    const [camera] = [...room.tracks.values()].filter(({ source }) => source === 'camera');
    room.setShown(camera.producerId, { width: ${width}, height: ${height} });
  })()`);

describe('a camera in VP9', () => {
  it('is one SVC stream, which another region decodes over the relay in the layer it asks for', async () => {
    const room = await stage.room();
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west', codec: 'vp9' });
    const binh = await stage.join({ room, name: 'Binh', region: 'ap-southeast' });
    expect(await binh.tileOf('Binh')).toMatchObject({ nodeId: 'sin-1' });
    await seeEachOther([anna, binh]);

    await eventually("Anna's camera leaves as one stream with layers in it", async () => {
      const reports = await anna.reports();
      const codecs = new Map(reports.filter((one) => one.type === 'codec').map((one) => [one.id, one.mimeType]));
      const video = reports.filter((one) => one.type === 'outbound-rtp' && one.kind === 'video');
      expect(video.map((one) => codecs.get(one.codecId ?? ''))).toEqual(['video/VP9']);
      // A picture of 360 lines is worth two layers.
      expect(video[0]?.scalabilityMode).toBe('L2T3_KEY');
    });
    const received = await binh.reports();
    const codecs = new Map(received.filter((one) => one.type === 'codec').map((one) => [one.id, one.mimeType]));
    const trackId = (await binh.tileOf('Anna'))?.trackId;
    const inbound = received.find((one) => one.type === 'inbound-rtp' && one.trackIdentifier === trackId);
    expect(codecs.get(inbound?.codecId ?? '')).toBe('video/VP9');

    await eventually('Binh gets the full picture', async () => (await heightFrom(binh, 'Anna')) === 360);
    await show(binh, 240, 135);
    await eventually('a small tile gets a lower layer', async () => {
      const height = await heightFrom(binh, 'Anna');
      expect(height).toBeGreaterThan(0);
      expect(height).toBeLessThan(360);
    });
    await framesRise(binh, 'Anna');
    await show(binh, 1_280, 720);
    await eventually('a large tile gets the full picture again', async () => (await heightFrom(binh, 'Anna')) === 360);
    await framesRise(binh, 'Anna');
  });
});

describe('a camera in AV1', () => {
  it('is one stream with temporal layers, which another region decodes over the relay', async () => {
    const room = await stage.room();
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west', codec: 'av1' });
    const binh = await stage.join({ room, name: 'Binh', region: 'ap-southeast' });
    await framesRise(binh, 'Anna');
    await eventually('AV1 leaves the browser', async () => {
      const reports = await anna.reports();
      const codecs = new Map(reports.filter((one) => one.type === 'codec').map((one) => [one.id, one.mimeType]));
      const video = reports.filter((one) => one.type === 'outbound-rtp' && one.kind === 'video');
      expect(video.map((one) => codecs.get(one.codecId ?? ''))).toEqual(['video/AV1']);
    });
  });
});
