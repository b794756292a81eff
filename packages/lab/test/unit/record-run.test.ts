import { describe, expect, test } from 'vitest';
import { noNews } from '../../src/experiment/page/no-news.ts';
import { recordRun } from '../../src/experiment/record-run.ts';
import type { LabClient, NodeFigures, RunRoom, RunWays, Stage } from '../../src/experiment/world/stage.ts';
import { readProfiles } from '../../src/wan/profiles.ts';
import { scenario } from '../support/synthetic-run.ts';

/** A stage whose clients get in and never see anybody. */
class BlindStage implements Stage {
  readonly scenario = scenario;
  readonly real = undefined;
  readonly versions = {};
  /** What asking a client for its news throws. */
  failure: Error | undefined;
  left = 0;

  async layWays(): Promise<RunWays> {
    return {
      open: async ({ name }) => this.#client(name),
      startSchedules: async () => {},
      report: async () => undefined,
      close: async () => {},
    };
  }

  async openRoom(): Promise<RunRoom> {
    return { slug: 'room', close: async () => {} };
  }

  figures(): NodeFigures {
    return { scrape: async () => [], keptSince: async () => [] };
  }

  async processes(): Promise<ReadonlyMap<number, string>> {
    return new Map();
  }

  nodeName(nodeId: string): string {
    return nodeId;
  }

  async close(): Promise<void> {}

  #client(name: string): LabClient {
    return {
      name,
      errors: [],
      remote: false,
      start: async () => {},
      clock: async () => ({ offsetMs: 0, uncertaintyMs: 0 }),
      news: async () => {
        if (this.failure !== undefined) throw this.failure;
        return noNews();
      },
      keepPictures: async () => {},
      keptPictures: async () => [],
      drawAgain: async () => [],
      load: async () => undefined,
      leave: async () => {},
      close: async () => {
        this.left += 1;
      },
    };
  }
}

const begin = async (stage: BlindStage, signal: AbortSignal, joining: () => void) =>
  recordRun({
    world: stage,
    arm: scenario.arms[0]?.name ?? '',
    profiles: await readProfiles(),
    experiment: 'made-up',
    block: 0,
    order: 0,
    seed: 1,
    signal,
    onProgress: (what) => what === 'joining' && joining(),
  });

describe('a run in which nobody sees anybody yet', () => {
  test('ends when it is told to stop, and does not wait for them', async () => {
    const stage = new BlindStage();
    const stop = new AbortController();
    const run = await begin(stage, stop.signal, () => stop.abort());
    expect(run.end).toMatchObject({ outcome: 'interrupted', valid: false });
    expect(stage.left).toBe(Object.keys(scenario.clients).length);
  });

  test('ends when a client can no longer be asked, and says what it was', async () => {
    const stage = new BlindStage();
    const run = await begin(stage, new AbortController().signal, () => {
      stage.failure = new Error('the page is gone');
    });
    expect(run.end).toMatchObject({ outcome: 'failed', reason: expect.stringContaining('the page is gone') });
    expect(stage.left).toBe(Object.keys(scenario.clients).length);
  });
});
