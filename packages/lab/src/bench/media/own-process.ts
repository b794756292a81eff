import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { BenchResult } from '../result.ts';

/**
 * Runs a benchmark's `measure` in a process of its own: the WebRTC library of its clients has threads that
 * would keep this one alive.
 */
export function inOwnProcess(module: URL): Promise<BenchResult> {
  const child = fork(fileURLToPath(new URL('./own-process-child.ts', import.meta.url)), [module.href], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  return new Promise((resolve, reject) => {
    let result: BenchResult | undefined;
    child.on('message', (message) => {
      result = message as BenchResult;
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (result !== undefined) resolve(result);
      else reject(new Error(`the benchmark's process ended (${code}) without a result`));
    });
  });
}
