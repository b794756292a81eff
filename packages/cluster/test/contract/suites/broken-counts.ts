import { describe, expect, it } from 'vitest';
import type { Backend } from '../../support/backend.ts';
import { attach, join, leave, manual, nodeA, nodeRecord, person, roomId, World } from '../../support/world.ts';

/** Numbers that scripts count with and that somebody has overwritten. */
export function brokenCountsSuite(backend: () => Backend): void {
  describe('numbers in Redis that are none any more', () => {
    it.each(['nodes', 'revision'])('a room whose %s is broken takes people in and lets them go', async (kind) => {
      const world = new World(backend());
      try {
        // Given a room with somebody in it
        const cluster = await world.open();
        const ann = await join(cluster, person(), nodeA);
        const { raw } = world.backend;
        const keys = world.keys.room(roomId);

        // When its numbers are overwritten
        if (kind === 'nodes') await raw.hset(keys.nodes, nodeA, 'garbage');
        else await raw.set(keys.revision, 'garbage');

        // Then others come in, everybody goes, and nothing is left
        const bob = await join(cluster, person(), nodeA);
        expect(await cluster.rooms.nodesOf(roomId)).toContain(nodeA);
        expect(await leave(cluster, ann)).toBe(true);
        expect(await cluster.rooms.nodesOf(roomId)).toContain(nodeA);
        expect(await leave(cluster, bob)).toBe(true);
        expect(await cluster.rooms.nodesOf(roomId)).toEqual([]);
      } finally {
        await world.close();
      }
    });

    it.each(['garbage', '1000000'])(
      'a node whose count of promised places says %s does not stay full',
      async (count) => {
        const world = new World(backend());
        try {
          // Given a node and a count of its promised places that is wrong
          const cluster = await world.open({ maxAgeMs: 0 });
          await cluster.announce(nodeRecord(nodeA), manual(60_000));
          await world.backend.raw.hset(world.keys.registry.reservedCount, nodeA, count);

          // When a session is promised a place and has come
          const ann = person();
          await cluster.registry.reserve(nodeA, ann.sessionId);
          await attach(cluster, ann, nodeA);

          // Then the count is what was promised
          const [view] = await cluster.registry.list();
          expect(view?.reserved).toBe(1);
        } finally {
          await world.close();
        }
      },
    );
  });
}
