import type { NodeView } from '@meridian/protocol';
import { type NodeId, Region } from '@meridian/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { effectiveLoad, isAvailable, type SelectionInput, selectNode, tuning } from '../../src/index.ts';
import { aClient, aNode, promise } from '../builders.ts';

const REGIONS = ['eu-west', 'ap-southeast', 'ap-vn', 'us-east'];

const coordinates = fc.record({
  latitude: fc.integer({ min: -60, max: 70 }),
  longitude: fc.integer({ min: -180, max: 180 }),
});

const nodes = fc
  .array(
    fc.record({
      region: fc.constantFrom(...REGIONS),
      at: coordinates,
      state: fc.constantFrom('ready' as const, 'ready' as const, 'draining' as const),
      sessions: fc.integer({ min: 0, max: 12 }),
      reserved: fc.integer({ min: 0, max: 3 }),
      workerCpu: fc.constantFrom(0, 0.5, 0.9, 1),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((sketches) => sketches.map((sketch, i) => aNode({ id: `n${i}`, maxSessions: 10, ...sketch })));

const someOf = (views: NodeView[]) =>
  fc.subarray(views.map(({ record }) => record.nodeId)).map((ids) => new Set<NodeId>(ids));

const measuredSome = (views: NodeView[]) =>
  fc
    .subarray(views)
    .chain((measured) =>
      fc
        .tuple(...measured.map(() => fc.integer({ min: 1, max: 400 })))
        .map((rtts) => new Map(measured.map(({ record }, i) => [record.nodeId, rtts[i] ?? 0]))),
    );

const measuredAll = (views: NodeView[]) =>
  fc
    .tuple(...views.map(() => fc.integer({ min: 1, max: 400 })))
    .map((rtts) => new Map(views.map(({ record }, i) => [record.nodeId, rtts[i] ?? 0])));

const client = (
  rttsFor: (views: NodeView[]) => fc.Arbitrary<Map<NodeId, number>> = measuredSome,
): fc.Arbitrary<SelectionInput> =>
  nodes.chain((views) =>
    fc
      .record({
        rtts: rttsFor(views),
        location: fc.option(coordinates, { nil: undefined }),
        roomNodes: someOf(views),
        avoid: someOf(views),
        forcedRegion: fc.option(fc.constantFrom(...REGIONS.map((region) => Region.parse(region))), {
          nil: undefined,
          freq: 4,
        }),
      })
      .map((rest) => ({ nodes: views, ...rest })),
  );

const find = (input: SelectionInput, nodeId: NodeId): NodeView => {
  const view = input.nodes.find(({ record }) => record.nodeId === nodeId);
  if (view === undefined) throw new Error(`chose ${nodeId}, which is not in the list`);
  return view;
};

/**
 * The nodes a decision may name: available, in the forced region. None of that region when the client avoids all
 * of them and there are others.
 */
const allowed = (input: SelectionInput): NodeView[] => {
  const available = input.nodes.filter(isAvailable);
  const there = available.filter(
    ({ record }) => input.forcedRegion === undefined || record.region === input.forcedRegion,
  );
  const isAvoided = ({ record }: NodeView) => input.avoid.has(record.nodeId);
  return there.every(isAvoided) && !available.every(isAvoided) ? [] : there;
};

describe('for every cluster and every client', () => {
  test('a draining, full or foreign-region node is never chosen, and a node is chosen whenever one is allowed', () => {
    fc.assert(
      fc.property(client(), (input) => {
        const selection = selectNode(input);
        if (selection.rejected) {
          expect(allowed(input)).toEqual([]);
          const none = input.nodes.filter(isAvailable).length === 0;
          expect(selection.reason).toBe(none ? 'no-healthy-node' : 'region-unavailable');
          return;
        }
        const view = find(input, selection.decision.nodeId);
        expect(view.record.state).toBe('ready');
        expect(effectiveLoad(view)).toBeLessThan(1);
        if (input.forcedRegion !== undefined) expect(view.record.region).toBe(input.forcedRegion);
      }),
      { numRuns: 1_000 },
    );
  });

  test('an avoided node is chosen only when every allowed node is to be avoided', () => {
    fc.assert(
      fc.property(client(), (input) => {
        const selection = selectNode(input);
        if (selection.rejected || !input.avoid.has(selection.decision.nodeId)) return;
        expect(allowed(input).filter(({ record }) => !input.avoid.has(record.nodeId))).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  test('the decision depends on nothing but the input, and not on the order of the nodes', () => {
    fc.assert(
      fc.property(client(), (input) => {
        const once = selectNode(input);
        expect(selectNode(input)).toEqual(once);
        expect(selectNode({ ...input, nodes: input.nodes.toReversed() })).toEqual(once);
      }),
      { numRuns: 500 },
    );
  });

  test('the reason and the sentence fit what is known', () => {
    fc.assert(
      fc.property(client(), (input) => {
        const selection = selectNode(input);
        if (selection.rejected) return;
        const { reason, explanation, nodeId, rttMs } = selection.decision;
        expect(explanation).toMatch(/^[^\n]+\.$/);
        expect(explanation).toContain(nodeId);
        expect(rttMs).toBe(input.rtts.get(nodeId) ?? null);
        expect(reason === 'forced-region').toBe(input.forcedRegion !== undefined);
        if (reason === 'hosts-room-and-close') expect(input.roomNodes.has(nodeId)).toBe(true);
        if (reason === 'lowest-rtt') expect(input.rtts.size).toBeGreaterThan(0);
        if (reason === 'nearest') expect(rttMs).toBeNull();
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('for every client that measured all nodes', () => {
  const input = client(measuredAll).map(({ forcedRegion: _, ...rest }): SelectionInput => rest);
  const calm = input.map((given) => ({
    ...given,
    avoid: new Set<NodeId>(),
    nodes: given.nodes.map((view) => ({
      ...view,
      record: { ...view.record, load: { ...view.record.load, workerCpu: 0, maxSessions: 1_000 } },
    })),
  }));

  test('a lower round trip never makes the chosen node lose', () => {
    fc.assert(
      fc.property(input, fc.integer({ min: 0, max: 400 }), (before, faster) => {
        const selection = selectNode(before);
        if (selection.rejected) return;
        const { nodeId } = selection.decision;
        const rtts = new Map(before.rtts).set(nodeId, Math.max(0, (before.rtts.get(nodeId) ?? 0) - faster));
        expect(selectNode({ ...before, rtts })).toMatchObject({ decision: { nodeId } });
      }),
      { numRuns: 2_000 },
    );
  });

  test('a higher round trip never makes another node win', () => {
    fc.assert(
      fc.property(input, fc.nat(), fc.integer({ min: 1, max: 400 }), (before, index, slower) => {
        const selection = selectNode(before);
        const other = before.nodes[index % before.nodes.length];
        if (selection.rejected || other === undefined) return;
        const { nodeId } = other.record;
        if (nodeId === selection.decision.nodeId) return;
        const rtts = new Map(before.rtts).set(nodeId, (before.rtts.get(nodeId) ?? 0) + slower);
        const after = selectNode({ ...before, rtts });
        expect(after.rejected ? undefined : after.decision.nodeId).not.toBe(nodeId);
      }),
      { numRuns: 2_000 },
    );
  });

  test('hosting the room never costs more than the stated detour, load left aside', () => {
    fc.assert(
      fc.property(calm, (given) => {
        const selection = selectNode(given);
        if (selection.rejected) return;
        const lowest = Math.min(...allowed(given).map(({ record }) => given.rtts.get(record.nodeId) ?? 0));
        const rtt = selection.decision.rttMs ?? 0;
        const slack =
          selection.decision.reason === 'hosts-room-and-close'
            ? Math.max(tuning.HOSTING_DETOUR_MS, tuning.HOSTING_DETOUR_SHARE * lowest)
            : tuning.EQUALLY_NEAR_MS;
        expect(rtt).toBeLessThanOrEqual(lowest + slack);
      }),
      { numRuns: 2_000 },
    );
  });
});

test('a burst over any number of equal nodes never leaves two of them more than one join apart', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 120 }),
      fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
      (count, joins, values) => {
        let cluster = Array.from({ length: count }, (_, i) => aNode({ id: `n${i}` }));
        const random = () => values.next().value ?? 0;
        for (let join = 0; join < joins; join += 1) {
          const selection = selectNode(aClient({ nodes: cluster, location: { latitude: 40, longitude: 0 }, random }));
          if (selection.rejected) throw new Error(selection.reason);
          cluster = promise(cluster, selection.decision.nodeId);
        }
        const reserved = cluster.map((view) => view.reserved);
        expect(Math.max(...reserved) - Math.min(...reserved)).toBeLessThanOrEqual(1);
      },
    ),
    { numRuns: 50 },
  );
});
