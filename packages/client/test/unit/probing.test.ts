import type { NodeCandidate } from '@meridian/protocol';
import { describe, expect, it } from 'vitest';
import { MeridianApi } from '../../src/index.ts';
import { probeNodes, toProbe } from '../../src/probing.ts';
import { FakeCluster } from '../support/fake-cluster.ts';
import { FakeRuntime } from '../support/fake-runtime.ts';

async function candidates(...nodeIds: string[]): Promise<NodeCandidate[]> {
  const runtime = new FakeRuntime();
  const cluster = new FakeCluster();
  cluster.nodes = nodeIds;
  cluster.serve(runtime);
  return (await new MeridianApi({ serviceUrl: 'https://meet.example.org', runtime }).nodes()).nodes;
}

/** Nodes that answer after these times, one after the other. Milliseconds. */
function answering(times: Record<string, (number | 'never' | 'error')[]>): FakeRuntime {
  const runtime = new FakeRuntime();
  runtime.onFetch = ({ url }) => {
    const next = times[url.hostname.split('.')[0] ?? '']?.shift() ?? 0;
    if (next === 'error') throw new TypeError('fetch failed');
    return next === 'never' ? new Promise(() => {}) : runtime.later(next, {});
  };
  return runtime;
}

describe('measuring the way to nodes', () => {
  it('opens the connection first, then takes the least of three samples', async () => {
    const nodes = await candidates('ams-1');
    const runtime = answering({ 'ams-1': [300, 45, 31, 38] });
    const probing = probeNodes(runtime, nodes);
    await runtime.advance(1_000);
    expect(await probing).toEqual([{ nodeId: 'ams-1', rttMs: 31 }]);
    expect(runtime.calls).toHaveLength(4);
  });

  it('measures all side by side and names the nearest first', async () => {
    const nodes = await candidates('ams-1', 'sin-1', 'sgn-1');
    const runtime = answering({
      'ams-1': [180, 180, 180, 180],
      'sin-1': [40, 40, 40, 40],
      'sgn-1': [90, 90, 90, 90],
    });
    const probing = probeNodes(runtime, nodes);
    // One after the other it would take 1240 ms.
    await runtime.advance(720);
    expect(await probing).toEqual([
      { nodeId: 'sin-1', rttMs: 40 },
      { nodeId: 'sgn-1', rttMs: 90 },
      { nodeId: 'ams-1', rttMs: 180 },
    ]);
  });

  it('does not wait for a node that is out of reach, and keeps what a slow one has given', async () => {
    const nodes = await candidates('ams-1', 'sin-1', 'sgn-1', 'iad-1');
    const runtime = answering({
      'ams-1': [20, 20, 20, 20],
      'sin-1': ['never'],
      'sgn-1': ['error'],
      'iad-1': [400, 390, 'never'],
    });
    const probing = probeNodes(runtime, nodes, { withinMs: 1_200 });
    await runtime.advance(1_200);
    expect(await probing).toEqual([
      { nodeId: 'ams-1', rttMs: 20 },
      { nodeId: 'iad-1', rttMs: 390 },
    ]);
    expect(runtime.pending).toBe(0);
  });

  it('can be called off', async () => {
    const runtime = answering({ 'ams-1': ['never'] });
    const stop = new AbortController();
    const failure = expect(
      probeNodes(runtime, await candidates('ams-1'), { signal: stop.signal }),
    ).rejects.toMatchObject({ code: 'aborted' });
    stop.abort();
    await failure;
  });
});

describe('which nodes are measured', () => {
  it('the first few of the ranking, without those that take nobody', async () => {
    const nodes = await candidates('ams-1', 'sin-1', 'sgn-1', 'iad-1');
    const draining = nodes.map((node, index) => (index === 0 ? { ...node, state: 'draining' as const } : node));
    expect(toProbe(draining, 2).map(({ nodeId }) => nodeId)).toEqual(['sin-1', 'sgn-1']);
  });

  it('only those of a region that was asked for', async () => {
    const nodes = await candidates('ams-1', 'sin-1');
    expect(toProbe(nodes, 3, { region: nodes[1]?.region }).map(({ nodeId }) => nodeId)).toEqual(['sin-1']);
  });
});
