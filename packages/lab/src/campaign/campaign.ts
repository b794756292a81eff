import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { armOrders } from '../analysis/design.ts';
import type { RecordedRun } from '../experiment/record/run.ts';
import { type RunOptions, recordRun } from '../experiment/record-run.ts';
import type { Scenario } from '../experiment/scenario/schema.ts';
import type { Stage } from '../experiment/world/stage.ts';
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
  /** What the experiment runs on; default: a cluster of its own with emulated links. */
  readonly openStage?: ((onEvent: (line: string) => void) => Promise<Stage>) | undefined;
  /** Plays and records one run; tests put their own here. */
  readonly record?: (options: RunOptions) => Promise<RecordedRun>;
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
/** Of what a run takes, the share that the last one has in the estimate. */
const NEWS = 0.3;

/**
 * Plays all arms of a scenario block by block, interleaved, and records every run in a file of its own
 * (`block-007-relay.jsonl.gz`). With a time given, blocks are begun as long as they are expected to end in it: one at least.
 * @throws MeridianError `config-invalid` for a plan that cannot be; what starting the cluster throws
 */
export async function runCampaign(options: CampaignOptions): Promise<RecordedRun[]> {
  const { scenario, signal, withinMs, now = Date.now, onEvent = () => {} } = options;
  const { openStage = (tell) => World.open({ scenario, onEvent: tell }) } = options;
  const profiles = options.profiles ?? (await readProfiles());
  const arms = scenario.arms.length;
  const startedMs = now();
  const runs: RecordedRun[] = [];
  let runMs = (scenario.warmUpS + scenario.lengthS) * 1_000 + OVERHEAD_MS;
  /** Blocks there will be, as far as is known when this one begins. */
  const blocksFrom = (block: number): number => {
    if (withinMs === undefined) return scenario.repeats;
    const leftMs = startedMs + withinMs - now();
    return Math.max(1, block + Math.floor(leftMs / (runMs * arms)));
  };
  const world = await openStage((text) => onEvent({ type: 'note', text }));
  try {
    for (let block = 0; block < blocksFrom(block) && !signal.aborted; block += 1) {
      const blocks = blocksFrom(block);
      for (const [place, index] of (armOrders(arms, block + 1)[block] ?? []).entries()) {
        const arm = scenario.arms[index];
        if (arm === undefined) continue;
        for (let attempt = 1; attempt <= TRIES && !signal.aborted; attempt += 1) {
          const beganMs = now();
          const left = blocks * arms - (block * arms + place);
          const tell = (type: 'run-begins' | 'run-progress', what: string) => {
            const share = Math.min(1, (now() - beganMs) / runMs);
            const done = 1 - (left - share) / (blocks * arms);
            onEvent({ type, arm: arm.name, block, blocks, what, done, leftMs: Math.max(0, (left - share) * runMs) });
          };
          tell('run-begins', 'joining');
          const run = await played(options, { world, profiles, arm: arm.name, block, place, attempt }, (what) =>
            tell('run-progress', what),
          );
          const tookMs = now() - beganMs;
          runs.push(run);
          onEvent({ type: 'run-ended', run, tookMs });
          if (run.end?.outcome === 'complete') runMs = runs.length === 1 ? tookMs : (1 - NEWS) * runMs + NEWS * tookMs;
          if (run.valid) break;
        }
      }
    }
    return runs;
  } finally {
    await world.close();
  }
}

interface OneRun {
  readonly world: Stage;
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly arm: string;
  readonly block: number;
  readonly place: number;
  readonly attempt: number;
}

async function played(
  { dir, experiment, seed, signal, record = recordRun }: CampaignOptions,
  { world, profiles, arm, block, place, attempt }: OneRun,
  onProgress: NonNullable<RunOptions['onProgress']>,
): Promise<RecordedRun> {
  const name = `block-${String(block).padStart(3, '0')}-${arm}${attempt === 1 ? '' : `-try-${attempt}`}`;
  const file = join(dir, `${name}.jsonl`);
  const run = await record({
    world,
    arm,
    profiles,
    experiment,
    block,
    order: place,
    seed: seed + block,
    file,
    signal,
    onProgress,
  });
  await compress(file);
  return run;
}

/** Into the same name with `.gz`: JSON lines shrink to a tenth. What was written stays until that is whole. */
async function compress(file: string): Promise<void> {
  const part = `${file}.gz.part`;
  await pipeline(createReadStream(file), createGzip(), createWriteStream(part));
  await rename(part, `${file}.gz`);
  await rm(file);
}
