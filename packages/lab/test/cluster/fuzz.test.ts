import { describe, expect, test } from 'vitest';
import { fuzz } from '../../src/fuzz/run.ts';

const FRAMES = 5_000;

describe('a running cluster under garbage', () => {
  test('does not crash, refuses with codes, heals its records, and disturbs nobody who is in a call', async () => {
    // Given a seed, which is printed for sending the same again: pnpm lab fuzz --frames 5000 --seed ...
    const seed = Date.now() & 0x7fff_ffff;
    process.stdout.write(`fuzz test: seed ${seed}\n`);

    // When mutated frames, upgrades, HTTP requests, bus messages and records are sent while others are in calls
    const { tally, bystanderPackets } = await fuzz({ frames: FRAMES, seed, say: () => {} });

    // Then nothing is wrong, and the others received media all the time
    expect(tally.violations).toEqual([]);
    expect(tally.sent).toBeGreaterThanOrEqual(FRAMES);
    expect(Math.min(...bystanderPackets)).toBeGreaterThan(0);
  }, 300_000);
});
