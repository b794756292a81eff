import { eventually } from '@meridian/harness';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Person } from '../../src/index.ts';
import { AUDIO_METER, displayed, recordDisplay, TONE_MICROPHONE } from './displayed.ts';
import { framesRise, openStage, type Stage, showsExactly } from './support.ts';
import { heard, watchRoom } from './watch-room.ts';

let stage: Stage;
const contexts: { close(): Promise<void> }[] = [];
beforeAll(async () => {
  stage = await openStage({ fps: 20 });
});
afterEach(async () => {
  await Promise.all(contexts.splice(0).map((one) => one.close()));
  await stage.clear();
});
afterAll(() => stage?.close());

/** With a steady tone for a microphone, and a meter on what is heard. */
async function join(room: string, name: string, region?: string): Promise<Person> {
  const context = await stage.browser.newContext({
    viewport: { width: 1_280, height: 800 },
    permissions: ['camera', 'microphone'],
  });
  contexts.push(context);
  await context.addInitScript(AUDIO_METER);
  await context.addInitScript(TONE_MICROPHONE);
  const options = { url: stage.cluster.url, room, name, ...(region === undefined ? {} : { region }) };
  const person = await Person.inContext(context, options, { autojoin: true });
  await person.waitUntilJoined();
  return person;
}

const move = (person: Person) =>
  person.page.evaluate('window.meridian.room.moveElsewhere().then(({ nodeId }) => nodeId)') as Promise<string>;

const FLICKER = [
  'participant-joined',
  'participant-left',
  'producer-opened',
  'producer-closed',
  'track-added',
  'track-removed',
  'reconnecting',
  'reconnected',
  'ended',
] as const;

describe('a person who moves to another node', () => {
  it('is one participant all the time, seen and heard without a gap, and sees and hears without one', async () => {
    const room = await stage.room();
    const anna = await join(room, 'Anna', 'eu-west');
    const binh = await join(room, 'Binh');
    for (const [viewer, of] of [
      [anna, 'Binh'],
      [binh, 'Anna'],
    ] as const) {
      await framesRise(viewer, of, 40);
      await watchRoom(viewer);
      await recordDisplay(viewer, of);
      await framesRise(viewer, of, 20);
    }
    const before = (await binh.tileOf('Binh'))?.nodeId ?? '';
    for (const viewer of [anna, binh]) {
      process.stdout.write(`${viewer.name} before: ${JSON.stringify(await displayed(viewer))}\n`);
    }

    const after = await move(binh);

    expect(after).not.toBe(before);
    await eventually('Anna sees Binh at the new node', async () => (await anna.tileOf('Binh'))?.nodeId === after);
    // The old node is left a moment later: nothing may be missed at that moment either.
    await eventually('Binh has left the old node', async () => {
      const states = (await binh.reports()).filter(({ type }) => type === 'transport');
      return states.length === 2;
    });
    await framesRise(anna, 'Binh', 30);
    await framesRise(binh, 'Anna', 30);

    for (const viewer of [anna, binh]) {
      expect(await heard(viewer, ...FLICKER)).toEqual([]);
      const replaced = (await heard(viewer, 'track-replaced')).length;
      expect(replaced).toBe(2);
      const seen = await displayed(viewer);
      process.stdout.write(`${viewer.name} during Binh's move: ${JSON.stringify(seen)}\n`);
    }
    await showsExactly(anna, ['Anna', 'Binh']);
    await showsExactly(binh, ['Anna', 'Binh']);
  });
});
