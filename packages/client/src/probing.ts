import type { NodeCandidate, NodeId, Region } from '@meridian/protocol';
import { throwIfAborted } from './errors.ts';
import { deadline, type Runtime } from './runtime.ts';

export interface MeasuredRtt {
  readonly nodeId: NodeId;
  /** Milliseconds. */
  readonly rttMs: number;
}

export interface ProbeOptions {
  /** Measured after the request that opens the connection, which is not counted. Default 3. */
  readonly samples?: number;
  /** Milliseconds for all nodes together; what is not measured by then is left out. Default 1200. */
  readonly withinMs?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onMeasured?: ((measured: MeasuredRtt) => void) | undefined;
}

/** The candidates worth measuring: the service's ranking, without those that take nobody. */
export function toProbe(
  candidates: readonly NodeCandidate[],
  count: number,
  wish: { region?: Region | undefined; avoid?: readonly NodeId[] } = {},
): NodeCandidate[] {
  return candidates
    .filter((node) => node.state === 'ready')
    .filter((node) => wish.region === undefined || node.region === wish.region)
    .filter((node) => !wish.avoid?.includes(node.nodeId))
    .slice(0, count);
}

/**
 * Round trip times to nodes over HTTP. Of each node the least of several samples counts: a single
 * one holds whatever the browser's own queues added. Nodes are measured side by side; one that fails
 * or is too slow is left out and never fails the others.
 * @throws ClientError `aborted`
 */
export async function probeNodes(
  runtime: Pick<Runtime, 'fetch' | 'after' | 'now'>,
  nodes: readonly NodeCandidate[],
  options: ProbeOptions = {},
): Promise<MeasuredRtt[]> {
  throwIfAborted(options.signal);
  const limit = deadline(runtime, options.withinMs ?? 1_200, options.signal);
  const best = new Map<NodeId, number>();
  try {
    await Promise.all(
      nodes.map(async ({ nodeId, probeUrl }) => {
        try {
          await once(runtime, probeUrl, limit.signal);
          for (let taken = 0; taken < (options.samples ?? 3); taken += 1) {
            const rttMs = await once(runtime, probeUrl, limit.signal);
            if (rttMs >= (best.get(nodeId) ?? Number.POSITIVE_INFINITY)) continue;
            best.set(nodeId, rttMs);
            options.onMeasured?.({ nodeId, rttMs });
          }
        } catch {
          // out of reach or out of time: it keeps the samples it has
        }
      }),
    );
  } finally {
    limit.clear();
  }
  throwIfAborted(options.signal);
  return [...best].map(([nodeId, rttMs]) => ({ nodeId, rttMs })).sort((a, b) => a.rttMs - b.rttMs);
}

async function once(runtime: Pick<Runtime, 'fetch' | 'now'>, url: string, signal: AbortSignal): Promise<number> {
  const startedAt = runtime.now();
  const response = await runtime.fetch(url, { cache: 'no-store', credentials: 'omit', signal });
  const rttMs = runtime.now() - startedAt;
  // Read to the end, so that the connection is free for the next sample.
  await response.text();
  if (!response.ok) throw new Error(`probe answered ${response.status}`);
  return rttMs;
}
