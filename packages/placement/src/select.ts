import type { Coordinates, NodeId, NodeView, PlacementDecision, PlacementReason, Region } from '@meridian/protocol';
import { type Candidate, isAvailable, weigh } from './candidates.ts';
import { explain } from './explain.ts';
import { EQUALLY_NEAR_MS, HOSTING_DETOUR_MS, HOSTING_DETOUR_SHARE } from './tuning.ts';

export interface SelectionInput {
  readonly nodes: readonly NodeView[];
  /** Round trips the client measured, milliseconds. */
  readonly rtts: ReadonlyMap<NodeId, number>;
  readonly location: Coordinates | undefined;
  /** Nodes that have participants of the room the client is heading for. */
  readonly roomNodes: ReadonlySet<NodeId>;
  /** Only nodes of this region. */
  readonly forcedRegion?: Region | undefined;
  /** Not chosen while another node can take the client. */
  readonly avoid: ReadonlySet<NodeId>;
  /**
   * Uniform in [0, 1): decides between nodes that are equal in everything, so that several service
   * instances do not all choose the first. Left out, the node id decides.
   */
  readonly random?: (() => number) | undefined;
}

export type Selection =
  | { readonly rejected: false; readonly decision: PlacementDecision }
  | { readonly rejected: true; readonly reason: 'no-healthy-node' | 'region-unavailable' };

/** What the rules look at. */
export interface Field {
  /** How many nodes could take the client. */
  readonly size: number;
  readonly forcedRegion: Region | undefined;
  /** The least loaded of the equally near nodes that host the room and are not too much of a detour. */
  readonly host: Candidate | undefined;
  /** The least loaded of the equally near nodes. */
  readonly near: Candidate;
  /** The lowest delay of all, load left aside, milliseconds. */
  readonly lowestDelayMs: number;
}

export interface Choice {
  readonly candidate: Candidate;
  readonly reason: PlacementReason;
}

type Rule = (field: Field) => Choice | undefined;

const inForcedRegion: Rule = ({ forcedRegion, host, near }) =>
  forcedRegion === undefined ? undefined : { candidate: host ?? near, reason: 'forced-region' };

const hostsRoomAndClose: Rule = ({ host }) => host && { candidate: host, reason: 'hosts-room-and-close' };

/** A nearer node was left out because it is more loaded. */
const leastLoadedOfTheNear: Rule = ({ near, lowestDelayMs }) =>
  near.delayMs > lowestDelayMs ? { candidate: near, reason: 'least-loaded' } : undefined;

const lowestRtt: Rule = ({ near }) =>
  near.delay.source === 'measured' || near.delay.source === 'region'
    ? { candidate: near, reason: 'lowest-rtt' }
    : undefined;

const nearest: Rule = ({ near }) =>
  near.delay.source === 'estimated' ? { candidate: near, reason: 'nearest' } : undefined;

/** Nothing is known about any delay. */
const leastLoaded = ({ near }: Field): Choice => ({ candidate: near, reason: 'least-loaded' });

const RULES: readonly Rule[] = [inForcedRegion, hostsRoomAndClose, leastLoadedOfTheNear, lowestRtt, nearest];

function firstMatch(field: Field): Choice {
  for (const rule of RULES) {
    const choice = rule(field);
    if (choice !== undefined) return choice;
  }
  return leastLoaded(field);
}

/** Chooses the node for one client and says why: the first rule that applies decides. Pure. */
export function selectNode(input: SelectionInput): Selection {
  const { forcedRegion, avoid, roomNodes, random } = input;
  const available = weigh(input.nodes.filter(isAvailable), input);
  if (available.length === 0) return { rejected: true, reason: 'no-healthy-node' };

  const allowed =
    forcedRegion === undefined ? available : available.filter(({ record }) => record.region === forcedRegion);
  const wanted = avoid.size === 0 ? allowed : allowed.filter(({ record }) => !avoid.has(record.nodeId));
  // A whole region that failed its client is left; where all nodes are to be avoided, one of them is better than none.
  const elsewhere = available.some(({ record }) => !avoid.has(record.nodeId));
  if (wanted.length === 0 && elsewhere) return { rejected: true, reason: 'region-unavailable' };
  const candidates = wanted.length > 0 ? wanted : allowed;
  const near = leastLoadedWithin(candidates, EQUALLY_NEAR_MS, random);
  if (near === undefined) return { rejected: true, reason: 'region-unavailable' };

  const lowestCostMs = lowest(candidates, costOf);
  const detourMs = Math.max(HOSTING_DETOUR_MS, HOSTING_DETOUR_SHARE * lowestCostMs);
  const hosts = candidates.filter(
    ({ record, costMs }) => roomNodes.has(record.nodeId) && costMs <= lowestCostMs + detourMs,
  );
  const field: Field = {
    size: candidates.length,
    forcedRegion,
    host: leastLoadedWithin(hosts, EQUALLY_NEAR_MS, random),
    near,
    lowestDelayMs: lowest(candidates, ({ delayMs }) => delayMs),
  };
  return { rejected: false, decision: decisionOf(firstMatch(field), field) };
}

function decisionOf(choice: Choice, field: Field): PlacementDecision {
  const { record, delay, distanceKm } = choice.candidate;
  return {
    nodeId: record.nodeId,
    region: record.region,
    reason: choice.reason,
    explanation: explain(choice, field),
    rttMs: delay.source === 'measured' ? delay.rttMs : null,
    distanceKm,
  };
}

const costOf = ({ costMs }: Candidate): number => costMs;

function lowest(candidates: readonly Candidate[], of: (candidate: Candidate) => number): number {
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) least = Math.min(least, of(candidate));
  return least;
}

/** Of the candidates that cost at most `slackMs` more than the best: the least loaded, then the cheapest. */
function leastLoadedWithin(
  candidates: readonly Candidate[],
  slackMs: number,
  random: (() => number) | undefined,
): Candidate | undefined {
  const limitMs = lowest(candidates, costOf) + slackMs;
  let equals: Candidate[] = [];
  for (const candidate of candidates) {
    if (candidate.costMs > limitMs) continue;
    const [first] = equals;
    const order = first === undefined ? -1 : candidate.load - first.load || candidate.costMs - first.costMs;
    if (order < 0) equals = [candidate];
    else if (order === 0) equals.push(candidate);
  }
  if (random !== undefined) return equals[Math.floor(random() * equals.length)];
  return equals.reduce<Candidate | undefined>(
    (chosen, candidate) =>
      chosen === undefined || candidate.record.nodeId < chosen.record.nodeId ? candidate : chosen,
    undefined,
  );
}
