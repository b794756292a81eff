import type { NodeRegistry } from '@meridian/cluster';
import { MeridianError, type NodeId, type NodeView, SessionId } from '@meridian/protocol';
import { describe, expect, test } from 'vitest';
import { Metrics } from '../../src/metrics.ts';
import { Placer } from '../../src/sessions/placer.ts';
import { aNodeRecord } from '../rig.ts';

/** Answers all who ask at the same time at once, as a shared reading of Redis does; promises count from the call on. */
class FakeRegistry implements NodeRegistry {
  readonly reserved = new Map<NodeId, number>();
  failing = false;
  #reading: Promise<void> | undefined;

  constructor(nodes: number) {
    for (let i = 0; i < nodes; i += 1) this.reserved.set(aNodeRecord(`n${i}`).nodeId, 0);
  }

  async list(): Promise<NodeView[]> {
    this.#reading ??= new Promise<void>((resolve) => setImmediate(resolve)).finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
    if (this.failing) throw new MeridianError('cluster-unavailable');
    return [...this.reserved].map(([nodeId, reserved]) => ({ record: aNodeRecord(nodeId), reserved }));
  }

  async reserve(nodeId: NodeId): Promise<void> {
    this.reserved.set(nodeId, (this.reserved.get(nodeId) ?? 0) + 1);
    if (this.failing) throw new MeridianError('cluster-unavailable');
  }

  async close(): Promise<void> {}
}

const client = { rtts: new Map(), location: undefined, roomNodes: new Set<NodeId>(), avoid: new Set<NodeId>() };
const aPlacer = (registry: FakeRegistry) =>
  new Placer({ registry, metrics: new Metrics({ passwordsPending: () => 0 }), random: () => 0 });
const burst = (placer: Placer, joins: number) =>
  Promise.allSettled(Array.from({ length: joins }, (_, i) => placer.place(SessionId.parse(`s${i}`), client)));

describe('placing a burst', () => {
  test('of joins that arrive in the same instant spreads them evenly', async () => {
    const registry = new FakeRegistry(10);
    await burst(aPlacer(registry), 100);

    expect([...registry.reserved.values()]).toEqual(Array.from({ length: 10 }, () => 10));
  });

  test('while Redis is away fails for all and does not keep the next one waiting', async () => {
    const registry = new FakeRegistry(2);
    const placer = aPlacer(registry);
    registry.failing = true;
    const outcomes = await burst(placer, 20);

    expect(new Set(outcomes.map(({ status }) => status))).toEqual(new Set(['rejected']));
    registry.failing = false;
    await expect(placer.place(SessionId.parse('s'), client)).resolves.toMatchObject({ node: { nodeId: 'n0' } });
  });

  test('hands a failed promise to who waits for it', async () => {
    const registry = new FakeRegistry(1);
    const placer = aPlacer(registry);
    registry.reserve = () => Promise.reject(new MeridianError('cluster-unavailable'));
    const { reserved } = await placer.place(SessionId.parse('s'), client);

    await expect(reserved).rejects.toMatchObject({ code: 'cluster-unavailable' });
  });
});
