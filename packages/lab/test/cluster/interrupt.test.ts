import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { eventually } from '@meridian/harness';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const program = fileURLToPath(new URL('interrupted-cluster.ts', import.meta.url));
let dir: string;
let child: ChildProcess;
let lines: NodeJS.AsyncIterator<string>;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'meridian-interrupt-'));
  // A process group of its own, as a shell gives it to what runs in the foreground.
  child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  if (child.stdout === null) throw new Error('it has an output');
  lines = createInterface(child.stdout)[Symbol.asyncIterator]();
});
afterAll(async () => {
  child.kill('SIGKILL');
  await rm(dir, { recursive: true, force: true });
});

/** What a terminal does at Ctrl-C: everybody of the foreground group gets the signal. */
const ctrlC = (): void => {
  process.kill(-(child.pid ?? Number.NaN), 'SIGINT');
};

/** One that has ended and that nobody has asked for yet (a zombie) does not run. */
const isRunning = (pid: number): boolean => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};

describe('a cluster under a program that is interrupted', () => {
  it('goes on until the program stops it, and is gone with the program at a second Ctrl-C', async () => {
    // Given a program with a running cluster
    const [word, ...pids] = String((await lines.next()).value).split(' ');
    expect(word).toBe('pids');
    const running = pids.map(Number);
    expect(running).toHaveLength(3);
    expect(running.every(isRunning)).toBe(true);

    // When Ctrl-C is pressed, then what was measured can still be written down in order: Redis and the services are there
    ctrlC();
    expect((await lines.next()).value).toBe('redis PONG');
    expect(running.every(isRunning)).toBe(true);

    // When it is pressed again, then nothing stays behind
    const ended = once(child, 'exit');
    ctrlC();
    expect(await ended).toEqual([130, null]);
    await eventually('everything is gone', () => !running.some(isRunning));
  });
});
