import { eventually } from '@meridian/harness';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Person } from '../../src/index.ts';
import { AUDIO_METER, displayed, recordDisplay, TONE_MICROPHONE } from './displayed.ts';
import { framesRise, openStage, type Stage, seeEachOther, showsExactly } from './support.ts';
import { heard, watchRoom } from './watch-room.ts';

let stage: Stage;
const contexts: { close(): Promise<void> }[] = [];
beforeAll(async () => {
  stage = await openStage({ fps: 20, nodeEnv: { MERIDIAN_CHAT_PER_SECOND: '100', MERIDIAN_CHAT_BURST: '100' } });
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
    await seeEachOther([anna, binh], 30);

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

/** Says and sends something every 150 ms from within the page, until `stopTalking`. */
const talk = (person: Person, label: string) =>
  person.page.evaluate(
    ([name, channel]) => {
      const { room } = Reflect.get(globalThis, 'meridian');
      const talking = { said: [] as string[], got: [] as string[], timer: 0 as unknown };
      Reflect.set(globalThis, '__talking', talking);
      room.on('data', ({ label, payload }: { label: string; payload: string }) => {
        if (label === channel) talking.got.push(payload);
      });
      talking.timer = setInterval(() => {
        const text = `${name} ${talking.said.length}`;
        talking.said.push(text);
        room.chat.send(text).catch((error: { code: string }) => talking.said.push(`failed: ${error.code}`));
        room.sendData(channel, text).catch((error: { code: string }) => talking.said.push(`failed: ${error.code}`));
      }, 150);
    },
    [person.name, label] as const,
  );

const stopTalking = (person: Person) =>
  person.page.evaluate(() => {
    const talking = Reflect.get(globalThis, '__talking');
    clearInterval(talking.timer);
    return talking.said;
  }) as Promise<string[]>;

const gotData = (person: Person) =>
  person.page.evaluate(() => Reflect.get(globalThis, '__talking').got) as Promise<string[]>;

const chatTexts = (person: Person) =>
  person.page.evaluate(() =>
    Reflect.get(globalThis, 'meridian').room.chat.lines.map(({ text }: { text: string }) => text),
  ) as Promise<string[]>;

describe('a node that is told to stop', () => {
  it('loses nobody and nothing: its people go elsewhere, chat and data of that time arrive once', async () => {
    const room = await stage.room();
    const anna = await join(room, 'Anna', 'eu-west');
    const binh = await join(room, 'Binh', 'ap-southeast');
    const people = [anna, binh];
    await seeEachOther([anna, binh], 20);
    const lost = (await binh.tileOf('Binh'))?.nodeId ?? '';
    for (const person of people) {
      await watchRoom(person);
      await talk(person, 'words');
    }
    // Both channels are open and heard.
    for (const person of people) {
      await eventually(`${person.name} gets data`, async () => (await gotData(person)).length > 3);
    }

    const { child } = stage.cluster.node(lost);
    child.signal('SIGTERM');
    await eventually(`${lost} has ended by itself`, () => !child.running, { withinMs: 40_000, everyMs: 100 });

    const said = await Promise.all(people.map(stopTalking));
    expect(said.flat().filter((line) => line.startsWith('failed'))).toEqual([]);
    for (const [index, person] of people.entries()) {
      const others = said[1 - index] ?? [];
      await eventually(
        `${person.name} has every line and message, each once`,
        async () => {
          const lines = await chatTexts(person);
          expect(lines.toSorted()).toEqual(said.flat().toSorted());
          // What was said before both channels were open is nobody's loss; from the first one on it is all there.
          const got = await gotData(person);
          expect(got).toEqual(others.slice(others.indexOf(got[0] ?? '')));
        },
        { withinMs: 15_000, everyMs: 200 },
      );
      expect(await heard(person, ...FLICKER)).toEqual([]);
    }
    expect((await heard(binh, 'moved')).length).toBe(1);
    await eventually('Anna sees Binh elsewhere', async () => (await anna.tileOf('Binh'))?.nodeId !== lost);
    await seeEachOther([anna, binh], 20);
    await showsExactly(anna, ['Anna', 'Binh']);
    await stage.cluster.restartNode(lost);
  });
});
