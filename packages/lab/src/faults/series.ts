import { leftovers, untilAgreed } from './agreement.ts';
import { Call } from './call.ts';
import type { Check, Fault } from './fault.ts';
import { type RunResult, runFault } from './run.ts';
import { Stage, type StageKind } from './stage.ts';

export interface SeriesOptions {
  readonly faults: readonly Fault[];
  readonly runs: number;
  readonly quick: boolean;
  readonly say: (line: string) => void;
  readonly onResult: (result: RunResult) => void;
  readonly signal: AbortSignal;
}

/** A run that did not come to its end. */
export interface FailedRun {
  readonly fault: string;
  readonly run: number;
  readonly error: string;
}

export interface SeriesResult {
  readonly results: readonly RunResult[];
  readonly failed: readonly FailedRun[];
  /** By fault: was anything left when everybody had left? */
  readonly leaks: ReadonlyMap<string, Check>;
}

const LEFT_WITHIN_MS = 30_000;

/**
 * Runs each fault `runs` times. Faults of one kind of stage share a cluster; the runs of one fault share a
 * call, which thus lives through all of them. A run that goes wrong costs its call, and the next one begins anew.
 */
export async function runSeries(options: SeriesOptions): Promise<SeriesResult> {
  const { faults, say, signal } = options;
  const results: RunResult[] = [];
  const failed: FailedRun[] = [];
  const leaks = new Map<string, Check>();
  for (const kind of [...new Set(faults.map(({ stage }) => stage))]) {
    if (signal.aborted) break;
    say(`opening a cluster (${kind})`);
    const theirs = faults.filter((one) => one.stage === kind);
    const stage = await openStage(kind, say).catch((error: unknown) => {
      const words = error instanceof Error ? error.message : String(error);
      say(`  it could not be opened: ${words}`);
      failed.push(...theirs.map(({ id }) => ({ fault: id, run: 1, error: words })));
    });
    if (stage === undefined) continue;
    try {
      for (const fault of theirs) {
        if (signal.aborted) break;
        await runsOf(fault, stage, options, { results, failed, leaks });
      }
    } finally {
      await stage.close();
    }
  }
  return { results, failed, leaks };
}

const openStage = (kind: StageKind, say: (line: string) => void): Promise<Stage> =>
  Stage.open(kind, (line) => say(`  ${line}`));

async function runsOf(
  fault: Fault,
  stage: Stage,
  { runs, quick, say, onResult, signal }: SeriesOptions,
  into: { results: RunResult[]; failed: FailedRun[]; leaks: Map<string, Check> },
): Promise<void> {
  let call: Call | undefined;
  for (let run = 1; run <= runs && !signal.aborted; run += 1) {
    const prefix = `${fault.id} ${run}/${runs}`;
    try {
      call ??= await Call.start(stage);
      const result = await runFault(fault, call, run, { quick, say: (line) => say(`${prefix}: ${line}`) });
      into.results.push(result);
      onResult(result);
      for (const { what, detail } of result.checks.filter(({ passed }) => !passed)) {
        say(`${prefix}: NOT PASSED: ${what}${detail === undefined ? '' : ` (${detail})`}`);
      }
      await fault.restore?.(call);
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      say(`${prefix}: failed: ${words}`);
      for (const line of call?.consoleErrors.slice(-10) ?? []) say(`  ${line}`);
      into.failed.push({ fault: fault.id, run, error: words });
      if (call !== undefined) await fault.restore?.(call).catch(() => {});
      await call?.close();
      call = undefined;
    }
  }
  if (call === undefined) return;
  await call.leave();
  const { problems } = await untilAgreed(() => leftovers(stage), LEFT_WITHIN_MS);
  const passed = problems.length === 0;
  into.leaks.set(fault.id, {
    what: 'nothing is left after the call',
    passed,
    ...(passed ? {} : { detail: problems.join('; ') }),
  });
  if (!passed) say(`${fault.id}: NOT PASSED: nothing is left after the call (${problems.join('; ')})`);
}
