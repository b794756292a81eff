import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hintFor, resolveTarget } from '../../src/target.ts';

describe('which cluster is meant', () => {
  let data: string;
  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), 'meridian-cli-'));
  });
  afterEach(() => rm(data, { recursive: true }));

  const local = { url: 'http://localhost:7080', redisUrl: 'redis://127.0.0.1:7099', redisPrefix: 'loc:', pid: 1 };
  const launch = (state: object = local) => writeFile(join(data, 'cluster.json'), JSON.stringify(state));
  const env = { MERIDIAN_REDIS_URL: 'redis://from.env', MERIDIAN_REDIS_PREFIX: 'env:' };

  it('is the one of --redis before anything else', async () => {
    await launch();
    expect(await resolveTarget({ redis: 'redis://given', redisPrefix: 'giv:', data }, env)).toEqual({
      url: 'redis://given',
      keyPrefix: 'giv:',
      source: '--redis',
    });
    expect(await resolveTarget({ redis: 'redis://given', data }, {})).toMatchObject({ keyPrefix: 'mer:' });
  });

  it('is the one of MERIDIAN_REDIS_URL before the local one', async () => {
    await launch();
    expect(await resolveTarget({ data }, env)).toEqual({
      url: 'redis://from.env',
      keyPrefix: 'env:',
      source: 'MERIDIAN_REDIS_URL',
    });
  });

  it('is the local one with its own prefix where nothing is given', async () => {
    await launch();
    expect(await resolveTarget({ data }, { MERIDIAN_REDIS_URL: '' })).toEqual({
      url: 'redis://127.0.0.1:7099',
      keyPrefix: 'loc:',
      source: 'local cluster',
    });
  });

  it('is asked for when there is none', async () => {
    await expect(resolveTarget({ data }, {})).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringMatching(/--redis.*MERIDIAN_REDIS_URL.*scripts\/up/),
    });
  });

  it.each([
    ['{"redisUrl": ', 'not JSON'],
    ['{"redisUrl": "redis://x"}', 'redisPrefix'],
  ])('cannot be told from a broken state file: %s', async (text, part) => {
    await writeFile(join(data, 'cluster.json'), text);
    await expect(resolveTarget({ data }, {})).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining(part),
    });
  });

  it('comes with a hint for when it does not answer', async () => {
    await launch();
    expect(hintFor(await resolveTarget({ data }, {}))).toContain('scripts/up');
    expect(hintFor(await resolveTarget({ data }, env))).toContain('MERIDIAN_REDIS_URL');
    expect(hintFor(await resolveTarget({ redis: 'redis://given', data }, env))).toContain('--redis');
  });
});
