import { eventually } from '@meridian/harness';
import { describe, expect, it } from 'vitest';
import type { Backend } from '../../support/backend.ts';
import { attach, manual, nodeA, nodeB, nodeRecord, older, person, World } from '../../support/world.ts';

export function leaseSuite(backend: () => Backend): void {
  describe('leases', () => {
    it('rise in epoch with every attachment, also within one millisecond', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const who = person();
      const leases = await Promise.all(
        Array.from({ length: 20 }, () =>
          cluster.leases.attach({ ...who, nodeId: nodeA, region: nodeRecord(nodeA).region }),
        ),
      );
      expect(new Set(leases.map(({ epoch }) => epoch)).size).toBe(20);
      const newest = Math.max(...leases.map(({ epoch }) => epoch));
      expect((await cluster.leases.find(nodeA, who.sessionId))?.epoch).toBe(newest);
    });

    it('rise in epoch on another node too, which knows nothing of the former one', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const who = person();
      const first = await attach(cluster, who);
      await eventually('the clock of Redis moves on', async () => {
        const [seconds, microseconds] = await world.backend.raw.time();
        expect(Number(seconds) * 1_000 + Number(microseconds) / 1_000).toBeGreaterThan(first.epoch + 1);
      });
      expect((await attach(cluster, who, nodeB)).epoch).toBeGreaterThan(first.epoch);
    });

    it('end only for the epoch that holds them', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const who = person();
      const first = await attach(cluster, who);
      const second = await attach(cluster, who);
      expect(await cluster.leases.end(nodeA, who.sessionId, first.epoch)).toBe(false);
      expect(await cluster.leases.find(nodeA, who.sessionId)).toEqual(second);
      expect(await cluster.leases.end(nodeA, who.sessionId, second.epoch)).toBe(true);
      expect(await cluster.leases.find(nodeA, who.sessionId)).toBeUndefined();
      expect(await cluster.leases.end(nodeA, who.sessionId, second.epoch)).toBe(false);
    });

    it('live exactly as long as their node is announced', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const announcement = await cluster.announce(nodeRecord(nodeA), manual(500));
      const lease = await attach(cluster, person());
      for (let beats = 0; beats < 3; beats += 1) {
        await announcement.update({}, { now: true });
        expect(await cluster.leases.find(nodeA, lease.sessionId)).toEqual(lease);
        expect(await world.backend.raw.pttl(world.keys.node(nodeA).sessions)).toBeLessThanOrEqual(500);
      }
      await eventually('the lease is gone with the entry', async () => {
        expect(await cluster.leases.find(nodeA, lease.sessionId)).toBeUndefined();
        expect(await world.backend.raw.exists(world.keys.nodeEntries + nodeA)).toBe(0);
      });
    });

    it('come back with their epochs after Redis lost them, unless a newer one was written', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const [one, two] = [person(), person()];
      const held = [await attach(cluster, one), await attach(cluster, two)];
      await world.backend.raw.del(world.keys.node(nodeA).sessions);
      const newer = await attach(cluster, two);
      await cluster.leases.restore(held);
      expect(await cluster.leases.find(nodeA, one.sessionId)).toEqual(held[0]);
      expect(await cluster.leases.find(nodeA, two.sessionId)).toEqual(newer);
      await cluster.leases.restore([older(newer)]);
      expect(await cluster.leases.find(nodeA, two.sessionId)).toEqual(newer);
    });

    it('that cannot be read count as none, and are reported', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const who = person();
      await world.backend.raw.hset(world.keys.node(nodeA).sessions, who.sessionId, '{"epoch":"yesterday"}');
      expect(await cluster.leases.find(nodeA, who.sessionId)).toBeUndefined();
      expect(world.log.some(({ message }) => /skipped/.test(message))).toBe(true);
      await world.backend.raw.hset(world.keys.node(nodeA).sessions, who.sessionId, 'not json');
      const lease = await attach(cluster, who);
      expect(await cluster.leases.find(nodeA, who.sessionId)).toEqual(lease);
    });
  });
}
