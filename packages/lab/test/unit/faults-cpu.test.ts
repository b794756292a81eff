import { describe, expect, it } from 'vitest';
import { busyOf, CpuWatch } from '../../src/faults/cpu.ts';

const look = (atMs: number, busyMs: number, allMs: number) => ({ atMs, busyMs, allMs });

describe('how busy the machine was', () => {
  it('is the share of the processors’ time between the first and the last look', () => {
    const looks = [look(0, 0, 0), look(1_000, 500, 2_000), look(2_000, 1_000, 4_000), look(3_000, 3_000, 6_000)];
    expect(busyOf(looks, 0, 2_000)).toBe(0.25);
    expect(busyOf(looks, 2_000, 9_000)).toBe(1);
  });

  it('is not known where it was not looked at twice', () => {
    expect(busyOf([look(0, 0, 0)], 0, 1_000)).toBeNaN();
    expect(busyOf([], 0, 1_000)).toBeNaN();
  });

  it('is read off this machine', () => {
    let nowMs = 0;
    const watch = new CpuWatch(() => nowMs);
    watch.close();
    for (const untilMs = performance.now() + 60; performance.now() < untilMs; );
    nowMs = 100;
    const { before } = watch.around(100);
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThanOrEqual(1);
  });
});
