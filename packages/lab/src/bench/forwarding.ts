import { inOwnProcess } from './media/own-process.ts';
import type { BenchResult } from './result.ts';

/** See media/forwarding-measure.ts. */
export function run(): Promise<BenchResult> {
  return inOwnProcess(new URL('./media/forwarding-measure.ts', import.meta.url));
}
