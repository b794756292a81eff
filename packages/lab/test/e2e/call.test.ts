import { eventually } from '@meridian/harness';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { framesRise, metric, openStage, type Stage, seeEachOther, showsExactly } from './support.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterEach(() => stage.clear());
afterAll(() => stage?.close());

describe('two people in two regions', () => {
  it('see and hear each other over a relay', async () => {
    const room = await stage.room();
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west' });
    const binh = await stage.join({ room, name: 'Binh', region: 'ap-southeast' });

    await showsExactly(anna, ['Anna', 'Binh']);
    await showsExactly(binh, ['Anna', 'Binh']);
    expect(await anna.tileOf('Binh')).toMatchObject({ region: 'ap-southeast', nodeId: 'sin-1' });
    expect(await binh.tileOf('Anna')).toMatchObject({ region: 'eu-west', nodeId: 'ams-1' });
    await seeEachOther([anna, binh]);
    for (const person of [anna, binh]) {
      const before = await person.audioReceived();
      await eventually(`${person.name} hears the other's beeps`, async () => {
        const now = await person.audioReceived();
        return now.packets > before.packets && now.energy > before.energy;
      });
    }

    // It is a relay that carries it: a link each way, with bytes on it.
    for (const nodeId of ['ams-1', 'sin-1']) {
      const { url } = stage.cluster.node(nodeId);
      await eventually(`${nodeId} reports its relay links and their traffic`, async () => {
        expect(await metric(url, 'meridian_relay_links')).toBeGreaterThanOrEqual(2);
        expect(await metric(url, 'meridian_media_bytes_total', { leg: 'relay-in', kind: 'video' })).toBeGreaterThan(0);
        expect(await metric(url, 'meridian_media_bytes_total', { leg: 'relay-out', kind: 'video' })).toBeGreaterThan(0);
      });
    }
  });

  it('send VP8 in three simulcast layers', async () => {
    const room = await stage.room();
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west', quality: 'high' });
    const binh = await stage.join({ room, name: 'Binh', region: 'ap-vn' });
    await framesRise(binh, 'Anna');
    await eventually('three layers leave the camera', async () => {
      const reports = await anna.reports();
      const codecs = new Map(reports.filter((one) => one.type === 'codec').map((one) => [one.id, one.mimeType]));
      const video = reports.filter((one) => one.type === 'outbound-rtp' && one.kind === 'video');
      expect(new Set(video.map((one) => one.rid))).toEqual(new Set(['r0', 'r1', 'r2']));
      for (const layer of video) {
        expect(codecs.get(layer.codecId ?? '')).toBe('video/VP8');
      }
      expect(video.filter((one) => (one.framesEncoded ?? 0) > 0).length).toBeGreaterThanOrEqual(2);
    });
  });

  it('chat both ways, and who comes later reads what was said', async () => {
    const room = await stage.room();
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west' });
    const binh = await stage.join({ room, name: 'Binh', region: 'ap-southeast' });
    await anna.say('xin chào <b>Binh</b>');
    await binh.say('hallo Anna');
    for (const person of [anna, binh]) {
      await eventually(`${person.name} reads both lines once`, async () => {
        const lines = await person.chatLines();
        expect(lines.filter((line) => line.includes('xin chào <b>Binh</b>'))).toHaveLength(1);
        expect(lines.filter((line) => line.includes('hallo Anna'))).toHaveLength(1);
      });
    }
    const chi = await stage.join({ room, name: 'Chi', region: 'ap-vn' });
    await eventually('Chi reads the history', async () => {
      const lines = await chi.chatLines();
      expect(lines.findIndex((line) => line.includes('xin chào'))).toBeLessThan(
        lines.findIndex((line) => line.includes('hallo Anna')),
      );
      expect(lines).toHaveLength(2);
    });
  });

  it('show a mute to the other, and silence it', async () => {
    const room = await stage.room();
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west' });
    const binh = await stage.join({ room, name: 'Binh', region: 'ap-southeast' });
    await eventually('Binh hears Anna', async () => (await binh.audioReceived()).energy > 0);
    expect((await binh.tileOf('Anna'))?.muted).toBe(false);

    await anna.click('mic-toggle');
    await eventually('Binh sees the mute', async () => (await binh.tileOf('Anna'))?.muted === true);
    await anna.click('mic-toggle');
    await eventually('Binh sees the unmute', async () => (await binh.tileOf('Anna'))?.muted === false);
    const before = await binh.audioReceived();
    await eventually('Binh hears Anna again', async () => (await binh.audioReceived()).energy > before.energy);

    await anna.click('cam-toggle');
    await eventually('Binh sees that the camera is off', async () => (await binh.tileOf('Anna'))?.hasVideo === false);
    await anna.click('cam-toggle');
    await eventually('Binh sees the camera again', async () => (await binh.tileOf('Anna'))?.hasVideo === true);
    await framesRise(binh, 'Anna');
  });

  it('share a screen', async () => {
    const room = await stage.room();
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west' });
    const binh = await stage.join({ room, name: 'Binh', region: 'ap-southeast' });
    await framesRise(binh, 'Anna');
    await anna.click('screen-toggle');
    await binh.page.getByTestId('screen-tile').waitFor({ state: 'visible', timeout: 20_000 });
    await eventually(
      "Anna's screen plays beside her camera",
      async () => [...(await binh.decodedFrames()).values()].filter((frames) => frames > 0).length === 2,
      { withinMs: 20_000 },
    );
    await anna.click('screen-toggle');
    await eventually('it ends with the share', async () => (await binh.page.getByTestId('screen-tile').count()) === 0);
  });
});

describe('a room over three nodes', () => {
  it('connects people of three regions with each other', async () => {
    const room = await stage.room();
    const people = [
      await stage.join({ room, name: 'Anna', region: 'eu-west' }),
      await stage.join({ room, name: 'Binh', region: 'ap-vn' }),
      await stage.join({ room, name: 'Chen', region: 'ap-southeast' }),
    ];
    const names = people.map((person) => person.name);
    for (const viewer of people) await showsExactly(viewer, names);
    await seeEachOther(people, 10);
  });
});
