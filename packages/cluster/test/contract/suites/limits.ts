import { eventually } from '@meridian/harness';
import { describe, expect, it } from 'vitest';
import type { Backend } from '../../support/backend.ts';
import { World } from '../../support/world.ts';

export function limitSuite(backend: () => Backend): void {
  describe('limits of all instances together', () => {
    it('count what every instance reports, within a window', async () => {
      const world = new World(backend());
      const [one, two] = [await world.open(), await world.open()];
      expect(await one.limits.count('api', '192.0.2.1', 3, 60_000)).toMatchObject({ count: 3 });
      const second = await two.limits.count('api', '192.0.2.1', 2, 60_000);
      expect(second.count).toBe(5);
      expect(second.resetMs).toBeLessThanOrEqual(60_000);
      expect((await two.limits.count('api', '192.0.2.2', 1, 60_000)).count).toBe(1);
      expect((await two.limits.count('guests', '192.0.2.1', 1, 60_000)).count).toBe(1);

      await one.limits.count('short', '192.0.2.1', 1_000, 300);
      await eventually('the window is over', async () => {
        return (await two.limits.count('short', '192.0.2.1', 1, 300)).count < 1_000;
      });
    });

    it.each(['garbage', '-5', '9007199254740993'])('begin a window anew whose count says %s', async (damage) => {
      const world = new World(backend());
      const cluster = await world.open();
      await cluster.limits.count('api', '192.0.2.1', 3, 60_000);
      const [key = ''] = await world.leftovers();
      await world.backend.raw.set(key, damage, 'KEEPTTL');
      const { count, resetMs } = await cluster.limits.count('api', '192.0.2.1', 2, 60_000);
      expect(count).toBe(2);
      expect(resetMs).toBeGreaterThan(0);
      expect((await cluster.limits.count('api', '192.0.2.1', 1, 60_000)).count).toBe(3);
    });

    it('let so many attempts pass, wherever they are made; refused ones do not count', async () => {
      const world = new World(backend());
      const [one, two] = [await world.open(), await world.open()];
      const window = { limit: 2, windowMs: 60_000 };
      const tries = await Promise.all([one, two, one, two].map(({ limits }) => limits.attempt('login', 'a@b', window)));
      expect(tries.filter(({ allowed }) => allowed)).toHaveLength(2);
      const refused = await one.limits.attempt('login', 'a@b', window);
      expect(refused).toMatchObject({ allowed: false });
      expect(!refused.allowed && refused.retryAfterMs).toBeLessThanOrEqual(60_000);
      expect(await two.limits.attempt('login', 'c@d', window)).toEqual({ allowed: true });

      const short = { limit: 1, windowMs: 300 };
      await one.limits.attempt('login', 'e@f', short);
      await eventually('the attempt is old', async () => (await two.limits.attempt('login', 'e@f', short)).allowed);
    });

    it('forget attempts, and keep what they are about out of the names of keys', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const hostile = 'x}:{nodes}:index\r\n*1\u0000';
      const window = { limit: 1, windowMs: 60_000 };
      expect((await cluster.limits.attempt('login', hostile, window)).allowed).toBe(true);
      expect((await cluster.limits.attempt('login', hostile, window)).allowed).toBe(false);
      await cluster.limits.count('login', hostile, 1, 60_000);
      const keys = await world.leftovers();
      expect(keys).toHaveLength(2);
      for (const key of keys) expect(key).toMatch(/^[\w-]+:\{c:[\w-]{27}\}:(count|attempts)$/);
      await cluster.limits.forget('login', hostile);
      expect((await cluster.limits.attempt('login', hostile, window)).allowed).toBe(true);
    });
  });
}
