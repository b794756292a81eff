import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { cpus, type as osType, release, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { Ffmpeg } from '../measure/quality.ts';
import type { Header } from './schema.ts';

const run = promisify(execFile);
/** Versions in it are exact, so it says what is installed. */
const Package = z.object({ version: z.string(), dependencies: z.object({ mediasoup: z.string() }) });

/** Versions of what runs here and could make a difference. */
export async function versions(ffmpeg: Ffmpeg | undefined): Promise<Record<string, string>> {
  const file = await readFile(new URL('../../../package.json', import.meta.url), 'utf8');
  const { version, dependencies } = Package.parse(JSON.parse(file));
  return {
    meridian: version,
    commit: await commit(),
    node: process.version,
    mediasoup: dependencies.mediasoup,
    ...(ffmpeg === undefined ? {} : { ffmpeg: ffmpeg.version }),
  };
}

/** The commit of this source, with a + when something was changed since; empty outside a repository. */
async function commit(): Promise<string> {
  try {
    const options = { cwd: import.meta.dirname };
    const [head, changes] = await Promise.all([
      run('git', ['rev-parse', '--short', 'HEAD'], options),
      run('git', ['status', '--porcelain', '--untracked-files=no'], options),
    ]);
    return `${head.stdout.trim()}${changes.stdout === '' ? '' : '+'}`;
  } catch {
    return '';
  }
}

export function machine(): Header['machine'] {
  return {
    os: `${osType()} ${release()}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
  };
}
