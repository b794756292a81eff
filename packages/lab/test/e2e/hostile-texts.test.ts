import { eventually } from '@meridian/harness';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Person } from '../../src/index.ts';
import { openStage, type Stage } from './support.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await openStage({ fps: 5 });
});
afterEach(() => stage.clear());
afterAll(() => stage?.close());

const IMAGE = `"><img src=x onerror="window.__run='image'">`;
const SCRIPT = `<script>window.__run='script'</script>`;
const LINES = [
  IMAGE,
  SCRIPT,
  `<svg onload="window.__run='svg'">`,
  `javascript:window.__run='address'`,
  `https://example.org/"onmouseover="window.__run='attribute'`,
  '{{7*7}} <%= 7*7 %>',
];

/** What of those texts has become more than text on this page. */
const harm = (person: Person) =>
  person.page.evaluate(`({
    run: window.__run ?? null,
    images: document.querySelectorAll('img[src="x"]').length,
    scripts: [...document.scripts].filter((one) => one.src === '').length,
    handlers: document.querySelectorAll('[onerror], [onload], [onmouseover]').length,
    addresses: [...document.links].filter((one) => !/^https?:$/.test(one.protocol)).length,
  })`);
const HARMLESS = { run: null, images: 0, scripts: 0, handlers: 0, addresses: 0 };

describe('what people write, in the browsers of the others', () => {
  it('is shown as the text that it is: names, the title of the room, chat', async () => {
    const room = await stage.room({ title: IMAGE });
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west', quality: 'low' });
    const eve = await stage.join({ room, name: IMAGE, region: 'eu-west', quality: 'low' });

    for (const line of LINES) await eve.say(line);

    for (const viewer of [anna, eve]) {
      await eventually(`${viewer.name} has every line`, async () => {
        const shown = await viewer.chatLines();
        for (const line of LINES) expect(shown.filter((one) => one.includes(line))).toHaveLength(1);
      });
      expect((await viewer.tiles()).filter(({ name }) => name.includes(IMAGE))).toHaveLength(1);
      expect(await viewer.page.locator('h1').first().textContent()).toBe(IMAGE);
      expect(await viewer.page.title()).toContain(IMAGE);
      await viewer.click('people-toggle');
      expect(await viewer.page.getByTestId('people-panel').textContent()).toContain(IMAGE);
      expect(await harm(viewer)).toEqual(HARMLESS);
    }
  });

  it('does nothing in an address either, of a room or of what is in it', async () => {
    for (const address of [
      `/r/${encodeURIComponent(IMAGE)}`,
      `/r/lobby?name=${encodeURIComponent(IMAGE)}&region=${encodeURIComponent(SCRIPT)}#${encodeURIComponent(SCRIPT)}`,
      `/${encodeURIComponent(SCRIPT)}`,
    ]) {
      const anna = await stage.open({ room: 'lobby', name: 'Anna' });
      await anna.page.goto(`${stage.cluster.url}${address}`);
      await anna.page.locator('h1').first().waitFor({ state: 'visible' });
      expect(await harm(anna)).toEqual(HARMLESS);
    }
  });
});
