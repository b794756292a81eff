import type { NodeRegistry } from '@meridian/cluster';
import { type SelectionInput, selectNode } from '@meridian/placement';
import { MeridianError, type NodeRecord, type PlacementDecision, type SessionId } from '@meridian/protocol';
import type { Metrics } from '../metrics.ts';

export interface Placement {
  readonly decision: PlacementDecision;
  readonly node: NodeRecord;
  /** Settles when Redis has the reservation; the answer to the client waits for it. */
  readonly reserved: Promise<void>;
}

export interface PlacerOptions {
  readonly registry: NodeRegistry;
  readonly metrics: Metrics;
  /** Uniform in [0, 1). */
  readonly random: () => number;
}

/**
 * Chooses nodes one client after the other: from reading the load to promising the place nothing else
 * is decided, so that a burst of joins that arrives at once sees each of its own promises and spreads. Only
 * the promise's way to Redis is not waited for. A decision takes less than a millisecond.
 */
export class Placer {
  readonly #options: PlacerOptions;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: PlacerOptions) {
    this.#options = options;
  }

  /** @throws MeridianError `no-healthy-node`, `region-unavailable`, `cluster-unavailable` */
  async place(sessionId: SessionId, client: Omit<SelectionInput, 'nodes' | 'random'>): Promise<Placement> {
    // Brings the view up to date for all who wait, side by side: with Redis away they fail together, not in turn.
    await this.#options.registry.list();
    const turn = this.#last.then(() => this.#place(sessionId, client));
    this.#last = turn.catch(() => {});
    return await turn;
  }

  async #place(sessionId: SessionId, client: Omit<SelectionInput, 'nodes' | 'random'>): Promise<Placement> {
    const { registry, metrics, random } = this.#options;
    const nodes = await registry.list();
    const selection = selectNode({ ...client, nodes, random });
    metrics.placement(selection.rejected ? selection.reason : selection.decision.reason);
    if (selection.rejected) throw new MeridianError(selection.reason);
    const { decision } = selection;
    const chosen = nodes.find(({ record }) => record.nodeId === decision.nodeId);
    if (chosen === undefined) throw new MeridianError('no-healthy-node');
    const reserved = metrics.step('reserve', () => registry.reserve(decision.nodeId, sessionId));
    // Whoever placed hears of a failure; until then it must not count as unhandled.
    reserved.catch(() => {});
    return { decision, node: chosen.record, reserved };
  }
}
