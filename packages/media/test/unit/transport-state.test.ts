import { describe, expect, it } from 'vitest';
import { transportState } from '../../src/participant/transport-state.ts';

describe('the state of a transport', () => {
  it.each([
    ['new', 'new', undefined],
    ['connected', 'new', undefined],
    ['connected', 'connecting', undefined],
    ['connected', 'connected', 'connected'],
    ['completed', 'connected', 'connected'],
    ['disconnected', 'connected', 'disconnected'],
    ['disconnected', 'connecting', 'disconnected'],
    ['completed', 'failed', 'failed'],
    ['disconnected', 'closed', 'failed'],
  ] as const)('with ICE %s and DTLS %s is %s', (ice, dtls, state) => {
    expect(transportState(ice, dtls)).toBe(state);
  });
});
