import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { detourScript } from '../../src/browser/detour.ts';
import { Person } from '../../src/index.ts';
import { CuttableWay } from './cuttable.ts';
import { framesRise, openStage, type Stage, showsExactly } from './support.ts';
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
  stage = await openStage({ fps: 15 });
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
    viewport: { width: 1_280, height: 800 },
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

describe('somebody whose network becomes another one', () => {
  it('is seen and sees again by an ICE restart, before the browser has noticed that the old way is dead', async () => {
    // Given a call of two, one of them behind a translator of addresses
    const room = await stage.room();
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west' });
    const binh = await behindTranslator(room, 'Binh', 'ap-southeast');
    await framesRise(anna, 'Binh', 10);
    await framesRise(binh, 'Anna', 10);
    const before = { producers: await producersOf(anna, 'Binh'), transports: await openTransports(binh) };
    const way = ways.get((await binh.tileOf('Binh'))?.nodeId ?? '');
    for (const person of [anna, binh]) await watchRoom(person);
    const known = (await states(binh)).length;

    // When every way that its media takes is dead for good, and the browser says that there is a network (again)
    expect(way?.lose()).toBeGreaterThan(0);
    await binh.page.context().setOffline(true);
    await binh.page.context().setOffline(false);
    const startedMs = performance.now();

    // Then media goes on over new ways, in the same transports; nobody saw anything
    await framesRise(binh, 'Anna', 15);
    await framesRise(anna, 'Binh', 15);
    process.stdout.write(`a new network: 15 frames both ways after ${Math.round(performance.now() - startedMs)} ms\n`);
    expect((await states(binh)).slice(known).filter((one) => one === 'disconnected' || one === 'failed')).toEqual([]);
    expect(await producersOf(anna, 'Binh')).toEqual(before.producers);
    expect(await openTransports(binh)).toBe(before.transports);
    expect(await heard(anna, ...FLICKER)).toEqual([]);
    expect(await heard(binh, ...FLICKER, 'reconnected')).toEqual([]);
    await showsExactly(anna, ['Anna', 'Binh']);
  });

  it('without a word of the browser: the WebSocket goes with it, and its resume finds the media silent', async () => {
    const room = await stage.room();
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west' });
    const binh = await behindTranslator(room, 'Binh', 'ap-southeast');
    await framesRise(anna, 'Binh', 10);
    await framesRise(binh, 'Anna', 10);
    const before = await producersOf(anna, 'Binh');
    const nodeId = (await binh.tileOf('Binh'))?.nodeId ?? '';
    for (const person of [anna, binh]) await watchRoom(person);
    const known = (await states(binh)).length;

    expect(ways.get(nodeId)?.lose()).toBeGreaterThan(0);
    expect(lines.get(nodeId)?.cut()).toBeGreaterThan(0);

    await framesRise(binh, 'Anna', 15);
    await framesRise(anna, 'Binh', 15);
    expect(await heard(binh, 'resumed')).toHaveLength(1);
    expect((await states(binh)).slice(known).filter((one) => one === 'disconnected' || one === 'failed')).toEqual([]);
    expect(await producersOf(anna, 'Binh')).toEqual(before);
    expect(await heard(anna, ...FLICKER)).toEqual([]);
  });

  it('without a word of anybody has media again, too: the browser notices the silence', async () => {
    const room = await stage.room();
    const anna = await stage.join({ room, name: 'Anna', region: 'eu-west' });
    const binh = await behindTranslator(room, 'Binh', 'ap-southeast');
    await framesRise(anna, 'Binh', 10);
    await framesRise(binh, 'Anna', 10);
    const before = await producersOf(anna, 'Binh');
    for (const person of [anna, binh]) await watchRoom(person);

    expect(ways.get((await binh.tileOf('Binh'))?.nodeId ?? '')?.lose()).toBeGreaterThan(0);

    await framesRise(binh, 'Anna', 15);
    await framesRise(anna, 'Binh', 15);
    expect(await producersOf(anna, 'Binh')).toEqual(before);
    expect(await heard(anna, ...FLICKER)).toEqual([]);
  });
});
