import { assertNever, type Coordinates, type NodeId, type NodeRecord, type Region } from '@meridian/protocol';
import { distanceKm, perPlace } from './geo.ts';
import { ESTIMATE_BASE_MS, ESTIMATE_MARGIN_MS, ESTIMATE_MS_PER_KM } from './tuning.ts';

/** What is known about the round trip between the client and a node. */
export type Delay =
  /** The client measured this node. */
  | { readonly source: 'measured'; readonly rttMs: number }
  /** The client measured another node of the same region. */
  | { readonly source: 'region'; readonly rttMs: number }
  /** Worked out from distances. */
  | { readonly source: 'estimated'; readonly rttMs: number }
  | { readonly source: 'unknown' };

/** The round trip that a distance stands for when nothing was measured, milliseconds. */
export const estimatedRttMs = (km: number): number => ESTIMATE_BASE_MS + ESTIMATE_MS_PER_KM * km;

/** The delay that nodes are compared by: an estimate has to be better by more than its usual error. */
export function comparableMs(delay: Delay): number {
  switch (delay.source) {
    case 'measured':
    case 'region':
      return delay.rttMs;
    case 'estimated':
      return delay.rttMs + ESTIMATE_MARGIN_MS;
    case 'unknown':
      return 0;
    default:
      return assertNever(delay);
  }
}

export interface DelayInput {
  /** All known nodes, those that take nobody included: a measurement of one of them still says where the client is. */
  readonly records: readonly NodeRecord[];
  readonly rtts: ReadonlyMap<NodeId, number>;
  readonly location: Coordinates | undefined;
}

/** The delay of a node that lies `km` from the client (null where the client's place is unknown). */
export type DelayModel = (record: NodeRecord, km: number | null) => Delay;

/**
 * What the client's measurements and place say about any node, so that measured and unmeasured nodes
 * can be compared:
 * 1. a measured node has its measured round trip;
 * 2. another node of a measured region has the lowest one measured there;
 * 3. with a known place: the estimate for the distance, plus the client's own access delay. That is
 *    the smallest surplus of its measurements over their estimates: a phone that needs 50 ms more than
 *    expected to every measured node needs them to the others too;
 * 4. without a place: over the measured node from which the sum of its round trip and the way on is shortest;
 * 5. with neither, nothing is known, for any node.
 */
export function delayModel({ records, rtts, location }: DelayInput): DelayModel {
  const measured: { record: NodeRecord; rttMs: number }[] = [];
  const lowestOfRegion = new Map<Region, number>();
  if (rtts.size > 0) {
    for (const record of records) {
      const rttMs = rtts.get(record.nodeId);
      if (rttMs === undefined) continue;
      measured.push({ record, rttMs });
      lowestOfRegion.set(record.region, Math.min(rttMs, lowestOfRegion.get(record.region) ?? Number.POSITIVE_INFINITY));
    }
  }

  const estimate = estimator(measured, location);
  return (record, km) => {
    const rttMs = rtts.get(record.nodeId);
    if (rttMs !== undefined) return { source: 'measured', rttMs };
    const ofRegion = lowestOfRegion.get(record.region);
    if (ofRegion !== undefined) return { source: 'region', rttMs: ofRegion };
    return estimate(record, km);
  };
}

function estimator(
  measured: readonly { record: NodeRecord; rttMs: number }[],
  location: Coordinates | undefined,
): DelayModel {
  if (location !== undefined) {
    const surplus = measured.map(
      ({ record, rttMs }) => rttMs - estimatedRttMs(distanceKm(location, record.coordinates)),
    );
    const accessMs = surplus.length === 0 ? 0 : Math.max(0, Math.min(...surplus));
    return (record, km) => ({
      source: 'estimated',
      rttMs: accessMs + estimatedRttMs(km ?? distanceKm(location, record.coordinates)),
    });
  }
  if (measured.length === 0) return () => ({ source: 'unknown' });
  return perPlace((at): Delay => {
    let rttMs = Number.POSITIVE_INFINITY;
    for (const by of measured) {
      // The distance is only worked out where it could still lead to something shorter.
      if (by.rttMs >= rttMs) continue;
      rttMs = Math.min(rttMs, by.rttMs + ESTIMATE_MS_PER_KM * distanceKm(by.record.coordinates, at));
    }
    return { source: 'estimated', rttMs };
  });
}
