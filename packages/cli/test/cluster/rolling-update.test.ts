import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@meridian/harness';
import { createRoom, LOCAL_REGIONS, LocalCluster } from '@meridian/lab';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MovingGuest } from './moving-guest.ts';
import { meridian } from './support.ts';

describe('meridian rolling-update', () => {
  let folder: string;
  let cluster: LocalCluster;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'meridian-rolling-test-'));
    cluster = await LocalCluster.start({ dataDir: folder, supervise: true });
  });
  afterAll(async () => {
    await cluster?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('restarts every node while a call goes on, of which nobody goes missing for anybody', async () => {
    // Given a call over all nodes
    const room = await createRoom(cluster.url);
    const guests: MovingGuest[] = [];
    for (const { region } of LOCAL_REGIONS) guests.push(await MovingGuest.join(cluster.url, room, region, region));
    await eventually('the first has seen all others come', () => {
      return guests[0]?.heard.filter((event) => event === 'participant-joined').length === guests.length - 1;
    });
    const pidsBefore = [...cluster.nodes.values()].map(({ child }) => child.pid);
    const comingsBefore = guests.map(({ heard }) => heard.filter((event) => event === 'participant-joined').length);

    // When the cluster is updated
    const { code, out, err } = await meridian(['rolling-update', '--data', folder]);

    // Then every node is a new process, everybody has moved, and nobody was seen to come or go
    expect(err).toBe('');
    expect(out).toMatch(/3 nodes were restarted in .*; \d+ moved, 0 were told to join again/);
    expect(code).toBe(0);
    const pids = [...cluster.nodes.values()].map(({ child }) => child.pid);
    expect(pids.filter((pid) => pidsBefore.includes(pid))).toEqual([]);
    for (const [index, { heard, troubles, nodes }] of guests.entries()) {
      expect(troubles).toEqual([]);
      expect(nodes.length).toBeGreaterThan(1);
      expect(heard).not.toContain('participant-left');
      expect(heard.filter((event) => event === 'participant-joined')).toHaveLength(comingsBefore[index] ?? -1);
    }
    expect(new Set(guests.map(({ sessionId }) => sessionId)).size).toBe(guests.length);
    await Promise.all(guests.map((guest) => guest.leave()));
  });

  it('says that there is no local cluster', async () => {
    const { code, err } = await meridian(['rolling-update', '--data', join(folder, 'nothing')]);
    expect(code).toBe(2);
    expect(err).toContain('no local cluster runs here');
  });
});
