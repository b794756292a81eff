import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@meridian/harness';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Recordings } from '../../src/experiment/light/recordings.ts';
import { numberIn } from '../../src/experiment/measure/interpolate.ts';
import type { ClientTask, PageNews } from '../../src/experiment/page/contract.ts';
import { type LocalMember, openMember } from '../../src/experiment/world/open-member.ts';
import { createRoom } from '../../src/light/api.ts';
import { LightParticipant } from '../../src/light/signalling-client.ts';
import { LOCAL_REGIONS, LocalCluster } from '../../src/local-cluster/index.ts';
import { LinkSettings } from '../../src/wan/model/settings.ts';
import { startEmulator, type WanEmulator } from '../../src/wan/start-emulator.ts';

const ONE_WAY_MS = 60;
const VIDEO = { width: 160, height: 90, fps: 10, codec: 'vp8', simulcast: false } as const;
const PEOPLE = ['lia', 'max'] as const;

/** Two light peers in one room, each at a node of its own, the first of them over a long line. */
describe('a light member of an experiment', () => {
  let dir: string;
  let cluster: LocalCluster;
  let emulator: WanEmulator;
  let room: string;
  const recordings = new Recordings();
  const regions = LOCAL_REGIONS.slice(0, 2);
  const members: LocalMember[] = [];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'light-member-'));
    cluster = await LocalCluster.start({ dataDir: dir, regions, nodeEnv: { MERIDIAN_LOG_LEVEL: 'fatal' } });
    const line = LinkSettings.parse({ delayMs: ONE_WAY_MS });
    emulator = await startEmulator({ seed: 1, links: { up: line, down: line } });
    room = await createRoom(cluster.url);
  });

  afterAll(async () => {
    await Promise.all(members.map((member) => member.close()));
    await emulator?.close();
    await cluster?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  async function open(number: number, over: readonly ['up', 'down'] | undefined): Promise<LocalMember> {
    const { nodeId, region } = regions[number] ?? { nodeId: '', region: '' };
    const { rtcPort, httpPort } = cluster.node(nodeId);
    const links = over === undefined ? { up: [], down: [] } : { up: [over[0]], down: [over[1]] };
    const udp = await emulator.openUdp({ target: { port: rtcPort }, ...links });
    const tcp = await emulator.openTcp({ target: { port: httpPort }, ...links });
    const task: ClientTask = {
      kind: 'light',
      url: `${cluster.url}/r/${room}`,
      name: PEOPLE[number] ?? '',
      number,
      others: PEOPLE.filter((_, other) => other !== number).map((name) => ({
        name,
        kind: 'light',
        sendsVideo: true,
        sendsAudio: true,
      })),
      region,
      video: VIDEO,
      audio: true,
      keepEvery: 1,
      keepMost: 0,
    };
    const member = await openMember(task, {
      browser: undefined,
      recordings,
      detour: { tcp: { [httpPort]: tcp.port }, udp: { [rtcPort]: udp.port } },
    });
    members.push(member);
    return member;
  }

  test('joins where the arm forces it, over its links; sends, counts what comes, and leaves', async () => {
    // Given somebody who watches the room
    const watcher = await LightParticipant.join({ url: cluster.url, room, name: 'Watcher' });
    const [far, near] = [await open(0, ['up', 'down']), await open(1, undefined)];
    const heard: PageNews[] = [];
    const marks = () => heard.flatMap((news) => news.marks.map(({ what }) => what));
    const latest = () => heard.findLast(({ stats }) => stats.length > 0)?.stats.at(-1)?.reports ?? [];

    // When both join and receive each other, and reports have gone to and fro
    await Promise.all([far.start(), near.start()]);
    await eventually(
      'the far one receives everything, and knows its round trip and what its node says',
      async () => {
        heard.push(await far.news());
        return (
          marks().includes('receiving') &&
          heard.some(({ node }) => node.length > 0) &&
          latest().some(({ type, kind }) => type === 'remote-inbound-rtp' && kind === 'video')
        );
      },
      { withinMs: 30_000 },
    );

    // Then it is on the node of its region, and its packets have passed the emulated line
    expect(heard.find(({ node }) => node.length > 0)?.node[0]?.nodeId).toBe(regions[0]?.nodeId);
    expect(marks()).toEqual(['joining', 'joined', 'receiving']);
    const reports = latest();
    for (const kind of ['audio', 'video']) {
      const inbound = reports.find((one) => one.type === 'inbound-rtp' && one.kind === kind);
      expect(inbound?.sender).toBe('max');
      expect(inbound === undefined ? 0 : numberIn(inbound, 'bytesReceived')).toBeGreaterThan(0);
      const trip = reports.find((one) => one.type === 'remote-inbound-rtp' && one.kind === kind);
      // RTCP that waits for a busy machine only makes it longer.
      expect(trip === undefined ? 0 : numberIn(trip, 'roundTripTime')).toBeGreaterThanOrEqual(
        (2 * ONE_WAY_MS - 2) / 1_000,
      );
    }
    expect(heard.flatMap(({ sent }) => sent).length).toBeGreaterThan(0);
    const links = await emulator.report();
    expect(links.up?.delivered).toBeGreaterThan(20);
    expect(links.down?.delivered).toBeGreaterThan(20);

    // When its line is cut, then what comes is read on, though its node cannot answer any more
    await emulator.change('up', { outage: true });
    await far.news();
    const cut: PageNews[] = [];
    await eventually('it is read on', async () => {
      cut.push(await far.news());
      return cut.flatMap(({ stats }) => stats).length >= 5;
    });
    expect(cut.flatMap(({ node }) => node).length).toBeLessThanOrEqual(1);
    await emulator.change('up', { outage: false });

    // When both leave
    await Promise.all([far.leave(), near.leave()]);

    // Then the room is told at once that both are gone, and nothing goes wrong
    await eventually('both have left', () => watcher.told('participant-left') === 2);
    expect([...far.errors, ...near.errors]).toEqual([]);
    await watcher.leave();
    expect((await far.news()).stats).toEqual([]);
  });

  test('says with a code what keeps it from joining', async () => {
    const member = await open(0, undefined);
    await emulator.close();
    await expect(member.start()).rejects.toThrow(/lia, connect: session-lost/);
    expect(member.errors).toHaveLength(1);
  });
});
