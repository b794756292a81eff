import { eventually } from '@meridian/harness';
import { describe, expect, it } from 'vitest';
import type { Backend } from '../../support/backend.ts';
import { newUserId, World } from '../../support/world.ts';

export function revocationSuite(backend: () => Backend): void {
  describe('revocations', () => {
    it('are read by those who were not there, all of them or the newer ones', async () => {
      const world = new World(backend());
      const [service, node] = [await world.open(), await world.open()];
      const [one, two] = [newUserId(), newUserId()];
      expect(await node.revocations.since(0)).toEqual({ revocations: [], lastMs: 0 });

      await service.revocations.add([{ userId: one, ver: 1 }], 60_000);
      const first = await node.revocations.since(0);
      expect(first.revocations).toEqual([{ userId: one, ver: 1 }]);

      const newer = await eventually('one is added in a later millisecond', async () => {
        await service.revocations.add([{ userId: two, ver: 7 }], 60_000);
        const read = await node.revocations.since(first.lastMs + 1);
        return read.revocations.length > 0 && read;
      });
      expect(newer.revocations).toEqual([{ userId: two, ver: 7 }]);
      expect(newer.lastMs).toBeGreaterThan(first.lastMs);
      expect((await node.revocations.since(0)).revocations).toHaveLength(2);
    });

    it('go when no token can be older than they are', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const [one, two] = [newUserId(), newUserId()];
      await cluster.revocations.add([{ userId: one, ver: 1 }], 60_000);
      const { lastMs } = await cluster.revocations.since(0);
      // Written a minute and a bit ago.
      await world.backend.raw.zadd(world.keys.revocations, lastMs - 60_001, `${one}:1`);
      await cluster.revocations.add([{ userId: two, ver: 1 }], 60_000);
      expect((await cluster.revocations.since(0)).revocations).toEqual([{ userId: two, ver: 1 }]);
      expect(await world.backend.raw.pttl(world.keys.revocations)).toBeGreaterThan(0);
    });

    it('that cannot be read are skipped and reported', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const userId = newUserId();
      await cluster.revocations.add([{ userId, ver: 3 }], 60_000);
      await world.backend.raw.zadd(world.keys.revocations, 5, 'nonsense', 6, 'a:b:c', 7, '{x}:1');
      expect((await cluster.revocations.since(0)).revocations).toEqual([{ userId, ver: 3 }]);
      expect(world.log.some(({ message }) => /skipped/.test(message))).toBe(true);
    });
  });
}
