import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type CommandResult, command, root } from './command.ts';
import type { Check, Outcome } from './outcome.ts';
import type { VitestReport } from './vitest-report.ts';

const minutes = 60_000;

/** One project of vitest.config.ts as a check. */
export const vitestLevel = (name: string, about: string, limitMs = 30 * minutes): Check => ({
  name,
  about,
  async run(signal) {
    const folder = join(root, 'test-results');
    const file = join(folder, `${name}.json`);
    await mkdir(folder, { recursive: true });
    await rm(file, { force: true });
    const ended = await command(
      process.execPath,
      [
        'node_modules/vitest/vitest.mjs',
        'run',
        `--project=${name}`,
        '--allowOnly=false',
        '--reporter=default',
        '--reporter=./scripts/checks/vitest-reporter.ts',
      ],
      { signal, limitMs, output: 'show', env: { TEST_REPORT_FILE: file } },
    );
    return outcomeOf(name, ended, await readReport(file), limitMs);
  },
});

async function readReport(file: string): Promise<VitestReport | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as VitestReport;
  } catch {
    return undefined;
  }
}

/** Nothing may look like success by not having run. */
export function outcomeOf(
  level: string,
  ended: Pick<CommandResult, 'code' | 'timedOut'>,
  report: VitestReport | undefined,
  limitMs: number,
): Outcome {
  const name = `the ${level} level`;
  if (ended.timedOut)
    return { passed: 0, failed: [{ name, why: `not done within ${limitMs / minutes} minutes` }], skipped: [] };
  if (report === undefined) {
    return {
      passed: 0,
      failed: [{ name, why: `vitest ended (exit code ${ended.code}) without a report` }],
      skipped: [],
    };
  }
  const failed = [...report.errors];
  const skipped: { name: string; reason: string }[] = [];
  let passed = 0;
  for (const test of report.tests) {
    switch (test.state) {
      case 'passed':
        passed += 1;
        break;
      case 'failed':
        failed.push({ name: test.name, why: test.note });
        break;
      case 'pending':
        failed.push({ name: test.name, why: 'it never came to an end' });
        break;
      case 'skipped':
        if (test.note !== '') skipped.push({ name: test.name, reason: test.note });
        else failed.push({ name: test.name, why: 'skipped without a reason: use context.skip("why")' });
        break;
    }
  }
  if (report.tests.length === 0) failed.push({ name, why: 'not one test was found' });
  if (ended.code !== 0 && failed.length === 0) failed.push({ name, why: `vitest ended with exit code ${ended.code}` });
  return { passed, failed, skipped };
}
