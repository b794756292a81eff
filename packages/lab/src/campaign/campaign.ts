import { join } from 'node:path';
import { armOrders } from '../analysis/design.ts';
import type { RecordedRun } from '../experiment/record/run.ts';
import { recordRun } from '../experiment/record-run.ts';
import type { Scenario } from '../experiment/scenario/schema.ts';
import { World } from '../experiment/world/world.ts';
import type { Profile } from '../wan/profiles.ts';
import { readProfiles } from '../wan/profiles.ts';

export interface CampaignOptions {
  readonly scenario: Scenario;
  /** Folder for the recordings. */
  readonly dir: string;
  readonly experiment: string;
  /** Block `n` runs with the links' seed `seed + n`, the same for all its arms. */
  readonly seed: number;
  /** Stops after the run under way, which keeps what it has. */
  readonly signal: AbortSignal;
  /** Whole blocks are run as long as the next one is expected to end before this, milliseconds from the start. */
  readonly withinMs?: number | undefined;
  readonly profiles?: ReadonlyMap<string, Profile>;
  readonly now?: () => number;
  readonly onEvent?: (event: CampaignEvent) => void;
}

export type CampaignEvent =
  | { readonly type: 'note'; readonly text: string }
  | {
      readonly type: 'run-begins' | 'run-progress';
      readonly arm: string;
      readonly block: number;
      readonly blocks: number;
      readonly what: string;
      /** Share of all that is planned. */
      readonly done: number;
      readonly leftMs: number;
    }
  | { readonly type: 'run-ended'; readonly run: RecordedRun; readonly tookMs: number };

/** An invalid run is tried once more in its block; two in a row say that the machine cannot do it. */
const TRIES = 2;
/** Joining, comparing pictures and cleaning up, until it is known better. */
const OVERHEAD_MS = 12_000;

/**
 * Plays all arms of a scenario block by block, interleaved, and records every run in a file of its own.
 * @throws MeridianError `config-invalid` for a plan that cannot be; what starting the cluster throws
 */
export async function runCampaign(options: CampaignOptions): Promise<RecordedRun[]> {
  const { scenario, dir, experiment, seed, signal, withinMs, now = Date.now, onEvent = () => {} } = options;
  const profiles = options.profiles ?? (await readProfiles());
  const startedMs = now();
  const runs: RecordedRun[] = [];
  let runMs = (scenario.warmUpS + scenario.lengthS) * 1_000 + OVERHEAD_MS;
  const blocks =
    withinMs === undefined ? scenario.repeats : Math.max(1, Math.floor(withinMs / (runMs * scenario.arms.length)));
  const planned = blocks * scenario.arms.length;
  const world = await World.open({ scenario, onEvent: (text) => onEvent({ type: 'note', text }) });
  try {
    for (const [block, order] of armOrders(scenario.arms.length, blocks).entries()) {
      const enough = withinMs === undefined || now() - startedMs + runMs * scenario.arms.length <= withinMs * 1.02;
      if (signal.aborted || (block > 0 && !enough)) break;
      for (const [place, index] of order.entries()) {
        const arm = scenario.arms[index];
        if (arm === undefined) continue;
        const number = block * scenario.arms.length + place;
        for (let attempt = 1; attempt <= TRIES && !signal.aborted; attempt += 1) {
          const beganMs = now();
          const tell = (type: 'run-begins' | 'run-progress', what: string) => {
            const share = Math.min(1, (now() - beganMs) / runMs);
            onEvent({
              type,
              arm: arm.name,
              block,
              blocks,
              what,
              done: (number + share) / planned,
              leftMs: Math.max(0, (planned - number - share) * runMs),
            });
          };
          tell('run-begins', 'joining');
          const name = `block-${String(block).padStart(3, '0')}-${arm.name}${attempt === 1 ? '' : `-try-${attempt}`}`;
          const run = await recordRun({
            world,
            arm: arm.name,
            profiles,
            experiment,
            block,
            order: place,
            seed: seed + block,
            file: join(dir, `${name}.jsonl`),
            signal,
            onProgress: (what) => tell('run-progress', what),
          });
          const tookMs = now() - beganMs;
          runs.push(run);
          onEvent({ type: 'run-ended', run, tookMs });
          if (run.end?.outcome === 'complete') runMs = runs.length === 1 ? tookMs : 0.7 * runMs + 0.3 * tookMs;
          if (run.valid) break;
        }
        if (signal.aborted) break;
      }
    }
    return runs;
  } finally {
    await world.close();
  }
}
