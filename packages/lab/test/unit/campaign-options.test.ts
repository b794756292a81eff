import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '../../src/campaign/commands.ts';
import { SCENARIOS_DIR } from '../../src/experiment/scenario/file.ts';

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
