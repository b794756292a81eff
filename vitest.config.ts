import { defineConfig } from 'vitest/config';
import { workerBinary } from './packages/harness/src/worker-binary.ts';

const binary = workerBinary();
const env = binary === undefined ? {} : { MEDIASOUP_WORKER_BIN: binary };

const level = (name: string, include: string[], options: { testTimeout: number; parallel: boolean }) => ({
  test: {
    name,
    include,
    env,
    environment: 'node' as const,
    testTimeout: options.testTimeout,
    hookTimeout: 120_000,
    fileParallelism: options.parallel,
  },
});

/** The levels of the suite, each with when to give a test up on a machine that has much else to do; `pnpm test --project unit` runs one of them. */
export default defineConfig({
  test: {
    projects: [
      level('unit', ['packages/*/test/unit/**/*.test.ts', 'scripts/checks/test/unit/**/*.test.ts'], {
        testTimeout: 30_000,
        parallel: true,
      }),
      level('contract', ['packages/*/test/contract/**/*.test.ts'], { testTimeout: 120_000, parallel: true }),
      level('media', ['packages/*/test/media/**/*.test.ts'], { testTimeout: 120_000, parallel: false }),
      level('cluster', ['packages/*/test/cluster/**/*.test.ts'], { testTimeout: 240_000, parallel: false }),
      level('e2e', ['packages/*/test/e2e/**/*.test.ts'], { testTimeout: 300_000, parallel: false }),
    ],
  },
});
