import { type Cluster, openCluster } from '@meridian/cluster';
import { isMeridianError, MeridianError } from '@meridian/protocol';
import type { Command } from 'commander';
import type { Io } from './io.ts';
import { hintFor, localDataFolder, resolveTarget, type TargetOptions } from './target.ts';

/** What every command that looks at a cluster can be told. */
export interface ClusterOptions extends TargetOptions {
  readonly json: boolean;
}

/** A person waits: shorter than a service's patience. Milliseconds. */
const CONNECT_TIMEOUT_MS = 3_000;

export function withClusterOptions(command: Command): Command {
  return command
    .option('--json', 'print JSON', false)
    .option('--redis <url>', "the cluster's Redis (default: MERIDIAN_REDIS_URL, else the local cluster)")
    .option('--redis-prefix <prefix>', 'prefix of its keys (default: MERIDIAN_REDIS_PREFIX, else mer:)')
    .option('--data <folder>', 'data folder of the local cluster', localDataFolder);
}

/**
 * Opens the cluster that is meant, looks, and closes it again.
 * @throws MeridianError `config-invalid`, `cluster-unavailable`
 */
export async function lookAtCluster(
  io: Io,
  options: TargetOptions,
  look: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const target = await resolveTarget(options, io.env);
  let cluster: Cluster;
  try {
    cluster = await openCluster({
      url: target.url,
      keyPrefix: target.keyPrefix,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
    });
  } catch (error) {
    if (!isMeridianError(error, 'cluster-unavailable')) throw error;
    throw new MeridianError('cluster-unavailable', {
      message: `the cluster's Redis does not answer${reasonOf(error)}: ${hintFor(target)}`,
      cause: error,
    });
  }
  try {
    await look(cluster);
  } finally {
    await cluster.close();
  }
}

/** What the connection said last, such as `connect ECONNREFUSED` or `NOAUTH`. */
function reasonOf(error: Error): string {
  return error.cause instanceof Error && error.cause.message !== '' ? ` (${error.cause.message})` : '';
}

/** Prints a result: as JSON, or as text made for people. */
export function print(io: Io, options: { json: boolean }, result: object, text: () => string): void {
  io.out(options.json ? JSON.stringify(result, null, 2) : text());
}
