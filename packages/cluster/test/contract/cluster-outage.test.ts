import { eventually } from '@meridian/harness';
import { NodeId } from '@meridian/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NodeAnnouncement } from '../../src/index.ts';
import { type Backend, startBackend } from '../support/backend.ts';
import { attach, join, leave, listen, nodeRecord, person, roomId, World } from '../support/world.ts';

const NODES = ['alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta'].map((name) => NodeId.parse(`node-${name}`));

describe('when a master of a Redis Cluster stands still', () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await startBackend('cluster');
  });
  afterAll(() => backend?.stop());

  it('commands to it fail in time, and everything comes back with it: commands, announcements, subscriptions', async () => {
    const world = new World(backend);
    const [cluster, service] = [
      await world.open({ commandTimeoutMs: 500 }),
      await world.open({ commandTimeoutMs: 500, maxAgeMs: 0 }),
    ];
    const announcements: NodeAnnouncement[] = [];
    const heard = [];
    for (const nodeId of NODES) {
      heard.push({ nodeId, ...listen(await cluster.inbox(nodeId)) });
      announcements.push(await cluster.announce(nodeRecord(nodeId), { leaseMs: 1_500, heartbeatMs: 200 }));
    }
    const [frozen] = backend.processes;
    frozen?.process.kill('SIGSTOP');
    // Keys of six nodes lie on all three masters.
    const answers = () => Promise.allSettled(NODES.map((nodeId) => attach(service, person(), nodeId)));
    await eventually('some commands fail', async () => {
      const failures = (await answers()).filter((answer) => answer.status === 'rejected');
      expect(failures.length).toBeGreaterThan(0);
      for (const { reason } of failures) expect(reason).toMatchObject({ code: 'cluster-unavailable' });
    });
    frozen?.process.kill('SIGCONT');
    await eventually(
      'all commands work, all nodes are announced',
      async () => {
        expect((await answers()).every(({ status }) => status === 'fulfilled')).toBe(true);
        expect(announcements.every(({ announced }) => announced)).toBe(true);
        expect(await service.registry.list()).toHaveLength(NODES.length);
        expect(cluster.status).toBe('up');
      },
      { withinMs: 20_000 },
    );
    for (const { nodeId, events } of heard) {
      const lease = await join(cluster, person(), nodeId);
      await eventually('each node hears its rooms', () => {
        expect(events.at(-1)?.event).toMatchObject({ participant: { sessionId: lease.sessionId } });
      });
      expect(await leave(cluster, lease)).toBe(true);
    }
    expect(await cluster.rooms.nodesOf(roomId)).toEqual([]);
  });
});
