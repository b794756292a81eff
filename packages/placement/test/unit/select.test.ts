import { Region } from '@meridian/protocol';
import { describe, expect, test } from 'vitest';
import { type SelectionInput, selectNode } from '../../src/index.ts';
import {
  AMSTERDAM,
  aClient,
  aNode,
  FRANKFURT,
  HO_CHI_MINH_CITY,
  HONG_KONG,
  idsOf,
  KUALA_LUMPUR,
  promise,
  rttsOf,
  SINGAPORE,
} from '../builders.ts';

const decide = (input: SelectionInput) => {
  const selection = selectNode(input);
  if (selection.rejected) throw new Error(`rejected: ${selection.reason}`);
  return selection.decision;
};

const eu = aNode({ id: 'eu1', region: 'eu-west', at: AMSTERDAM });
const sg = aNode({ id: 'sg1', region: 'ap-southeast', at: SINGAPORE });
const vn = aNode({ id: 'vn1', region: 'ap-vn', at: HO_CHI_MINH_CITY });
const world = [eu, sg, vn];

describe('what is known about the delay', () => {
  test('the lowest measured round trip wins over the shorter distance', () => {
    const decision = decide(
      aClient({ nodes: world, location: HO_CHI_MINH_CITY, rtts: rttsOf({ vn1: 95, sg1: 40, eu1: 210 }) }),
    );

    expect(decision).toMatchObject({ nodeId: 'sg1', reason: 'lowest-rtt', rttMs: 40 });
    expect(decision.explanation).toContain('40 ms measured');
  });

  test('without measurements the nearest by distance is chosen', () => {
    const decision = decide(aClient({ nodes: world, location: KUALA_LUMPUR }));

    expect(decision).toMatchObject({ nodeId: 'sg1', reason: 'nearest', rttMs: null });
    expect(decision.distanceKm).toBeGreaterThan(300);
    expect(decision.distanceKm).toBeLessThan(330);
  });

  test('a measured node wins over an estimate that is better by less than its usual error', () => {
    // Kuala Lumpur to Singapore is estimated at 13 ms.
    const near = decide(aClient({ nodes: [sg, vn], location: KUALA_LUMPUR, rtts: rttsOf({ vn1: 22 }) }));
    const far = decide(aClient({ nodes: [sg, eu], location: KUALA_LUMPUR, rtts: rttsOf({ eu1: 190 }) }));

    expect(near.nodeId).toBe('vn1');
    expect(far.nodeId).toBe('sg1');
  });

  test('a slow access line counts for the unmeasured nodes too', () => {
    // From Amsterdam: 90 ms to Frankfurt where 14 ms were expected, so 84 ms rather than 8 to Amsterdam.
    const frankfurt = aNode({ id: 'fra', region: 'eu-central', at: FRANKFURT });
    const decision = decide(aClient({ nodes: [eu, frankfurt], location: AMSTERDAM, rtts: rttsOf({ fra: 90 }) }));

    expect(decision).toMatchObject({ nodeId: 'fra', reason: 'lowest-rtt' });
  });

  test('without a place, distances are reckoned over the measured nodes', () => {
    const hk = aNode({ id: 'hk1', region: 'ap-east', at: HONG_KONG });
    const decision = decide(aClient({ nodes: [hk, eu, vn], rtts: rttsOf({ hk1: 80, eu1: 20 }) }));

    expect(decision.nodeId).toBe('eu1');
  });

  test('an unmeasured node shares the measurement of its region and takes its part of the load', () => {
    const busy = aNode({ id: 'sg1', region: 'ap-southeast', at: SINGAPORE, sessions: 100 });
    const idle = aNode({ id: 'sg2', region: 'ap-southeast', at: SINGAPORE, sessions: 10 });
    const decision = decide(aClient({ nodes: [busy, idle, eu], rtts: rttsOf({ sg1: 12, eu1: 180 }) }));

    expect(decision).toMatchObject({ nodeId: 'sg2', reason: 'lowest-rtt', rttMs: null });
    expect(decision.explanation).toContain('12 ms measured to its region');
  });

  test('with neither place nor measurements the least loaded node is chosen', () => {
    const decision = decide(aClient({ nodes: [aNode({ id: 'a', sessions: 9 }), aNode({ id: 'b', sessions: 3 })] }));

    expect(decision).toMatchObject({ nodeId: 'b', reason: 'least-loaded', rttMs: null, distanceKm: null });
  });
});

describe('who can take a client', () => {
  test('draining and full nodes are out, promised places included', () => {
    const nodes = [
      aNode({ id: 'draining', state: 'draining' }),
      aNode({ id: 'full', sessions: 10, maxSessions: 10 }),
      aNode({ id: 'promised', sessions: 6, reserved: 4, maxSessions: 10 }),
      aNode({ id: 'far', region: 'ap-southeast', at: SINGAPORE }),
    ];

    expect(decide(aClient({ nodes, location: AMSTERDAM })).nodeId).toBe('far');
  });

  test('no node at all is told apart from no node in the forced region', () => {
    const region = Region.parse('ap-southeast');

    expect(selectNode(aClient({ nodes: [] }))).toEqual({ rejected: true, reason: 'no-healthy-node' });
    expect(selectNode(aClient({ nodes: [aNode({ id: 'a', state: 'draining' })] }))).toEqual({
      rejected: true,
      reason: 'no-healthy-node',
    });
    expect(selectNode(aClient({ nodes: [eu], forcedRegion: region }))).toEqual({
      rejected: true,
      reason: 'region-unavailable',
    });
  });

  test('a forced region holds against a nearer node', () => {
    const decision = decide(
      aClient({ nodes: world, location: AMSTERDAM, rtts: rttsOf({ eu1: 5 }), forcedRegion: Region.parse('ap-vn') }),
    );

    expect(decision).toMatchObject({ nodeId: 'vn1', reason: 'forced-region' });
    expect(decision.explanation).toContain('region ap-vn was asked for');
  });

  test('a node the client has just lost is chosen again only when nothing else is left', () => {
    const client = { location: AMSTERDAM, avoid: idsOf('eu1') };

    expect(decide(aClient({ ...client, nodes: world })).nodeId).not.toBe('eu1');
    expect(decide(aClient({ ...client, nodes: [eu] })).nodeId).toBe('eu1');
  });

  test('a forced region whose every node the client has just lost is given up while there are others', () => {
    const client = { location: AMSTERDAM, avoid: idsOf('eu1'), forcedRegion: Region.parse('eu-west') };

    expect(selectNode(aClient({ ...client, nodes: world }))).toEqual({ rejected: true, reason: 'region-unavailable' });
    expect(decide(aClient({ ...client, nodes: [eu] })).nodeId).toBe('eu1');
  });
});

describe('a node that hosts the room', () => {
  const client = (host: number, nearest: number) =>
    decide(aClient({ nodes: [eu, sg], rtts: rttsOf({ sg1: host, eu1: nearest }), roomNodes: idsOf('sg1') }));

  test('is preferred while it costs at most 20 ms more', () => {
    expect(client(50, 30)).toMatchObject({ nodeId: 'sg1', reason: 'hosts-room-and-close' });
    expect(client(51, 30)).toMatchObject({ nodeId: 'eu1', reason: 'lowest-rtt' });
  });

  test('is preferred on long paths while it costs at most a quarter more', () => {
    expect(client(250, 200)).toMatchObject({ nodeId: 'sg1', reason: 'hosts-room-and-close' });
    expect(client(251, 200)).toMatchObject({ nodeId: 'eu1' });
  });

  test('is preferred within a forced region too', () => {
    const nodes = [aNode({ id: 'a' }), aNode({ id: 'b', sessions: 5 })];

    expect(decide(aClient({ nodes, forcedRegion: Region.parse('eu-west'), roomNodes: idsOf('b') })).nodeId).toBe('b');
  });

  test('looks farther when it is nearly full, so that its last places go to those who have no other node', () => {
    const host = (sessions: number) => [eu, aNode({ id: 'sg1', region: 'ap-southeast', at: SINGAPORE, sessions })];
    const client = { rtts: rttsOf({ sg1: 45, eu1: 30 }), roomNodes: idsOf('sg1') };

    expect(decide(aClient({ ...client, nodes: host(390) })).nodeId).toBe('sg1');
    expect(decide(aClient({ ...client, nodes: host(480) })).nodeId).toBe('eu1');
  });
});

describe('load', () => {
  test('decides between nodes whose delays differ by no more than the jitter of a path', () => {
    const nodes = [aNode({ id: 'a', sessions: 200 }), aNode({ id: 'b', sessions: 20 })];

    expect(decide(aClient({ nodes, rtts: rttsOf({ a: 20, b: 30 }) }))).toMatchObject({
      nodeId: 'b',
      reason: 'least-loaded',
    });
    expect(decide(aClient({ nodes, rtts: rttsOf({ a: 20, b: 30.5 }) }))).toMatchObject({
      nodeId: 'a',
      reason: 'lowest-rtt',
    });
  });

  test('a busy worker makes a node look farther', () => {
    const nodes = [
      aNode({ id: 'hot', workerCpu: 1 }),
      aNode({ id: 'cool', region: 'eu-central', at: FRANKFURT, workerCpu: 0.2 }),
    ];

    expect(decide(aClient({ nodes, rtts: rttsOf({ hot: 10, cool: 45 }) }))).toMatchObject({
      nodeId: 'cool',
      reason: 'least-loaded',
    });
  });

  test('a burst of 100 joins spreads evenly over equal nodes', () => {
    let nodes = Array.from({ length: 10 }, (_, i) => aNode({ id: `n${i}` }));
    for (let join = 0; join < 100; join += 1) {
      nodes = promise(nodes, decide(aClient({ nodes, location: AMSTERDAM })).nodeId);
    }

    expect(nodes.map(({ reserved }) => reserved)).toEqual(Array.from({ length: 10 }, () => 10));
  });

  test('between nodes that are equal in everything the injected randomness decides', () => {
    const nodes = [aNode({ id: 'a' }), aNode({ id: 'b' }), aNode({ id: 'c' })];
    const chosen = [0, 0.5, 0.99].map((value) => decide(aClient({ nodes, random: () => value })).nodeId);

    expect(chosen).toEqual(['a', 'b', 'c']);
  });
});
