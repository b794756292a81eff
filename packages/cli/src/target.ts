import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MeridianError, parseJson } from '@meridian/protocol';
import { z } from 'zod';

/** Where `./scripts/up` keeps what it keeps. */
export const localDataFolder = fileURLToPath(new URL('../../../.data', import.meta.url));

/** The prefix that the services use unless they are told another. */
const DEFAULT_PREFIX = 'mer:';

/** What the local cluster's launcher leaves in its data folder while it runs. */
const LocalState = z.object({
  redisUrl: z.string().min(1),
  redisPrefix: z.string().min(1),
  /** Process ids of the nodes. */
  nodes: z.record(z.string(), z.int().positive()).default({}),
});
type LocalState = z.infer<typeof LocalState>;

export interface TargetOptions {
  readonly redis?: string | undefined;
  readonly redisPrefix?: string | undefined;
  /** The data folder of a local cluster. */
  readonly data: string;
}

/** Which cluster is meant, and how that was found out. */
export interface Target {
  readonly url: string;
  readonly keyPrefix: string;
  readonly source: '--redis' | 'MERIDIAN_REDIS_URL' | 'local cluster';
}

/**
 * `--redis`, else `MERIDIAN_REDIS_URL`, else the local cluster that runs on the data folder.
 * @throws MeridianError `config-invalid` when none of them is there.
 */
export async function resolveTarget(
  options: TargetOptions,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Target> {
  const givenPrefix = options.redisPrefix ?? (env.MERIDIAN_REDIS_PREFIX || undefined);
  if (options.redis !== undefined) {
    return { url: options.redis, keyPrefix: givenPrefix ?? DEFAULT_PREFIX, source: '--redis' };
  }
  if (env.MERIDIAN_REDIS_URL) {
    return { url: env.MERIDIAN_REDIS_URL, keyPrefix: givenPrefix ?? DEFAULT_PREFIX, source: 'MERIDIAN_REDIS_URL' };
  }
  const state = await localState(
    options.data,
    'which cluster? Give its Redis with --redis <url> or MERIDIAN_REDIS_URL, or start a local one with ./scripts/up',
  );
  return { url: state.redisUrl, keyPrefix: options.redisPrefix ?? state.redisPrefix, source: 'local cluster' };
}

/** @throws MeridianError `config-invalid` with the question when no local cluster runs on the data folder */
export async function localState(data: string, question: string): Promise<LocalState> {
  const path = join(data, 'cluster.json');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new MeridianError('config-invalid', { message: `${question} (there is no ${path})`, cause });
  }
  return parseJson(LocalState, text, 'config-invalid', path);
}

/** One sentence on what to look at when the cluster that was found does not answer. */
export function hintFor(target: Target): string {
  switch (target.source) {
    case '--redis':
    case 'MERIDIAN_REDIS_URL':
      return `is the address in ${target.source} right, and may this machine reach it?`;
    case 'local cluster':
      return 'the local cluster seems to have ended without tidying up; start it again with ./scripts/up';
  }
}
