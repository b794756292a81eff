import { expect, test } from 'vitest';
import { failure, inOrder, pass, skip } from '../../outcome.ts';
import { finalLine } from '../../summary.ts';
import { outcomeOf } from '../../vitest-level.ts';
import type { VitestReport } from '../../vitest-report.ts';

const ended = { code: 0, timedOut: false };
const halfHour = 30 * 60_000;
const report = (parts: Partial<VitestReport>): VitestReport => ({ tests: [], errors: [], ...parts });
const test1 = { name: 'a > one', state: 'passed', note: '' } as const;

test('the final line counts, and speaks of skipped tests only when there are some', () => {
  expect(finalLine([pass, pass, failure('x', 'why')])).toBe('2 passed, 1 failed');
  expect(finalLine([pass, skip('y', 'no docker')])).toBe('1 passed, 0 failed, 1 skipped');
});

test('a part that throws fails by itself and the next one still runs', async () => {
  const outcome = await inOrder({
    first: () => Promise.reject(new Error('broken')),
    second: () => Promise.resolve(pass),
  });
  expect(outcome).toEqual({ passed: 1, failed: [{ name: 'first', why: 'broken' }], skipped: [] });
});

test('a run of vitest that found no test has failed', () => {
  expect(outcomeOf('unit', ended, report({}), halfHour).failed).toEqual([
    { name: 'the unit level', why: 'not one test was found' },
  ]);
});

test('a run of vitest that left no report has failed', () => {
  const outcome = outcomeOf('media', { code: 134, timedOut: false }, undefined, halfHour);
  expect(outcome.failed).toEqual([{ name: 'the media level', why: 'vitest ended (exit code 134) without a report' }]);
});

test('a run of vitest that took too long has failed, whatever it reported', () => {
  const outcome = outcomeOf('e2e', { code: null, timedOut: true }, report({ tests: [test1] }), halfHour);
  expect(outcome.failed).toEqual([{ name: 'the e2e level', why: 'not done within 30 minutes' }]);
});

test('an error outside of tests counts as a failed test', () => {
  const outcome = outcomeOf(
    'unit',
    { code: 1, timedOut: false },
    report({ tests: [test1], errors: [{ name: 'b.test.ts', why: 'it does not load' }] }),
    halfHour,
  );
  expect(outcome).toEqual({ passed: 1, failed: [{ name: 'b.test.ts', why: 'it does not load' }], skipped: [] });
});

test('an exit code that no test explains counts as a failed test', () => {
  const outcome = outcomeOf('unit', { code: 1, timedOut: false }, report({ tests: [test1] }), halfHour);
  expect(outcome.failed).toEqual([{ name: 'the unit level', why: 'vitest ended with exit code 1' }]);
});

test('a skipped test has to say why', () => {
  const outcome = outcomeOf(
    'contract',
    ended,
    report({
      tests: [
        test1,
        { name: 'a > two', state: 'skipped', note: 'no server here' },
        { name: 'a > three', state: 'skipped', note: '' },
      ],
    }),
    halfHour,
  );
  expect(outcome.skipped).toEqual([{ name: 'a > two', reason: 'no server here' }]);
  expect(outcome.failed).toEqual([{ name: 'a > three', why: 'skipped without a reason: use context.skip("why")' }]);
});
