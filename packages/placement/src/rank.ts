import type { Coordinates, NodeCandidate, NodeView } from '@meridian/protocol';
import { type Candidate, isAvailable, weigh } from './candidates.ts';
import { distanceKm } from './geo.ts';
import { PROBES_LOCATED, PROBES_UNLOCATED } from './tuning.ts';

export interface Ranking {
  readonly nodes: NodeCandidate[];
  /** How many of the first nodes the client should measure. */
  readonly probe: number;
}

/**
 * The nodes as a client without measurements should look at them. First one node of each of the
 * regions worth measuring (nodes of one region share their path, so one answers for all): the nearest
 * regions, or regions spread over the world while the client's place is unknown. Then the other nodes
 * that take newcomers, nearest first; draining and full ones last. Pure and deterministic.
 */
export function rankCandidates(input: {
  readonly nodes: readonly NodeView[];
  readonly location: Coordinates | undefined;
}): Ranking {
  const client = { ...input, rtts: new Map() };
  const available = weigh(input.nodes.filter(isAvailable), client).sort(byCost);
  const closed = weigh(
    input.nodes.filter((view) => !isAvailable(view)),
    client,
  ).sort(byCost);

  const leaders = leadersOfRegions(available);
  const probed = input.location === undefined ? spreadOut(leaders, PROBES_UNLOCATED) : leaders.slice(0, PROBES_LOCATED);
  const first = new Set(probed);
  const others = available.filter((candidate) => !first.has(candidate));
  return { nodes: [...probed, ...others, ...closed].map(candidateView), probe: probed.length };
}

const byCost = (a: Candidate, b: Candidate): number =>
  a.costMs - b.costMs || a.load - b.load || (a.record.nodeId < b.record.nodeId ? -1 : 1);

/** The first node of each region, in the order given. */
function leadersOfRegions(sorted: readonly Candidate[]): Candidate[] {
  const leaders = new Map<string, Candidate>();
  for (const candidate of sorted) {
    if (!leaders.has(candidate.record.region)) leaders.set(candidate.record.region, candidate);
  }
  return [...leaders.values()];
}

/** Up to `most` of them, each as far from those before it as possible. */
function spreadOut(leaders: readonly Candidate[], most: number): Candidate[] {
  const [first, ...rest] = leaders;
  if (first === undefined) return [];
  const chosen = [first];
  let waiting = rest.map((candidate) => ({ candidate, km: Number.POSITIVE_INFINITY }));
  let latest = first;
  while (chosen.length < most && waiting.length > 0) {
    waiting = waiting.map(({ candidate, km }) => ({
      candidate,
      km: Math.min(km, distanceKm(latest.record.coordinates, candidate.record.coordinates)),
    }));
    const farthest = waiting.reduce((a, b) => (b.km > a.km ? b : a));
    latest = farthest.candidate;
    chosen.push(latest);
    waiting = waiting.filter((entry) => entry !== farthest);
  }
  return chosen;
}

function candidateView({ record, distanceKm: km }: Candidate): NodeCandidate {
  return {
    nodeId: record.nodeId,
    region: record.region,
    regionName: record.regionName,
    coordinates: record.coordinates,
    probeUrl: record.probeUrl,
    state: record.state,
    load: { sessions: record.load.sessions, maxSessions: record.load.maxSessions },
    distanceKm: km,
  };
}
