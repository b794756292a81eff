import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CampaignEvent, type CampaignOptions, runCampaign } from '../../src/campaign/campaign.ts';
import { readRun } from '../../src/experiment/record/run.ts';
import type { RunOptions } from '../../src/experiment/record-run.ts';
import { writeReport } from '../../src/report/write.ts';
import { FakeStage } from '../support/fake-stage.ts';
import { type SyntheticRun, scenario, syntheticLines, syntheticRun } from '../support/synthetic-run.ts';

/** What a played run takes by the tests' clock, ms. */
const RUN_MS = 50_000;

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'meridian-campaign-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

/** A campaign whose runs are made up, on a clock that only they move. */
function campaign(
  options: Partial<CampaignOptions> = {},
  outcome: (run: RunOptions, nth: number) => Partial<SyntheticRun> = () => ({}),
  runMs = RUN_MS,
) {
  let nowMs = 1_000;
  const played: RunOptions[] = [];
  const events: CampaignEvent[] = [];
  const stage = new FakeStage(scenario);
  const result = runCampaign({
    scenario: { ...scenario, repeats: 3 },
    dir,
    experiment: 'made-up',
    seed: 7,
    signal: new AbortController().signal,
    profiles: new Map(),
    now: () => nowMs,
    openStage: async () => stage,
    record: async (run) => {
      played.push(run);
      const made = { arm: run.arm, block: run.block, latencyMs: 200, ...outcome(run, played.length) };
      run.onProgress?.('measuring', 30);
      nowMs += runMs;
      const text = syntheticLines(made).map((line) => `${JSON.stringify(line)}\n`);
      await writeFile(run.file ?? '', text.join(''));
      return syntheticRun(made);
    },
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { result, played, events, stage };
}

const orderOf = (played: readonly RunOptions[]) => played.map(({ block, arm }) => `${block} ${arm}`);

describe('a campaign', () => {
  test('plays every arm once in each block, each block in another order, and says how far it is', async () => {
    const { result, played, events, stage } = campaign();
    expect(await result).toHaveLength(9);
    expect(orderOf(played)).toEqual([
      '0 relay',
      '0 far-node',
      '0 middle-node',
      '1 middle-node',
      '1 relay',
      '1 far-node',
      '2 far-node',
      '2 middle-node',
      '2 relay',
    ]);
    // Runs of one block meet the same losses.
    expect(played.map(({ seed }) => seed)).toEqual([7, 7, 7, 8, 8, 8, 9, 9, 9]);
    expect(played.map(({ order }) => order)).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2]);
    const begun = events.flatMap((event) => (event.type === 'run-begins' ? [event] : []));
    expect(begun.map(({ done }) => Math.round(9 * done))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(begun.at(-1)?.leftMs).toBe(RUN_MS);
    expect(stage.closed).toBe(1);
  });

  test('tries an invalid run once more, and goes on when that fails too', async () => {
    const invalidBecause = ['the machine was the bottleneck'];
    const { result, played } = campaign({}, ({ arm, block }) =>
      (arm === 'far-node' && block === 0) || (arm === 'relay' && block === 1) ? { invalidBecause } : {},
    );
    const runs = await result;
    expect(orderOf(played).slice(0, 8)).toEqual([
      '0 relay',
      '0 far-node',
      '0 far-node',
      '0 middle-node',
      '1 middle-node',
      '1 relay',
      '1 relay',
      '1 far-node',
    ]);
    expect(runs).toHaveLength(11);
    expect(await readdir(dir)).toContain('block-000-far-node-try-2.jsonl.gz');
  });

  test('does not try again what went well the second time', async () => {
    const { result, played } = campaign({ scenario: { ...scenario, repeats: 1 } }, (_run, nth) =>
      nth === 1 ? { invalidBecause: ['an encoder was limited'] } : {},
    );
    await result;
    expect(orderOf(played)).toEqual(['0 relay', '0 relay', '0 far-node', '0 middle-node']);
  });

  test('stopped in the middle of a block begins no other run and closes what it opened', async () => {
    const stop = new AbortController();
    const { result, played, stage } = campaign({ signal: stop.signal }, (_run, nth) => {
      if (nth === 5) stop.abort();
      return nth === 5 ? { invalidBecause: ['stopped after 3 of 30 s'] } : {};
    });
    expect(await result).toHaveLength(5);
    expect(orderOf(played).at(-1)).toBe('1 relay');
    expect(stage.closed).toBe(1);
    // What was measured is still there to be reported.
    const { evaluation } = await writeReport(dir);
    expect(evaluation.blocks.map(({ byArm }) => byArm.size)).toEqual([3, 1]);
  });

  test('with a time given, begins whole blocks as long as they fit, by what runs really take', async () => {
    // A block takes 150 s.
    const { result, events } = campaign({ withinMs: 460_000 });
    expect(await result).toHaveLength(9);
    expect(events.flatMap((event) => (event.type === 'run-begins' ? [event.blocks] : [])).at(-1)).toBe(3);
    const slower = campaign({ withinMs: 460_000 }, undefined, 2 * RUN_MS);
    expect(await slower.result).toHaveLength(3);
    const quicker = campaign({ withinMs: 460_000 }, undefined, RUN_MS / 2);
    expect((await quicker.result).length).toBeGreaterThan(15);
  });

  test('with too little time, plays one block all the same', async () => {
    expect(await campaign({ withinMs: 1_000 }).result).toHaveLength(3);
  });

  test('closes what it opened when playing fails', async () => {
    const { result, stage } = campaign({ record: () => Promise.reject(new Error('no space left on device')) });
    await expect(result).rejects.toThrow('no space left');
    expect(stage.closed).toBe(1);
  });

  test('keeps compressed recordings that are read like the others', async () => {
    const { result } = campaign({ scenario: { ...scenario, repeats: 1 } });
    await result;
    const files = await readdir(dir);
    expect(files.sort()).toEqual([
      'block-000-far-node.jsonl.gz',
      'block-000-middle-node.jsonl.gz',
      'block-000-relay.jsonl.gz',
    ]);
    expect((await readRun(join(dir, 'block-000-relay.jsonl.gz'))).valid).toBe(true);
  });
});
