import { eventually } from '@meridian/harness';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Person } from '../../src/index.ts';
import { openStage, type Stage, showsExactly } from './support.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage();
});
afterEach(() => stage.clear());
afterAll(() => stage?.close());

/** Keeps what comes in, bytes as `[1,2,3]`. */
const listen = (person: Person) =>
  person.page.evaluate(`(() => {
    window.heard = [];
    window.meridian.room.on('data', ({ sessionId, label, payload }) => {
      const text = typeof payload === 'string' ? payload : JSON.stringify([...new Uint8Array(payload)]);
      window.heard.push({ sessionId, label, text });
    });
  })()`);

/** @param payload an expression of the page */
const send = (person: Person, label: string, payload: string) =>
  person.page.evaluate(`window.meridian.room.sendData(${JSON.stringify(label)}, ${payload})`);

const heard = (person: Person) =>
  person.page.evaluate('window.heard') as Promise<{ sessionId: string; label: string; text: string }[]>;

const sessionOf = (person: Person) => person.page.evaluate('window.meridian.room.self.sessionId') as Promise<string>;

describe('app data', () => {
  it('goes both ways between regions, in order, as text and as bytes, with its sender', async () => {
    const room = await stage.room();
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west' });
    const binh = await stage.join({ room, name: 'Binh', region: 'ap-southeast' });
    await showsExactly(anna, ['Anna', 'Binh']);
    await showsExactly(binh, ['Anna', 'Binh']);
    expect(await anna.tileOf('Anna')).toMatchObject({ nodeId: 'ams-1' });
    expect(await binh.tileOf('Binh')).toMatchObject({ nodeId: 'sin-1' });

    await listen(anna);
    await listen(binh);

    for (const [sender, receiver] of [
      [anna, binh],
      [binh, anna],
    ] as const) {
      const label = `notes-of-${sender.name}`;
      const received = async () => (await heard(receiver)).filter((one) => one.label === label);
      // A message that is sent before the other side listens reaches nobody: the first one is repeated.
      await eventually(`${receiver.name} hears ${sender.name}`, async () => {
        await send(sender, label, "'ready?'");
        return (await received()).length > 0;
      });
      for (let line = 1; line <= 20; line += 1) await send(sender, label, `'line ${line}'`);
      await send(sender, label, 'new Uint8Array([0, 127, 255])');

      const expected = [...Array.from({ length: 20 }, (_, index) => `line ${index + 1}`), '[0,127,255]'];
      await eventually(`${receiver.name} has everything once and in order`, async () => {
        const got = (await received()).filter(({ text }) => text !== 'ready?');
        expect(got.map(({ text }) => text)).toEqual(expected);
      });
      expect(new Set((await received()).map(({ sessionId }) => sessionId))).toEqual(new Set([await sessionOf(sender)]));
      // Nobody gets back what they sent.
      expect((await heard(sender)).filter((one) => one.label === label)).toEqual([]);
    }
  });
});
