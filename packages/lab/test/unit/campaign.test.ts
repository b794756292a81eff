import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../src/analysis/experiment.ts';
import { METRICS } from '../../src/analysis/metrics.ts';
import { simulateAa } from '../../src/campaign/aa.ts';
import type { CampaignEvent } from '../../src/campaign/campaign.ts';
import { recoveredOf } from '../../src/campaign/known.ts';
import { bar, clockText, Screen } from '../../src/campaign/screen.ts';
import { readScenario, SCENARIOS_DIR } from '../../src/experiment/scenario/file.ts';
import { normalAt } from '../../src/wan/model/random.ts';
import { scenario, syntheticRun } from '../support/synthetic-run.ts';

/** Runs of one arm, recorded under two names; `shift` makes them differ. */
function pairs(blocks: number, shift: number) {
  return Array.from({ length: blocks }, (_, block) =>
    ['relay', 'middle-node'].map((arm, index) =>
      syntheticRun({
        arm,
        block,
        seconds: 5,
        latencyMs: 230 + 8 * normalAt(1, block) + 3 * normalAt(2 + index, block) + shift * index,
        videoBps: 500_000 + 30_000 * normalAt(5 + index, block),
      }),
    ),
  ).flat();
}

describe('made-up A/A experiments', () => {
  test('find a difference in at most 5 % of the seeds', () => {
    const { blocks } = evaluate(pairs(10, 0));
    // The two arms of the scenario stand for one: the pairs are neighbours of the same name.
    const result = simulateAa(blocks, { seeds: 200, seed: 1, perSeed: 10, resamples: 300 });
    expect(result.pairs).toBeGreaterThanOrEqual(10);
    expect(result.found / result.seeds).toBeLessThanOrEqual(0.05);
  });

  test('would find one if there were any: the same simulation on unequal pairs does', () => {
    // Every second block is 60 ms slower: no pair of neighbours is of one kind.
    const unequal = Array.from({ length: 12 }, (_, block) =>
      syntheticRun({ arm: 'relay', block, seconds: 5, latencyMs: 230 + (block % 2) * 60 + normalAt(3, block) }),
    );
    const { blocks } = evaluate(unequal);
    const result = simulateAa(blocks, { seeds: 200, seed: 1, perSeed: 6, resamples: 300 });
    // Which of a pair counts as "the arm" is drawn, so only experiments whose draws agree can find it.
    expect(result.byFigure.latency ?? 0).toBeGreaterThan(0);
  });
});

describe('differences that were put in', () => {
  const expecting = (figure: string, difference: number) => ({
    ...scenario,
    arms: scenario.arms.map((arm) =>
      arm.name === 'middle-node' ? { ...arm, expects: [{ figure, difference, within: 3 }] } : arm,
    ),
  });

  test('are recovered with sign and size, or reported as not', () => {
    const evaluation = evaluate(pairs(10, 50));
    const recovered = (difference: number) =>
      recoveredOf({ ...evaluation, scenario: expecting('latency', difference) }).map(({ sign, size }) => ({
        sign,
        size,
      }));
    expect(recovered(50)).toEqual([{ sign: true, size: true }]);
    expect(recovered(80)).toEqual([{ sign: true, size: false }]);
    expect(recovered(-50)).toEqual([{ sign: false, size: false }]);
  });

  test('are looked for between the two arms that are named', () => {
    const swapped = {
      ...scenario,
      arms: scenario.arms.map((arm) =>
        arm.name === 'relay'
          ? { ...arm, expects: [{ figure: 'latency', than: 'middle-node', difference: -50, within: 3 }] }
          : arm,
      ),
    };
    expect(recoveredOf({ ...evaluate(pairs(10, 50)), scenario: swapped })).toMatchObject([
      { arm: 'relay', than: 'middle-node', expected: '-50.0', sign: true, size: true },
    ]);
  });

  test('the shipped scenario expects something of every arm that nothing is compared with, of figures that exist', async () => {
    const known = await readScenario(join(SCENARIOS_DIR, 'known.yaml'));
    const [base] = known.arms;
    const compared = new Set(known.arms.flatMap(({ expects }) => expects.map(({ than = base?.name }) => than)));
    expect([...compared]).toEqual(['base', 'full-rate']);
    for (const arm of known.arms) {
      expect(arm.expects.length > 0).toBe(!compared.has(arm.name));
      for (const { figure } of arm.expects) expect(METRICS.map(({ name }) => name)).toContain(figure);
    }
  });
});

describe('the screen', () => {
  const shown = (isTTY: boolean, ...events: CampaignEvent[]): string => {
    let text = '';
    const screen = new Screen({
      isTTY,
      write: (part) => {
        text += part;
      },
    });
    for (const event of events) screen.show(event);
    return text;
  };
  const progress: CampaignEvent = {
    type: 'run-progress',
    arm: 'relay',
    block: 2,
    blocks: 10,
    what: 'measuring',
    done: 0.25,
    leftMs: 90_000,
  };
  const ended: CampaignEvent = {
    type: 'run-ended',
    tookMs: 61_000,
    run: syntheticRun({ arm: 'relay', block: 2, latencyMs: 1, invalidBecause: ['the machine was the bottleneck'] }),
  };

  test('shows a bar, the block and the time left on a terminal', () => {
    expect(shown(true, progress)).toContain('25 %  block 3/10  relay: measuring, 01:30 left');
    expect(bar(0.5)).toMatch(/^█+░+$/);
  });

  test('writes a line per run where there is no terminal, with why it is not used', () => {
    expect(shown(false, progress, ended)).toBe(
      'block 3  relay            INVALID  01:01  not used: the machine was the bottleneck\n',
    );
  });

  test('times are read as clocks', () => {
    expect([0, 59_400, 61_000, 3_600_000, -5].map(clockText)).toEqual(['00:00', '00:59', '01:01', '1:00:00', '00:00']);
  });
});
