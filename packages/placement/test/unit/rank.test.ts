import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rankCandidates } from '../../src/index.ts';
import { AMSTERDAM, aNode, FRANKFURT, HO_CHI_MINH_CITY, HONG_KONG, KUALA_LUMPUR, SINGAPORE } from '../builders.ts';

describe('candidates for a client', () => {
  test('come nearest region first, one node of each region before the others', () => {
    const nodes = [
      aNode({ id: 'eu1', region: 'eu-west', at: AMSTERDAM }),
      aNode({ id: 'sg1', region: 'ap-southeast', at: SINGAPORE, sessions: 4 }),
      aNode({ id: 'sg2', region: 'ap-southeast', at: SINGAPORE, sessions: 1 }),
      aNode({ id: 'vn1', region: 'ap-vn', at: HO_CHI_MINH_CITY }),
    ];

    const { nodes: ranked, probe } = rankCandidates({ nodes, location: KUALA_LUMPUR });

    expect(ranked.map(({ nodeId }) => nodeId)).toEqual(['sg2', 'vn1', 'eu1', 'sg1']);
    expect(probe).toBe(3);
    expect(ranked[0]?.distanceKm).toBeCloseTo(309, -1);
  });

  test('that drain or are full come last with their state and load, and are not probed', () => {
    const nodes = [
      aNode({ id: 'drains', state: 'draining' }),
      aNode({ id: 'full', sessions: 5, maxSessions: 5 }),
      aNode({ id: 'far', region: 'ap-southeast', at: SINGAPORE }),
    ];

    const { nodes: ranked, probe } = rankCandidates({ nodes, location: AMSTERDAM });

    expect(ranked[0]?.nodeId).toBe('far');
    expect(ranked.slice(1)).toMatchObject([
      { nodeId: 'drains', state: 'draining' },
      { nodeId: 'full', load: { sessions: 5, maxSessions: 5 } },
    ]);
    expect(probe).toBe(1);
  });

  test('of one region that stand at different places have their own distances', () => {
    const nodes = [AMSTERDAM, SINGAPORE, AMSTERDAM].map((at, i) => aNode({ id: `n${i}`, region: 'wide', at }));
    const { nodes: ranked } = rankCandidates({ nodes, location: AMSTERDAM });

    expect(ranked.map(({ nodeId, distanceKm }) => [nodeId, Math.round((distanceKm ?? -1) / 100)])).toEqual([
      ['n0', 0],
      ['n2', 0],
      ['n1', 105],
    ]);
  });

  test('of a client whose place is unknown are spread over the world', () => {
    const near = [AMSTERDAM, FRANKFURT].map((at, i) => aNode({ id: `e${i}`, region: `eu-${i}`, at }));
    const far = [SINGAPORE, HONG_KONG].map((at, i) => aNode({ id: `a${i}`, region: `ap-${i}`, at, sessions: 9 }));

    const { nodes: ranked } = rankCandidates({ nodes: [...near, ...far], location: undefined });

    expect(ranked.slice(0, 2).map(({ nodeId }) => nodeId)).toEqual(['e0', 'a0']);
    expect(ranked[0]?.distanceKm).toBeNull();
  });

  test('name every node exactly once, whatever the cluster looks like', () => {
    const node = fc.record({
      region: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k'),
      state: fc.constantFrom('ready' as const, 'draining' as const),
      sessions: fc.integer({ min: 0, max: 10 }),
      at: fc.constantFrom(AMSTERDAM, SINGAPORE, HONG_KONG),
    });
    const place = fc.option(fc.constantFrom(FRANKFURT, KUALA_LUMPUR), { nil: undefined });
    fc.assert(
      fc.property(fc.array(node, { maxLength: 40 }), place, (sketches, location) => {
        const nodes = sketches.map((sketch, i) => aNode({ id: `n${i}`, maxSessions: 10, ...sketch }));
        const { nodes: ranked, probe } = rankCandidates({ nodes, location });

        expect(ranked.map(({ nodeId }) => nodeId).toSorted()).toEqual(
          nodes.map(({ record }) => record.nodeId).toSorted(),
        );
        const probed = ranked.slice(0, probe);
        expect(new Set(probed.map(({ region }) => region)).size).toBe(probe);
        for (const { state, load } of probed) {
          expect(state).toBe('ready');
          expect(load.sessions).toBeLessThan(load.maxSessions);
        }
      }),
    );
  });
});
