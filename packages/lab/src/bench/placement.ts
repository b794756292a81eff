import {
  distanceKm,
  effectiveLoad,
  estimatedRttMs,
  rankCandidates,
  type Selection,
  type SelectionInput,
  selectNode,
} from '@meridian/placement';
import { type Coordinates, NodeId, type NodeView, Region } from '@meridian/protocol';
import { quantile } from '../analysis/quantile.ts';
import { seeded } from '../seeded.ts';
import type { BenchResult } from './result.ts';

const CLIENTS = 10_000;
const NODES = 1_000;
const REGIONS = 40;
const MAX_SESSIONS = 500;
/** Decisions before the clock counts, so that the compiler has seen the code. */
const WARM_UP = 500;

interface World {
  nodes: NodeView[];
  indexOf: Map<NodeId, number>;
}

const somewhere = (random: () => number): Coordinates => ({
  latitude: -50 + 115 * random(),
  longitude: -180 + 360 * random(),
});

function world(count: number, regions: number, random: () => number, sessions: () => number): World {
  const places = Array.from({ length: regions }, () => somewhere(random));
  const nodes = Array.from({ length: count }, (_, i): NodeView => {
    const region = i % regions;
    return {
      reserved: 0,
      record: {
        nodeId: NodeId.parse(`node-${i}`),
        incarnation: 'bench-incarnation',
        region: Region.parse(`region-${region}`),
        regionName: `Region ${region}`,
        coordinates: places[region] ?? somewhere(random),
        wsUrl: `wss://node-${i}.example.org/ws`,
        probeUrl: `https://node-${i}.example.org/probe`,
        version: '0.1.0',
        state: random() < 0.02 ? 'draining' : 'ready',
        load: {
          sessions: sessions(),
          maxSessions: MAX_SESSIONS,
          consumers: 0,
          workers: 2,
          rooms: 0,
          workerCpu: random() * 0.9,
        },
        startedAtMs: 0,
      },
    };
  });
  return { nodes, indexOf: new Map(nodes.map(({ record }, i) => [record.nodeId, i])) };
}

/**
 * A client as the service meets it: a third brings measurements and a known place, a third only a
 * place, a third only measurements. Every other one heads for a room that lives on one to three nodes.
 */
function client({ nodes }: World, random: () => number): SelectionInput {
  const home = somewhere(random);
  const kind = random();
  const located = kind < 2 / 3;
  const location = located ? home : undefined;
  const rtts = new Map<NodeId, number>();
  if (kind < 1 / 3 || !located) {
    const { nodes: ranked, probe } = rankCandidates({ nodes, location });
    for (const { nodeId, coordinates } of ranked.slice(0, probe)) {
      rtts.set(nodeId, estimatedRttMs(distanceKm(home, coordinates)) * (0.8 + 0.6 * random()));
    }
  }
  const roomNodes = new Set<NodeId>();
  if (random() < 0.5) {
    for (let i = 0; i <= 2 * random(); i += 1) {
      const host = nodes[Math.floor(random() * nodes.length)];
      if (host !== undefined) roomNodes.add(host.record.nodeId);
    }
  }
  return { nodes, rtts, location, roomNodes, avoid: new Set(), random };
}

function timed(input: SelectionInput): { selection: Selection; tookUs: number } {
  const startedAt = performance.now();
  const selection = selectNode(input);
  return { selection, tookUs: (performance.now() - startedAt) * 1_000 };
}

/** Decides and promises the place, as the service does. */
function place(target: World, input: SelectionInput): NodeId {
  const selection = selectNode(input);
  if (selection.rejected) throw new Error(`rejected: ${selection.reason}`);
  const index = target.indexOf.get(selection.decision.nodeId) ?? -1;
  const view = target.nodes[index];
  if (view === undefined) throw new Error('a node was chosen that is not there');
  target.nodes[index] = { ...view, reserved: view.reserved + 1 };
  return selection.decision.nodeId;
}

/** A burst of joins at once from one place over equal nodes of one region: joins per node. */
function burst(joins: number, count: number): number[] {
  const random = seeded(count);
  const target = world(count, 1, random, () => 0);
  target.nodes = target.nodes.map((view) => ({
    ...view,
    record: { ...view.record, state: 'ready', load: { ...view.record.load, workerCpu: 0 } },
  }));
  const first = target.nodes[0];
  if (first === undefined) throw new Error('a burst needs nodes');
  for (let join = 0; join < joins; join += 1) {
    // Everybody measured one node of the region, each with some jitter.
    const rtts = new Map([[first.record.nodeId, 20 + 5 * random()]]);
    place(target, {
      nodes: target.nodes,
      rtts,
      location: first.record.coordinates,
      roomNodes: new Set(),
      avoid: new Set(),
      random,
    });
  }
  return target.nodes.map(({ reserved }) => reserved);
}

/** One placement decision over a large cluster, and what a burst looks like afterwards. */
export async function run(): Promise<BenchResult> {
  const random = seeded(2);
  const target = world(NODES, REGIONS, random, () => Math.floor(random() * MAX_SESSIONS * 0.9));
  const micros: number[] = [];
  /** The fastest of three times the same decision: what is left when the machine does not take the core away in between. */
  const undisturbedMicros: number[] = [];
  const reasons = new Map<string, number>();
  for (let i = -WARM_UP; i < CLIENTS; i += 1) {
    const input = client(target, random);
    const { selection, tookUs } = timed(input);
    const outcome = selection.rejected ? selection.reason : selection.decision.reason;
    if (i < 0) continue;
    micros.push(tookUs);
    undisturbedMicros.push(Math.min(tookUs, timed(input).tookUs, timed(input).tookUs));
    reasons.set(outcome, (reasons.get(outcome) ?? 0) + 1);
    place(target, input);
  }
  const loads = target.nodes.filter(({ record }) => record.state === 'ready').map(effectiveLoad);

  const figures: Record<string, number> = {
    clients: CLIENTS,
    nodes: NODES,
    decision_p50_us: quantile(micros, 0.5),
    decision_p99_us: quantile(micros, 0.99),
    decision_max_us: quantile(micros, 1),
    decision_undisturbed_p99_us: quantile(undisturbedMicros, 0.99),
    over_capacity_nodes: loads.filter((load) => load > 1).length,
  };
  const lines = [
    `${CLIENTS} random clients over ${NODES} nodes in ${REGIONS} regions: one decision takes ` +
      `p50 ${figures.decision_p50_us?.toFixed(0)} us, p99 ${figures.decision_p99_us?.toFixed(0)} us, ` +
      `at most ${figures.decision_max_us?.toFixed(0)} us (goal: p99 under 1000 us); ` +
      `p99 ${figures.decision_undisturbed_p99_us?.toFixed(0)} us when the fastest of three counts`,
    `reasons: ${[...reasons]
      .sort(([, a], [, b]) => b - a)
      .map(([reason, count]) => `${reason} ${count}`)
      .join(', ')}`,
    `nodes over their capacity afterwards: ${figures.over_capacity_nodes}`,
  ];
  for (const count of [4, 10, 30]) {
    const spread = burst(100, count);
    const [least, most] = [Math.min(...spread), Math.max(...spread)];
    figures[`burst_100_over_${count}_least`] = least;
    figures[`burst_100_over_${count}_most`] = most;
    lines.push(`a burst of 100 joins over ${count} equal nodes: ${least} to ${most} joins a node`);
  }
  return { name: 'placement', lines, figures };
}
