import { inOwnProcess } from './media/own-process.ts';
import type { BenchResult } from './result.ts';

/** See media/relay-hop-measure.ts. */
export function run(): Promise<BenchResult> {
  return inOwnProcess(new URL('./media/relay-hop-measure.ts', import.meta.url));
}
