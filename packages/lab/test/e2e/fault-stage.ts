import { afterAll, beforeAll, expect, onTestFailed } from 'vitest';
import { leftovers, untilAgreed } from '../../src/faults/agreement.ts';
import { Call } from '../../src/faults/call.ts';
import { faultCalled } from '../../src/faults/catalogue/index.ts';
import { runFault } from '../../src/faults/run.ts';
import { Stage, type StageKind } from '../../src/faults/stage.ts';

/** A cluster for the tests of one file; `strike` breaks something in the middle of a live call of three browsers. */
export function faultStage(kind: StageKind): { strike(faultId: string): Promise<void> } {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open(kind);
  });
  afterAll(() => stage?.close());
  return {
    /** Strikes once, shortened; asserts that every check of the fault holds and that nothing is left of the call. */
    async strike(faultId) {
      const fault = faultCalled(faultId);
      const call = await Call.start(stage);
      onTestFailed(() => {
        process.stderr.write(`${call.consoleErrors.slice(-10).join('\n')}\n`);
      });
      try {
        const { checks } = await runFault(fault, call, 1, { quick: true, say: () => {} });
        expect(checks.filter(({ passed }) => !passed)).toEqual([]);
        expect(checks.length).toBeGreaterThan(1);
        await call.leave();
      } finally {
        await fault.restore?.(call);
        await call.close();
      }
      expect((await untilAgreed(() => leftovers(stage), 30_000)).problems).toEqual([]);
    },
  };
}
