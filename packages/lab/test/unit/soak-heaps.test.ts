import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '@meridian/harness';
import { expect, test } from 'vitest';
import { ServiceChild } from '../../src/local-cluster/child.ts';
import { Heaps, INSPECTED } from '../../src/soak/inspector.ts';

const MIB = 1_048_576;

test('a look into a heap sees what is held, and no garbage', async () => {
  // Given a process that makes garbage all the time
  const folder = await mkdtemp(join(tmpdir(), 'meridian-heaps-'));
  const heaps = new Heaps();
  const entry = fileURLToPath(new URL('../support/leaking-process.ts', import.meta.url));
  const child = new ServiceChild(
    { name: 'leaking', entry, env: INSPECTED, logFile: join(folder, 'leaking.log') },
    () => {},
  );
  try {
    await eventually('it runs', () => child.lastLines.includes('ready'));
    await heaps.live(child);
    const { objects: before, code } = await heaps.live(child);
    expect(code).toBeGreaterThan(0);
    expect(before).toBeLessThan(15 * MIB);

    // When it holds something
    child.signal('SIGUSR2');
    await eventually('it holds it', () => child.lastLines.includes('held'));

    // Then just that is seen
    const grown = (await heaps.live(child)).objects - before;
    expect(grown).toBeGreaterThan(5 * MIB);
    expect(grown).toBeLessThan(11 * MIB);

    // And a process that has gone is an error
    await child.stop();
    await expect(heaps.live(child)).rejects.toThrow();
  } finally {
    heaps.close();
    await child.stop();
    await rm(folder, { recursive: true, force: true });
  }
});
