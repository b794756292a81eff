import { describe, expect, test } from 'vitest';
import type { Fate } from '../support/fake-bus.ts';
import { outcome, RelayWorld } from '../support/relay-world.ts';

describe('after an outage of Redis', () => {
  test('a pull that comes before the origin listens again leaves the link and what runs over it alone', async () => {
    let deaf = false;
    const world = await RelayWorld.start({
      fate: (method) => (deaf && method === 'relay.pull' ? 'nobody-listens' : 'arrives'),
    });
    const [a, b] = [await world.publish(), await world.publish('camera')];
    world.pull(a);
    await world.clock.pass(50);
    const end = world.media.puller.relayEnds[0];

    deaf = true;
    const late = world.pull(b);
    await world.clock.pass(100);
    expect(world.sent('relay.pull')).toBe(1);
    expect(world.ended).toEqual([]);

    deaf = false;
    await world.clock.pass(1_000);
    expect(await outcome(late.ready)).toBe('ready');
    expect(world.media.puller.relayEnds).toEqual([end]);
    expect(world.sent('relay.open')).toBe(1);
  });

  test('checks to which nobody listened count only where no outage lies between them', async () => {
    const fates: Fate[] = ['nobody-listens', 'nobody-listens', 'redis-down', 'nobody-listens', 'nobody-listens'];
    let checks: Fate[] = [];
    const world = await RelayWorld.start({
      fate: (method) => (method === 'relay.check' ? (checks.shift() ?? 'arrives') : 'arrives'),
    });
    world.pull(await world.publish());
    await world.clock.pass(50);
    // Both nodes ask.
    checks = fates.flatMap((fate) => [fate, fate]);

    await world.clock.pass(30_000);
    expect(checks).toEqual([]);
    expect(world.ended).toEqual([]);
  });
});
