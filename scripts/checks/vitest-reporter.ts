import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import type { Reporter, SerializedError, TestCase, TestModule, TestSuite } from 'vitest/node';
import { root } from './command.ts';
import type { VitestReport } from './vitest-report.ts';

type Test = VitestReport['tests'][number];

const explain = (errors: readonly { message: string; stack?: string | undefined }[]): string =>
  errors.map((error) => error.stack ?? error.message).join('\n') || 'no message';

const nameOf = (moduleId: string, fullName: string): string => `${relative(root, moduleId)} > ${fullName}`;

function describe(test: TestCase): Test {
  const result = test.result();
  const name = nameOf(test.module.moduleId, test.fullName);
  switch (result.state) {
    case 'passed':
      return { name, state: 'passed', note: '' };
    case 'failed':
      return { name, state: 'failed', note: explain(result.errors) };
    case 'skipped':
      return { name, state: 'skipped', note: result.note ?? '' };
    default:
      return { name, state: 'pending', note: '' };
  }
}

function suiteErrors(suite: TestModule | TestSuite, name: string): VitestReport['errors'] {
  const errors = suite.errors();
  return errors.length === 0 ? [] : [{ name, why: explain(errors) }];
}

/**
 * Writes a VitestReport to the file that `scripts/test` names in TEST_REPORT_FILE. vitest's own JSON
 * reporter leaves out the reasons of skipped tests and errors outside of tests.
 */
export default class ReportForTheRunner implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    const file = process.env.TEST_REPORT_FILE;
    if (file === undefined) throw new Error('TEST_REPORT_FILE is not set');
    const report: VitestReport = {
      tests: modules.flatMap((module) => Array.from(module.children.allTests(), describe)),
      errors: [
        ...modules.flatMap((module) => [
          ...suiteErrors(module, relative(root, module.moduleId)),
          ...Array.from(module.children.allSuites()).flatMap((suite) =>
            suiteErrors(suite, nameOf(module.moduleId, suite.fullName)),
          ),
        ]),
        ...unhandled.map((error) => ({ name: 'outside of any test', why: explain([error]) })),
      ],
    };
    writeFileSync(file, JSON.stringify(report));
  }
}
