import type { types } from 'mediasoup-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { IceGuard } from '../../src/media/ice-guard.ts';
import { FakeRuntime } from '../support/fake-runtime.ts';

/** The part of a transport that the guard looks at. */
class FakeTransport {
  connectionState: types.ConnectionState = 'new';
  #listener: (state: types.ConnectionState) => void = () => {};

  on(_event: string, listener: (state: types.ConnectionState) => void): void {
    this.#listener = listener;
  }

  become(state: types.ConnectionState): void {
    this.connectionState = state;
    this.#listener(state);
  }
}

let runtime: FakeRuntime;
let transport: FakeTransport;
let guard: IceGuard;
let log: string[];
beforeEach(() => {
  runtime = new FakeRuntime();
  transport = new FakeTransport();
  log = [];
  guard = new IceGuard({
    transport,
    runtime,
    restart: async () => void log.push('restart'),
    onConnected: () => log.push('connected'),
    onDead: () => log.push('dead'),
  });
});

describe('a transport', () => {
  it('that is disconnected for a moment is left to mend itself', async () => {
    transport.become('connected');
    transport.become('disconnected');
    await runtime.advance(1_500);
    transport.become('connected');
    await runtime.advance(60_000);
    expect(log).toEqual(['connected', 'connected']);
  });

  it('that stays disconnected gets ICE restarts, and lives when one of them helps', async () => {
    transport.become('connected');
    transport.become('disconnected');
    await runtime.advance(6_000);
    transport.become('connected');
    await runtime.advance(60_000);
    expect(log).toEqual(['connected', 'restart', 'restart', 'connected']);
  });

  it('that has failed is restarted at once, and is dead when nothing helps', async () => {
    transport.become('connected');
    transport.become('failed');
    await runtime.advance(0);
    expect(log).toEqual(['connected', 'restart']);
    await runtime.advance(60_000);
    expect(log.filter((what) => what === 'dead')).toHaveLength(1);
    expect(runtime.pending).toBe(0);
  });

  it('that never connects is dead after 15 seconds', async () => {
    transport.become('connecting');
    await runtime.advance(14_999);
    expect(log).not.toContain('dead');
    await runtime.advance(1);
    expect(log).toContain('dead');
  });

  it('is restarted when the network changes, but not before it was ever used', async () => {
    guard.restartNow();
    await runtime.advance(10_000);
    expect(log).toEqual([]);
    transport.become('connected');
    guard.restartNow();
    await runtime.advance(0);
    expect(log).toEqual(['connected', 'restart']);
  });

  it('that is closed is watched no more', async () => {
    transport.become('connecting');
    guard.close();
    transport.become('failed');
    await runtime.advance(60_000);
    expect(log).toEqual([]);
    expect(runtime.pending).toBe(0);
  });
});
