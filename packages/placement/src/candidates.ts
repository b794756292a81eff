import type { Coordinates, NodeId, NodeRecord, NodeView } from '@meridian/protocol';
import { comparableMs, type Delay, delayModel } from './delay.ts';
import { distanceKm, perPlace } from './geo.ts';
import { BUSY_LOAD, FULL_PENALTY_MS } from './tuning.ts';

/** A node as placement weighs it. */
export interface Candidate {
  readonly record: NodeRecord;
  readonly delay: Delay;
  /** From the client; null where its place is unknown. */
  readonly distanceKm: number | null;
  /** Attached and promised sessions as a share of `maxSessions`. */
  readonly load: number;
  /** Comparable delay, milliseconds. */
  readonly delayMs: number;
  /** Comparable delay and what the node's load adds to it, milliseconds. */
  readonly costMs: number;
}

/**
 * Sessions that are attached or on their way. The promised ones count from the moment of the
 * promise, so that a burst does not find the same node empty a hundred times.
 */
export const effectiveLoad = ({ record, reserved }: NodeView): number =>
  (record.load.sessions + reserved) / record.load.maxSessions;

/** Takes newcomers: neither draining nor full. A node whose entry expired is not in the list at all. */
export const isAvailable = (view: NodeView): boolean => view.record.state === 'ready' && effectiveLoad(view) < 1;

/**
 * What load adds to the delay. The busiest worker's CPU counts here, because media suffers from it;
 * it never decides between equally near nodes, because it stands still while a burst comes in.
 */
export function loadPenaltyMs(load: number, workerCpu: number): number {
  const pressure = Math.min(1, Math.max(load, workerCpu));
  return pressure <= BUSY_LOAD ? 0 : (FULL_PENALTY_MS * (pressure - BUSY_LOAD)) / (1 - BUSY_LOAD);
}

export interface ClientInput {
  readonly nodes: readonly NodeView[];
  /** Round trips the client measured, milliseconds. */
  readonly rtts: ReadonlyMap<NodeId, number>;
  readonly location: Coordinates | undefined;
}

/**
 * These nodes with their delay, load and cost for the client, in the order given. `known` are all nodes: a
 * measurement of one that takes nobody still says where the client is.
 */
export function weigh(views: readonly NodeView[], { nodes: known, rtts, location }: ClientInput): Candidate[] {
  const delayOf = delayModel({ records: known.map((view) => view.record), rtts, location });
  const kilometres = location === undefined ? () => null : perPlace((at) => distanceKm(location, at));
  return views.map((view) => {
    const { record } = view;
    const km = kilometres(record);
    const delay = delayOf(record, km);
    const delayMs = comparableMs(delay);
    const load = effectiveLoad(view);
    const costMs = delayMs + loadPenaltyMs(load, record.load.workerCpu);
    return { record, delay, distanceKm: km, load, delayMs, costMs };
  });
}
