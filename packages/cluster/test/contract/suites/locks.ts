import { eventually } from '@meridian/harness';
import { describe, expect, it } from 'vitest';
import type { Backend } from '../../support/backend.ts';
import { World } from '../../support/world.ts';

export function lockSuite(backend: () => Backend): void {
  describe('locks', () => {
    it('let one in at a time and say so to the others', async () => {
      const world = new World(backend());
      const [one, two] = [await world.open(), await world.open()];
      let inside = 0;
      let most = 0;
      const work = async () => {
        inside += 1;
        most = Math.max(most, inside);
        await world.backend.raw.time();
        inside -= 1;
        return 'worked';
      };
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, i) => (i % 2 ? one : two).locks.withLock('sweep', { ttlMs: 5_000 }, work)),
      );
      expect(most).toBe(1);
      expect(outcomes).toContainEqual({ outcome: 'done', value: 'worked' });
      expect(outcomes).toContainEqual({ outcome: 'not-acquired' });
      expect(await one.locks.withLock('sweep', { ttlMs: 5_000 }, work)).toEqual({ outcome: 'done', value: 'worked' });
    });

    it('tell a null result from a lock that was not got', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      expect(await cluster.locks.withLock('x', { ttlMs: 5_000 }, async () => null)).toEqual({
        outcome: 'done',
        value: null,
      });
      const inner = await cluster.locks.withLock('x', { ttlMs: 5_000 }, () =>
        cluster.locks.withLock('x', { ttlMs: 5_000 }, async () => null),
      );
      expect(inner).toEqual({ outcome: 'done', value: { outcome: 'not-acquired' } });
    });

    it.each(['garbage', '17000000000001700000000000', '-1'])(
      'fence by the clock where the last fence says %s',
      async (damage) => {
        const world = new World(backend());
        const cluster = await world.open();
        const fenceOf = () => cluster.locks.withLock('x', { ttlMs: 5_000 }, async ({ fence }) => fence);
        const first = await fenceOf();
        await world.backend.raw.set(world.keys.lock('x').fence, damage, 'KEEPTTL');
        const second = await eventually('a millisecond has passed', async () => {
          const now = await fenceOf();
          return now.outcome === 'done' && first.outcome === 'done' && now.value > first.value && now.value;
        });
        expect(second).toBeLessThan(Date.now() + 60_000);
      },
    );

    it('are extended for as long as the work takes', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const { holder } = world.keys.lock('long');
      const result = await cluster.locks.withLock('long', { ttlMs: 1_500 }, async ({ signal }) => {
        const value = await world.backend.raw.get(holder);
        // Longer than the lock would live by itself: it rises again and again.
        let lowest = 1_500;
        let rises = 0;
        await eventually('it was extended twice', async () => {
          const left = await world.backend.raw.pttl(holder);
          if (left > lowest) rises += 1;
          lowest = left;
          return rises >= 2;
        });
        expect(await world.backend.raw.get(holder)).toBe(value);
        return signal.aborted;
      });
      expect(result).toEqual({ outcome: 'done', value: false });
      expect(await world.backend.raw.exists(holder)).toBe(0);
    });

    it('tell their holder when they are lost, and the caller too', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const { holder } = world.keys.lock('lost');
      const result = await cluster.locks.withLock('lost', { ttlMs: 300 }, async ({ signal }) => {
        await world.backend.raw.set(holder, 'somebody else', 'PX', 60_000);
        await eventually('the loss is told', () => signal.aborted);
        throw signal.reason;
      });
      expect(result).toEqual({ outcome: 'lost' });
      expect(await world.backend.raw.get(holder)).toBe('somebody else');
    });

    it('that were lost unnoticed make the result worthless', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const result = await cluster.locks.withLock('unnoticed', { ttlMs: 60_000 }, async () => {
        await world.backend.raw.del(world.keys.lock('unnoticed').holder);
        return 'done under no lock';
      });
      expect(result).toEqual({ outcome: 'lost' });
    });

    it('of a holder that died go to the next one, with a higher fence', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const { holder } = world.keys.lock('dead');
      const fences: number[] = [];
      await cluster.locks.withLock('dead', { ttlMs: 5_000 }, async ({ fence }) => fences.push(fence));
      // Nobody extends or releases this one.
      await world.backend.raw.set(holder, 'a process that was killed', 'PX', 150);
      await eventually('the lock is free again', async () => {
        const { outcome } = await cluster.locks.withLock('dead', { ttlMs: 5_000 }, async ({ fence }) =>
          fences.push(fence),
        );
        expect(outcome).toBe('done');
      });
      expect(fences).toHaveLength(2);
      expect(fences[1]).toBeGreaterThan(fences[0] ?? Number.POSITIVE_INFINITY);
    });

    it('pass on what the work throws, and are free afterwards', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const failing = cluster.locks.withLock('throws', { ttlMs: 5_000 }, async () => {
        throw new RangeError('no');
      });
      await expect(failing).rejects.toThrow(RangeError);
      expect((await cluster.locks.withLock('throws', { ttlMs: 5_000 }, async () => 1)).outcome).toBe('done');
    });

    it('hand the caller’s abort on to the work', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const controller = new AbortController();
      const working = cluster.locks.withLock('abort', { ttlMs: 5_000, signal: controller.signal }, async (held) => {
        controller.abort(new Error('enough'));
        held.signal.throwIfAborted();
      });
      await expect(working).rejects.toThrow('enough');
      await expect(
        cluster.locks.withLock('abort', { ttlMs: 5_000, signal: controller.signal }, async () => 1),
      ).rejects.toThrow('enough');
      expect((await cluster.locks.withLock('abort', { ttlMs: 5_000 }, async () => 1)).outcome).toBe('done');
    });
  });
}
