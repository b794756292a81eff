import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { eventually } from '@meridian/harness';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchChromium } from '../../src/browser/index.ts';
import { Latest, Recording, recorderScript, TONES_HZ } from '../../src/faults/recorder.ts';

const [TONE_HZ] = TONES_HZ;
/** Longer than somebody may not be heard in a call that is well. */
const PAUSE_MS = 1_500;
/** Keeps the recorder's audio context where a test can pause it: as a machine does that is too busy to let it run. */
const KEEP_CONTEXT = `window.AudioContext = class extends AudioContext {
  constructor(options) { super(options); window.recordersContext = this; }
}`;

let browser: Browser;
let server: Server;
let page: Page;

beforeAll(async () => {
  server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html').end('<audio></audio>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  browser = await launchChromium();
  const context = await browser.newContext({ permissions: ['microphone'] });
  await context.addInitScript(KEEP_CONTEXT);
  await context.addInitScript(recorderScript(TONE_HZ));
  page = await context.newPage();
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
});

afterAll(async () => {
  await browser?.close();
  server?.close();
});

const latest = async () => Latest.parse(await page.evaluate('window.__meridianRecorder.latest()'));
const read = async () => Recording.parse(await page.evaluate('window.__meridianRecorder.read()'));
const sinceHeardMs = async () => {
  const { heard, now } = await latest();
  return now - (heard[String(TONE_HZ)] ?? 0);
};
const isHeard = () => eventually('the tone is heard now', async () => (await sinceHeardMs()) < 500);
const pauseContext = () =>
  page.evaluate(`(async () => {
    await recordersContext.suspend();
    await new Promise((resolve) => setTimeout(resolve, ${PAUSE_MS}));
    await recordersContext.resume();
  })()`);

test('what is heard is heard now, though the audio context has fallen behind; a silence is one', async () => {
  await page.evaluate(`(async () => {
    document.querySelector('audio').srcObject = await navigator.mediaDevices.getUserMedia({ audio: true });
  })()`);
  await isHeard();

  await pauseContext();
  await isHeard();

  // Nobody listened meanwhile.
  const recording = await read();
  const spells = recording.heard[String(TONE_HZ)] ?? [];
  const pauses = spells.slice(1).map(([from], index) => from - (spells[index]?.[1] ?? from));
  expect(Math.max(0, ...pauses)).toBeGreaterThan(PAUSE_MS / 2);
  await eventually('the recorder tells what is played now', async () => {
    const { now, listenedUntil } = await read();
    return now - listenedUntil < 500;
  });

  await page.evaluate(`document.querySelector('audio').srcObject = null`);
  await eventually('the tone is heard no more', async () => (await sinceHeardMs()) > 1_000);
});
