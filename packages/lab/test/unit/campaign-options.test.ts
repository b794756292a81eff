import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { aa, run } from '../../src/campaign/commands.ts';
import { SCENARIOS_DIR } from '../../src/experiment/scenario/file.ts';
import { normalAt } from '../../src/wan/model/random.ts';
import { syntheticLines } from '../support/synthetic-run.ts';

const file = join(SCENARIOS_DIR, 'eu-vn.yaml');
const cluster = ['--cluster', 'https://meet.example.org'];

describe('lab run refuses, before anything is started,', () => {
  test.each([
    ['what goes with a real cluster only', ['--client', 'binh=ssh there'], '--client goes with --cluster'],
    ['a cluster that is no URL', ['--cluster', 'meet'], 'cluster: "meet" is no URL'],
    ['a node whose address is no URL', [...cluster, '--scrape', 'sin-1=there'], 'sin-1: "there" is no URL'],
    ['a client without a command', [...cluster, '--client', 'binh='], '--client must be NAME=VALUE'],
    [
      'two sources of the same series',
      [...cluster, '--prometheus', 'http://a', '--scrape', 'sin-1=http://b'],
      'give either --prometheus or --scrape',
    ],
    ['a client that the scenario has not', [...cluster, '--client', 'carl=true'], 'has no client carl'],
    ['an address for its metrics that is none', ['--metrics', 'here'], '--metrics must be [HOST:]PORT'],
    ['no time at all', ['--minutes', '0'], '--minutes must be a number of at least 0.1'],
  ])('%s', async (_what, options, message) => {
    await expect(run([file, ...options])).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining(message),
    });
  });
});

describe('lab aa --from', () => {
  async function recordings(blocks: number): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), 'meridian-aa-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    for (let block = 0; block < blocks; block += 1) {
      const lines = syntheticLines({ arm: 'relay', block, seconds: 5, latencyMs: 230 + 5 * normalAt(1, block) });
      await writeFile(join(dir, `${block}.jsonl`), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    }
    return dir;
  }

  test('makes up experiments from recordings that are there, of any experiment', async () => {
    const said: string[] = [];
    const log = vi.spyOn(console, 'log').mockImplementation((line: string) => void said.push(line));
    onTestFinished(() => log.mockRestore());
    expect(await aa(['--from', await recordings(12)])).toBe(0);
    expect(said.join('\n')).toMatch(/of 400 experiments made up from 6 recorded pairs, \d+ found a difference/);
  });

  test('says when they are too few', async () => {
    await expect(aa(['--from', await recordings(6)])).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('3 pairs of runs of one arm are too few'),
    });
  });
});
