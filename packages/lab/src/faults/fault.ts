import type { Call } from './call.ts';
import type { Recording } from './recorder.ts';
import type { StageKind } from './stage.ts';

export interface Check {
  readonly what: string;
  readonly passed: boolean;
  /** Why not; or a figure worth keeping. */
  readonly detail?: string;
}

/** What a fault did. */
export interface Struck {
  readonly faultMs: number;
  /** Whose own way to the cluster was hit; everybody else only loses what these send. */
  readonly victims: readonly string[];
  /** What was looked at while it lasted. */
  readonly checks: readonly Check[];
  /** When what had been broken worked again, where the fault itself mends it. */
  readonly mendedMs?: number;
  /** What is looked at in what the pages have recorded, once all agrees: asking them before would disturb what is measured. */
  readonly checkRecordings?: (recordings: ReadonlyMap<string, Recording>) => Promise<Check>;
}

export interface StrikeOptions {
  /** Shortens what only lasts long to last long. */
  readonly quick: boolean;
  readonly say: (line: string) => void;
}

/** One way in which something breaks. */
export interface Fault {
  readonly id: string;
  /** As the table's first column says it. */
  readonly title: string;
  readonly stage: StageKind;
  /** `kept`: nobody's media may be gone at all. `back`: it is gone for a while. */
  readonly media: 'kept' | 'back';
  /** The bound that the project sets itself; of the 95th percentile for `back`, of the frame gap for `kept`. Milliseconds. */
  readonly limitMs?: number;
  /** Breaks the real thing in the middle of the call. @throws Error when it cannot be broken */
  strike(call: Call, options: StrikeOptions): Promise<Struck>;
  /** Makes the stage whole for the next run, after everything was measured. */
  restore?(call: Call): Promise<void>;
}

/** Runs a check that throws when it fails. */
export async function check(what: string, run: () => Promise<unknown>): Promise<Check> {
  try {
    const detail = await run();
    return { what, passed: true, ...(typeof detail === 'string' ? { detail } : {}) };
  } catch (error) {
    return { what, passed: false, detail: error instanceof Error ? error.message : String(error) };
  }
}
