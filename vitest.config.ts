import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { workerBinary } from './packages/harness/src/worker-binary.ts';

const binary = workerBinary();
const env = binary === undefined ? {} : { MEDIASOUP_WORKER_BIN: binary };

const cores = availableParallelism();

/** @param options.atOnce files that run at the same time, where there are so many cores */
const level = (name: string, include: string[], options: { testTimeout: number; atOnce: number }) => ({
  test: {
    name,
    include,
    env,
    environment: 'node' as const,
    testTimeout: options.testTimeout,
    hookTimeout: 120_000,
    maxWorkers: Math.min(options.atOnce, cores),
    // Levels with as many files at once as each other may be mixed, no others.
    sequence: { groupOrder: Math.min(options.atOnce, cores) },
  },
});

/**
 * The levels of the suite, each with when to give a test up on a machine that has much else to do; `pnpm test --project unit` runs
 * one of them. Vitest alone would leave one core free, of two. What has workers of its own is not for as many files as there are
 * cores, and a browser takes a machine of two cores for itself.
 */
export default defineConfig({
  test: {
    projects: [
      level('unit', ['packages/*/test/unit/**/*.test.ts', 'scripts/checks/test/unit/**/*.test.ts'], {
        testTimeout: 30_000,
        atOnce: cores,
      }),
      level('contract', ['packages/*/test/contract/**/*.test.ts'], { testTimeout: 120_000, atOnce: cores }),
      level('media', ['packages/*/test/media/**/*.test.ts'], { testTimeout: 120_000, atOnce: 1 }),
      level('cluster', ['packages/*/test/cluster/**/*.test.ts'], { testTimeout: 240_000, atOnce: 2 }),
      level('e2e', ['packages/*/test/e2e/**/*.test.ts'], { testTimeout: 300_000, atOnce: 1 }),
    ],
  },
});
