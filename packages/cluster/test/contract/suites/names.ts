import { RoomSlug } from '@meridian/protocol';
import { describe, expect, it } from 'vitest';
import { CommandCounter } from '../../../src/index.ts';
import type { Backend } from '../../support/backend.ts';
import { newRoomId, World } from '../../support/world.ts';

export function nameSuite(backend: () => Backend): void {
  describe('room names', () => {
    it('lead from the slug to the room and back, cost one command each a while, and expire', async () => {
      const world = new World(backend());
      const counter = new CommandCounter();
      const cluster = await world.open({ observe: counter });
      const slug = RoomSlug.parse('stand-up');
      const [one, two] = [newRoomId(), newRoomId()];
      expect(await cluster.names.find(slug)).toBeUndefined();
      for (let i = 0; i < 5; i += 1) await cluster.names.set(one, slug);
      expect(counter.counts()['names.set']).toBe(1);
      expect(counter.counts()['names.set-slug']).toBe(1);
      expect(await cluster.names.find(slug)).toBe(one);
      expect(await cluster.names.slugOf(one)).toBe(slug);
      expect(await cluster.names.slugOf(two)).toBeUndefined();
      await cluster.names.set(two, slug);
      expect(await cluster.names.find(slug)).toBe(two);
      expect(await cluster.names.slugOf(two)).toBe(slug);
      expect(await cluster.names.slugOf(newRoomId())).toBeUndefined();
      expect(await world.backend.raw.pttl(world.keys.slug(slug))).toBeGreaterThan(0);
      expect(await world.backend.raw.pttl(world.keys.slugOf(two))).toBeGreaterThan(0);
      expect(await world.backend.raw.pttl(world.keys.slugOf(one))).toBeGreaterThan(0);
    });
  });
}
