import { describe, expect, test } from 'vitest';
import { TransportHealth, transportHealth } from '../../src/rooms/transport-health.ts';
import { FakeClock } from '../support/fake-clock.ts';

describe('the health of two transports', () => {
  test.each([
    [{}, 'alive'],
    [{ recv: 'connected' }, 'alive'],
    [{ send: 'failed', recv: 'connected' }, 'alive'],
    [{ send: 'disconnected', recv: 'connected' }, 'alive'],
    [{ recv: 'disconnected' }, 'interrupted'],
    [{ send: 'failed', recv: 'disconnected' }, 'interrupted'],
    [{ send: 'failed' }, 'dead'],
    [{ send: 'failed', recv: 'failed' }, 'dead'],
  ] as const)('%j is %s', (states, expected) => {
    expect(transportHealth(states)).toBe(expected);
  });

  test('an interruption that ends in time does no harm; one that lasts is the end, once', async () => {
    const clock = new FakeClock();
    let deaths = 0;
    const health = new TransportHealth({ clock, graceMs: 1_000, onDead: () => deaths++ });
    health.update('send', 'connected');
    health.update('recv', 'connected');
    health.update('send', 'disconnected');
    health.update('recv', 'disconnected');
    await clock.pass(900);
    health.update('recv', 'connected');
    await clock.pass(5_000);
    expect(deaths).toBe(0);

    health.update('recv', 'disconnected');
    await clock.pass(1_000);
    health.update('recv', 'failed');
    expect(deaths).toBe(1);
    expect(clock.pending).toBe(0);
  });

  test('an interruption may last as long again once the connection is resumed', async () => {
    const clock = new FakeClock();
    let deaths = 0;
    const health = new TransportHealth({ clock, graceMs: 1_000, onDead: () => deaths++ });
    health.renew();
    expect(clock.pending).toBe(0);
    health.update('send', 'disconnected');
    await clock.pass(900);
    health.renew();
    await clock.pass(999);
    expect(deaths).toBe(0);
    await clock.pass(1);
    expect(deaths).toBe(1);
    health.renew();
    expect(clock.pending).toBe(0);
  });
});
