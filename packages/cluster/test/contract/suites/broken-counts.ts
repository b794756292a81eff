import { eventually } from '@meridian/harness';
import { describe, expect, it } from 'vitest';
import type { Backend } from '../../support/backend.ts';
import { attach, join, leave, listen, manual, nodeA, nodeRecord, person, roomId, World } from '../../support/world.ts';

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

    it.each([
      ['is no number', () => 'garbage'],
      ['is lower than before', () => '5 '],
      ['is far higher than before', (text: string) => text.replaceAll(' ', '').repeat(2)],
      ['is cut off', (text: string) => text.slice(0, 7)],
      ['has other digits', (text: string) => text.replace(/\d/, '0')],
    ])('a room whose revision %s takes people in, and its nodes hear of it', async (_, damage) => {
      const world = new World(backend());
      // Given a room with somebody in it, whose node listens
      const cluster = await world.open();
      const heard = listen(await cluster.inbox(nodeA));
      await join(cluster, person(), nodeA);
      await eventually('the first one is heard', () => heard.events.length === 1);
      const before = heard.events[0]?.revision ?? 0;

      // When its revision is damaged and somebody comes
      const { revision } = world.keys.room(roomId);
      const { raw } = world.backend;
      await raw.set(revision, damage((await raw.get(revision)) ?? ''));
      await join(cluster, person(), nodeA);

      // Then they are heard, under a revision that is higher than the one before and can be counted on from
      await eventually('the second one is heard', () => heard.events.length === 2);
      expect(heard.events[1]?.revision).toBeGreaterThan(before);
      expect(heard.events[1]?.revision).toBeLessThan(Date.now() + 60_000);
      expect((await cluster.rooms.snapshot(roomId)).revision).toBe(heard.events[1]?.revision);
    });

    it.each(['garbage', '5', '1e300', 'later'])(
      'a node whose own term is said to be %s keeps its leases, in its term or a later one',
      async (damage) => {
        const world = new World(backend());
        // Given an announced node with a session
        const cluster = await world.open();
        const announcement = await cluster.announce(nodeRecord(nodeA), { leaseMs: 2_000, heartbeatMs: 20 });
        const lost: unknown[] = [];
        announcement.on('lost', (cause) => lost.push(cause));
        const lease = await attach(cluster, person(), nodeA);
        announcement.on('restored', () => void cluster.leases.restore([lease]));
        const { raw } = world.backend;
        const keys = world.keys.node(nodeA);
        const term = Number(await raw.get(keys.term));

        // When the note of its term is damaged
        await raw.set(keys.term, damage === 'later' ? String(term + 1_000) : damage);

        // Then it stands right again, and the session's lease with it
        await eventually('the note is right again', async () => {
          const noted = Number(await raw.get(keys.term));
          const known = JSON.parse((await raw.hget(world.keys.registry.terms, nodeA)) ?? '{}').term;
          return noted === known && (damage === 'later' ? noted > term + 1_000 : noted === term);
        });
        await eventually('its lease is there', async () => (await raw.hexists(keys.sessions, lease.sessionId)) === 1);
        expect(lost).toEqual([]);
      },
    );

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
