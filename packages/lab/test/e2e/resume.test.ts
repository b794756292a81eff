import { eventually } from '@meridian/harness';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Person } from '../../src/index.ts';
import { CuttableWay } from './cuttable.ts';
import { framesRise, openStage, SMALL_WINDOW, type Stage, seeEachOther, showsExactly } from './support.ts';
import { FLICKER, heard, openTransports, producersOf, watchRoom } from './watch-room.ts';

const WINDOW_MS = 8_000;
/** So long a person is not told of a lost connection: it may be back. */
const SHOWN_AFTER_MS = 1_000;

let stage: Stage;
const ways = new Map<string, CuttableWay>();
const way = (nodeId: string): CuttableWay => {
  const found = ways.get(nodeId);
  if (found === undefined) throw new Error(`no way to ${nodeId}`);
  return found;
};

beforeAll(async () => {
  stage = await openStage({
    fps: 15,
    viewport: SMALL_WINDOW,
    nodeEnv: { MERIDIAN_RESUME_WINDOW_MS: String(WINDOW_MS) },
    nodeEnvOf: async ({ nodeId, httpPort }) => {
      await ways.get(nodeId)?.close();
      const opened = await CuttableWay.open(httpPort);
      ways.set(nodeId, opened);
      return { MERIDIAN_PUBLIC_WS_URL: `ws://localhost:${opened.port}/ws` };
    },
  });
});
afterEach(async () => {
  for (const one of ways.values()) {
    one.refuses = false;
    one.freeze(false);
  }
  await stage.clear();
});
afterAll(async () => {
  await stage?.close();
  for (const one of ways.values()) await one.close();
});

interface Pair {
  readonly anna: Person;
  readonly binh: Person;
  /** That Binh's WebSocket takes. */
  readonly binhsWay: CuttableWay;
}

/** Two people on two nodes who see each other, watched from now on. */
async function inACall(): Promise<Pair> {
  const room = await stage.room();
  const anna = await stage.join({ room, name: 'Anna', region: 'eu-west' });
  const binh = await stage.join({ room, name: 'Binh', region: 'ap-southeast' });
  await seeEachOther([anna, binh], 10);
  await watchRoom(anna);
  await watchRoom(binh);
  return { anna, binh, binhsWay: way((await binh.tileOf('Binh'))?.nodeId ?? '') };
}

const resumed = (person: Person, withinMs = 20_000) =>
  eventually(`${person.name} has resumed`, async () => (await heard(person, 'resumed')).length > 0, {
    withinMs,
    everyMs: 50,
  });

describe('a WebSocket that is lost in the middle of a call', () => {
  it('is opened again and the call goes on: same producers, same transports, nobody sees a leave', async () => {
    const { anna, binh, binhsWay } = await inACall();
    const before = { producers: await producersOf(anna, 'Binh'), transports: await openTransports(binh) };
    expect(before.producers).toHaveLength(2);

    for (let round = 0; round < 3; round += 1) {
      await watchRoom(binh);
      expect(binhsWay.cut()).toBeGreaterThan(0);
      await resumed(binh);
      expect(await heard(binh, 'reconnecting', 'reconnected', 'trouble')).toEqual([]);
    }

    await seeEachOther([anna, binh], 20);
    expect(await producersOf(anna, 'Binh')).toEqual(before.producers);
    expect(await openTransports(binh)).toBe(before.transports);
    expect(await heard(anna, ...FLICKER)).toEqual([]);
    await showsExactly(anna, ['Anna', 'Binh']);
  });

  it('that stays away for a while: the person and the others are told, and chat of that time arrives once', async () => {
    const { anna, binh, binhsWay } = await inACall();
    await binh.say('before');
    binhsWay.refuses = true;
    binhsWay.cut();
    await binh.say('in between');
    await binh.page.getByTestId('banner').waitFor({ state: 'visible' });
    await anna.page.locator('[data-testid="tile"][data-connection="reconnecting"]').waitFor({ state: 'visible' });
    await anna.say('answer');
    // Media does not need the WebSocket.
    await seeEachOther([anna, binh], 10);

    binhsWay.refuses = false;
    await resumed(binh);

    for (const viewer of [anna, binh]) {
      await eventually(`${viewer.name} has every line`, async () => {
        const lines = await viewer.chatLines();
        for (const text of ['before', 'in between', 'answer']) {
          expect(lines.filter((line) => line.includes(text))).toHaveLength(1);
        }
      });
    }
    await eventually(
      'Anna sees Binh connected',
      async () => (await anna.page.locator('[data-connection="reconnecting"]').count()) === 0,
    );
    expect(await heard(anna, ...FLICKER)).toEqual([]);
    expect(await heard(binh, ...FLICKER, 'reconnected')).toEqual([]);
  });

  it('though it looks open is found out within 10 s from the client, and resumed', async () => {
    const { anna, binh, binhsWay } = await inACall();
    const frozenAtMs = (await binh.page.evaluate('performance.now()')) as number;
    binhsWay.freeze(true);
    // Whoever comes new gets through: only what is open is dead.
    await eventually('the client has noticed', async () => (await heard(binh, 'reconnecting')).length > 0, {
      withinMs: 15_000,
      everyMs: 50,
    });
    const noticed = (await heard(binh, 'reconnecting'))[0]?.atMs ?? 0;
    process.stdout.write(`half-open WebSocket: shown after ${Math.round(noticed - frozenAtMs)} ms\n`);
    expect(noticed - SHOWN_AFTER_MS - frozenAtMs).toBeLessThan(10_000);
    binhsWay.cut();
    binhsWay.freeze(false);
    await resumed(binh);
    await framesRise(anna, 'Binh', 10);
    expect(await heard(anna, ...FLICKER)).toEqual([]);
  });

  it('is resumed at once when the browser comes online', async () => {
    const { anna, binh, binhsWay } = await inACall();
    await binh.page.context().setOffline(true);
    binhsWay.freeze(true);
    await eventually('the browser is offline', async () => !(await binh.page.evaluate('navigator.onLine')));
    binhsWay.cut();
    binhsWay.freeze(false);
    await binh.page.context().setOffline(false);
    await resumed(binh);
    await seeEachOther([anna, binh], 10);
    expect(await heard(anna, ...FLICKER)).toEqual([]);
  });

  it('for longer than the window is followed by a new join, with the old picture until then', async () => {
    const { anna, binh, binhsWay } = await inACall();
    binhsWay.refuses = true;
    binhsWay.cut();
    await eventually('Anna hears that Binh is gone', async () => (await heard(anna, 'participant-left')).length > 0, {
      withinMs: WINDOW_MS + 10_000,
    });
    binhsWay.refuses = false;
    await eventually('Binh is back', async () => (await heard(binh, 'reconnected')).length > 0, { withinMs: 30_000 });
    await showsExactly(anna, ['Anna', 'Binh']);
    await seeEachOther([anna, binh], 10);
    // What Binh saw of Anna went over from the old stay to the new one.
    expect(await heard(binh, 'track-removed')).toEqual([]);
  });
});
