import type { BenchResult } from '../result.ts';

/** Runs `measure` of the module that is named on the command line, and hands its result to the parent. */
const { measure } = (await import(process.argv[2] ?? '')) as { measure(): Promise<BenchResult> };
try {
  const result = await measure();
  process.send?.(result, () => process.exit(0));
} catch (error) {
  console.error(error);
  process.exit(1);
}
