import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { detourScript } from '../../src/browser/detour.ts';
import { Person } from '../../src/index.ts';
import { CuttableWay } from './cuttable.ts';
import { openStage, SMALL_WINDOW, type Stage, seeEachOther, showsExactly } from './support.ts';
import { UdpWay } from './udp-way.ts';
import { FLICKER, heard, openTransports, producersOf, watchRoom } from './watch-room.ts';

/** Notes every state of every peer connection of the page. */
const STATES = `(() => {
  const states = [];
  window.__states = states;
  window.RTCPeerConnection = new Proxy(window.RTCPeerConnection, {
    construct(target, args) {
      const made = new target(...args);
      made.addEventListener('connectionstatechange', () => states.push(made.connectionState));
      return made;
    },
  });
})()`;

let stage: Stage;
/** To each node: for media, and for the WebSocket. */
const ways = new Map<string, UdpWay>();
const lines = new Map<string, CuttableWay>();
const contexts: { close(): Promise<void> }[] = [];

beforeAll(async () => {
  stage = await openStage({ fps: 15, viewport: SMALL_WINDOW });
  for (const [nodeId, { rtcPort, httpPort }] of stage.cluster.nodes) {
    ways.set(nodeId, await UdpWay.open(rtcPort));
    lines.set(nodeId, await CuttableWay.open(httpPort));
  }
});
afterEach(async () => {
  await Promise.all(contexts.splice(0).map((one) => one.close()));
  await stage.clear();
});
afterAll(async () => {
  await stage?.close();
  for (const way of [...ways.values(), ...lines.values()]) await way.close();
});

/** Somebody whose media passes a translator of addresses, and whose WebSocket can be cut. */
async function behindTranslator(room: string, name: string, region: string): Promise<Person> {
  const context = await stage.browser.newContext({
    viewport: SMALL_WINDOW,
    permissions: ['camera', 'microphone'],
  });
  contexts.push(context);
  const nodes = [...stage.cluster.nodes];
  const udp = nodes.map(([nodeId, { rtcPort }]) => [rtcPort, ways.get(nodeId)?.port ?? 0]);
  const tcp = nodes.map(([nodeId, { httpPort }]) => [httpPort, lines.get(nodeId)?.port ?? 0]);
  await context.addInitScript(STATES);
  await context.addInitScript(detourScript({ tcp: Object.fromEntries(tcp), udp: Object.fromEntries(udp) }));
  const person = await Person.inContext(context, { url: stage.cluster.url, room, name, region }, { autojoin: true });
  await person.waitUntilJoined();
  return person;
}

const states = (person: Person) => person.page.evaluate('window.__states') as Promise<string[]>;

/** A call of two, watched, one of them behind a translator of addresses. */
async function callOfTwo() {
  const room = await stage.room();
  const anna = await stage.join({ room, name: 'Anna', region: 'eu-west' });
  const binh = await behindTranslator(room, 'Binh', 'ap-southeast');
  await seeEachOther([anna, binh], 10);
  const producers = await producersOf(anna, 'Binh');
  const nodeId = (await binh.tileOf('Binh'))?.nodeId ?? '';
  for (const person of [anna, binh]) await watchRoom(person);
  const known = (await states(binh)).length;
  return {
    anna,
    binh,
    /** The ways of media and of signalling that Binh takes. */
    way: ways.get(nodeId),
    line: lines.get(nodeId),
    /** Frames have come both ways, and Anna has seen nothing of it: the same media all the time, nobody who came or left. */
    async goesOnUnnoticed() {
      await seeEachOther([anna, binh], 15);
      expect(await producersOf(anna, 'Binh')).toEqual(producers);
      expect(await heard(anna, ...FLICKER)).toEqual([]);
    },
    /** The browser has called no connection of Binh's dead since. */
    async expectNoneDead() {
      const since = (await states(binh)).slice(known);
      expect(since.filter((one) => one === 'disconnected' || one === 'failed')).toEqual([]);
    },
  };
}

describe('somebody whose network becomes another one', () => {
  it('is seen and sees again by an ICE restart, before the browser has noticed that the old way is dead', async () => {
    // Given a call of two
    const { anna, binh, way, goesOnUnnoticed, expectNoneDead } = await callOfTwo();
    const transports = await openTransports(binh);

    // When every way that its media takes is dead for good, and the browser says that there is a network (again)
    expect(way?.lose()).toBeGreaterThan(0);
    await binh.page.context().setOffline(true);
    await binh.page.context().setOffline(false);
    const startedMs = performance.now();

    // Then media goes on over new ways, in the same transports; nobody saw anything
    await goesOnUnnoticed();
    process.stdout.write(`a new network: 15 frames both ways after ${Math.round(performance.now() - startedMs)} ms\n`);
    await expectNoneDead();
    expect(await openTransports(binh)).toBe(transports);
    expect(await heard(binh, ...FLICKER, 'reconnected')).toEqual([]);
    await showsExactly(anna, ['Anna', 'Binh']);
  });

  it('without a word of the browser: the WebSocket goes with it, and its resume finds the media silent', async () => {
    const { binh, way, line, goesOnUnnoticed, expectNoneDead } = await callOfTwo();

    expect(way?.lose()).toBeGreaterThan(0);
    expect(line?.cut()).toBeGreaterThan(0);

    await goesOnUnnoticed();
    expect(await heard(binh, 'resumed')).toHaveLength(1);
    await expectNoneDead();
  });

  it('without a word of anybody has media again, too: the browser notices the silence', async () => {
    const { way, goesOnUnnoticed } = await callOfTwo();

    expect(way?.lose()).toBeGreaterThan(0);

    await goesOnUnnoticed();
  });
});
