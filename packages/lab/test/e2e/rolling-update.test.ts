import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRoom, LocalCluster, launchChromium, Person } from '../../src/index.ts';
import { seeEachOther, showsExactly } from './support.ts';
import { FLICKER, heard, watchRoom } from './watch-room.ts';

const script = fileURLToPath(new URL('../../../../scripts/rolling-update', import.meta.url));
const webDir = fileURLToPath(new URL('../../../web/dist', import.meta.url));
/** A track that follows another one is the move itself. */
const SEEN_TO_COME_OR_GO = FLICKER.filter((event) => event !== 'producer-replaced' && event !== 'track-replaced');

describe('./scripts/rolling-update', () => {
  let dataDir: string;
  let cluster: LocalCluster;
  let browser: Browser;
  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'meridian-rolling-e2e-'));
    cluster = await LocalCluster.start({ dataDir, webDir, supervise: true });
    browser = await launchChromium({ fps: 10 });
  });
  afterAll(async () => {
    await browser?.close();
    await cluster?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('restarts every node under a call of three browsers, who see and hear each other all the time', async () => {
    // Given three people on three nodes
    const room = await createRoom(cluster.url);
    const join = (name: string, region: string) =>
      Person.join(browser, { url: cluster.url, room, name, region, quality: 'low' });
    const people = [await join('Anna', 'eu-west'), await join('Binh', 'ap-southeast'), await join('Chi', 'ap-vn')];
    const names = people.map(({ name }) => name);
    await seeEachOther(people, 5);
    for (const person of people) await watchRoom(person);
    const pids = [...cluster.nodes.values()].map(({ child }) => child.pid);

    // When an operator updates the cluster
    const { stdout } = await promisify(execFile)(script, ['--data', dataDir], { timeout: 150_000 });

    // Then each node is a new process, nobody was told to join again, and nobody was seen to come or go
    expect(stdout).toMatch(/3 nodes were restarted in .*; \d+ moved, 0 were told to join again/);
    for (const { child } of cluster.nodes.values()) expect(pids).not.toContain(child.pid);
    for (const person of people) {
      expect(await heard(person, ...SEEN_TO_COME_OR_GO, 'reconnecting', 'reconnected', 'ended')).toEqual([]);
      expect((await heard(person, 'moved')).length).toBeGreaterThan(0);
      await showsExactly(person, names);
    }
    await seeEachOther(people, 10);
    for (const person of people) await person.close();
  });
});
