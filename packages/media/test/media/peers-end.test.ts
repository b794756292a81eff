import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const WITHIN_MS = 15_000;

it('a process whose WebRTC clients are closed ends by itself', async () => {
  const child = fork(fileURLToPath(new URL('../support/peers-process.ts', import.meta.url)));
  await once(child, 'message');
  const late = setTimeout(() => child.kill('SIGKILL'), WITHIN_MS);

  const [code, signal] = await once(child, 'exit');

  clearTimeout(late);
  expect({ code, signal }).toEqual({ code: 0, signal: null });
});
