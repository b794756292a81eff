import { createHmac } from 'node:crypto';
import { eventually } from '@meridian/harness';
import { NodesReply, SessionTokenClaims } from '@meridian/protocol';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { placeOfCountry } from '../../src/location/countries.ts';
import { aNodeRecord, attach, Rig, startRedis } from '../rig.ts';

let redis: Awaited<ReturnType<typeof startRedis>>;
let rig: Rig;
let cluster: Awaited<ReturnType<Rig['cluster']>>;
const SINGAPORE = { latitude: 1.35, longitude: 103.8 };
const AMSTERDAM = { latitude: 52.4, longitude: 4.9 };
beforeAll(async () => {
  redis = await startRedis();
  rig = await Rig.start({
    redis,
    env: { MERIDIAN_ALLOW_FORCED_REGION: 'true', MERIDIAN_STUN_URLS: 'stun:stun.example.org:3478' },
  });
  cluster = await rig.cluster();
  await cluster.announce(aNodeRecord('eu1', { region: 'eu-west', ...AMSTERDAM }));
  await cluster.announce(aNodeRecord('sg1', { region: 'ap-southeast', ...SINGAPORE, sessions: 3, maxSessions: 9 }));
  await cluster.announce(aNodeRecord('vn1', { region: 'ap-vn', latitude: 10.8, longitude: 106.7, state: 'draining' }));
  await eventually('the service sees the nodes', async () => {
    expect((await rig.ok(NodesReply, 'GET', '/v1/nodes')).nodes).toHaveLength(3);
  });
});
afterAll(async () => {
  await rig?.stop();
  await redis?.stop();
});

const nodes = (query = '') => rig.ok(NodesReply, 'GET', `/v1/nodes${query}`);
const claimsOf = (token: string) => SessionTokenClaims.parse(decodeJwt(token));

describe('candidates', () => {
  test('come nearest first with load and state, the draining one last and not to be probed', async () => {
    const reply = await nodes('?lat=3.1&lon=101.7');

    expect(reply.nodes.map(({ nodeId, state }) => `${nodeId} ${state}`)).toEqual([
      'sg1 ready',
      'eu1 ready',
      'vn1 draining',
    ]);
    expect(reply.nodes[0]).toMatchObject({
      region: 'ap-southeast',
      probeUrl: 'https://sg1.example.org/probe',
      load: { sessions: 3, maxSessions: 9 },
    });
    expect(reply.nodes[0]?.distanceKm).toBeCloseTo(305, -2);
    expect(reply).toMatchObject({ probe: 2, locatedBy: 'given', location: { latitude: 3.1, longitude: 101.7 } });
  });

  test('are there for clients without a place as well', async () => {
    expect(await nodes()).toMatchObject({ locatedBy: 'none', location: null, probe: 2 });
  });

  test('want both coordinates or none, within the globe', async () => {
    for (const query of ['?lat=3', '?lon=3', '?lat=91&lon=0', '?lat=a&lon=0', '?lat=&lon=', '?lat=3&lon=%20']) {
      expect(await rig.codeOf('GET', `/v1/nodes${query}`)).toBe('bad-request');
    }
  });
});

describe('a session', () => {
  test('is placed by measured round trips, with the reason and everything needed to connect', async () => {
    const { userToken, user } = await rig.guest('Ann');
    const session = await rig.session(userToken, {
      coordinates: AMSTERDAM,
      rtts: [
        { nodeId: 'eu1', rttMs: 90 },
        { nodeId: 'sg1', rttMs: 30 },
      ],
    });

    expect(session).toMatchObject({
      wsUrl: 'wss://sg1.example.org/ws',
      decision: { nodeId: 'sg1', region: 'ap-southeast', reason: 'lowest-rtt', rttMs: 30 },
      iceServers: [{ urls: ['stun:stun.example.org:3478'] }],
    });
    expect(session.decision.explanation).toContain('30 ms measured');
    expect(claimsOf(session.sessionToken)).toMatchObject({
      sub: user.userId,
      name: 'Ann',
      sid: session.sessionId,
      aud: 'sg1',
    });
    expect(session.expiresAtMs).toBe(claimsOf(session.sessionToken).exp * 1_000);
  });

  test('is placed by distance without measurements, and avoids the node that was lost', async () => {
    const { userToken } = await rig.guest();
    const near = await rig.session(userToken, { coordinates: AMSTERDAM });
    const elsewhere = await rig.session(userToken, { coordinates: AMSTERDAM, avoid: ['eu1'] });

    expect(near.decision).toMatchObject({ nodeId: 'eu1', reason: 'nearest' });
    expect(elsewhere.decision.nodeId).toBe('sg1');
  });

  test('heads for a room: nodes that host it are preferred, and the token tells the node which one', async () => {
    const { userToken } = await rig.guest();
    const { slug, roomId } = await rig.room(userToken);
    const first = await rig.session(userToken, { coordinates: SINGAPORE });
    const lease = await attach(cluster, first.sessionToken);
    const { roomToken } = await rig.join(first.sessionToken, slug);
    await cluster.rooms.confirm({
      roomId,
      sessionId: lease.sessionId,
      epoch: lease.epoch,
      tokenId: String(decodeJwt(roomToken).jti),
      tokenTtlMs: 60_000,
      nodeId: lease.nodeId,
    });
    const rtts = [
      { nodeId: 'eu1', rttMs: 30 },
      { nodeId: 'sg1', rttMs: 45 },
    ];

    const heading = await rig.session(userToken, { room: slug, rtts });
    expect(heading.decision).toMatchObject({ nodeId: 'sg1', reason: 'hosts-room-and-close' });
    expect(claimsOf(heading.sessionToken).roomHint).toBe(roomId);
    expect((await rig.session(userToken, { rtts })).decision.nodeId).toBe('eu1');
    expect(await rig.codeOf('POST', '/v1/sessions', { token: userToken, body: { room: 'no-such-room' } })).toBe(
      'room-not-found',
    );
  });

  test('may be forced into a region where that is allowed, and nowhere else', async () => {
    const { userToken: token } = await rig.guest();
    const forced = await rig.session(token, { coordinates: AMSTERDAM, region: 'ap-southeast' });

    expect(forced.decision).toMatchObject({ nodeId: 'sg1', reason: 'forced-region' });
    expect(await rig.refused('POST', '/v1/sessions', { token, body: { region: 'ap-vn' } })).toMatchObject({
      status: 409,
      code: 'region-unavailable',
    });
    const strict = await Rig.start({ redis });
    try {
      const guest = await strict.guest();
      expect(
        await strict.refused('POST', '/v1/sessions', { token: guest.userToken, body: { region: 'eu-west' } }),
      ).toMatchObject({ status: 403, code: 'region-forced-refused' });
      expect(await strict.refused('POST', '/v1/sessions', { token: guest.userToken, body: {} })).toMatchObject({
        status: 503,
        code: 'no-healthy-node',
      });
    } finally {
      await strict.stop();
    }
  });

  test('needs a user', async () => {
    expect(await rig.codeOf('POST', '/v1/sessions', { body: {} })).toBe('unauthenticated');
  });
});

describe('a refreshed page', () => {
  test('keeps its session by the old token, even one that has just expired', async () => {
    const { userToken } = await rig.guest();
    const first = await rig.session(userToken);
    const again = (previousSessionToken: string) => rig.session(userToken, { previousSessionToken });

    expect((await again(first.sessionToken)).sessionId).toBe(first.sessionId);
    rig.clock.offsetMs += (43_200 + 86_000) * 1_000;
    expect((await again(first.sessionToken)).sessionId).toBe(first.sessionId);
    rig.clock.offsetMs += 1_000_000;
    expect((await again(first.sessionToken)).sessionId).not.toBe(first.sessionId);
    rig.clock.offsetMs = 0;
  });

  test('never takes the session of another user over, nor by a token that was changed', async () => {
    const victim = await rig.guest();
    const { sessionToken, sessionId } = await rig.session(victim.userToken);
    const { userToken } = await rig.guest();
    const attempts = [sessionToken, `${sessionToken.slice(0, -4)}AAAA`, victim.userToken, 'nothing'];

    for (const previousSessionToken of attempts) {
      const taken = await rig.session(userToken, { previousSessionToken });
      expect(taken.sessionId).not.toBe(sessionId);
    }
  });
});

describe('a burst of 100 joins at once', () => {
  test('spreads evenly over equal nodes, also when two instances place at the same time', async () => {
    const env = { MERIDIAN_SESSIONS_PER_MINUTE: '1000' };
    const one = await Rig.start({ redis, env });
    const announced = await one.cluster();
    for (let i = 0; i < 4; i += 1) await announced.announce(aNodeRecord(`node-${i}`));
    const two = await Rig.start({ redis, env, beside: one });
    try {
      const { userToken } = await one.guest();
      const burst = (rig: Rig, joins: number) =>
        Promise.all(Array.from({ length: joins }, () => rig.session(userToken)));
      const counts = async (sessions: ReturnType<typeof burst>) => {
        const perNode = new Map<string, number>();
        for (const { decision } of await sessions) {
          perNode.set(decision.nodeId, (perNode.get(decision.nodeId) ?? 0) + 1);
        }
        return [...perNode.values()].toSorted();
      };

      // One instance sees all of its own promises: not one join of difference.
      expect(await counts(burst(one, 100))).toEqual([25, 25, 25, 25]);
      // Of each other's they hear with the next answer of Redis: the two together stay close to even.
      const together = await counts(Promise.all([burst(one, 50), burst(two, 50)]).then((both) => both.flat()));
      expect(together).toHaveLength(4);
      expect(Math.max(...together) - Math.min(...together)).toBeLessThanOrEqual(4);
    } finally {
      await two.api.close();
      await one.stop();
    }
  });
});

describe('the place of a client', () => {
  test('is that of its address, by a trusted proxy if there is one', async () => {
    const placed = await Rig.start({
      redis,
      env: { MERIDIAN_TRUST_PROXY: 'loopback', MERIDIAN_GEOIP_DB: 'bundled' },
    });
    try {
      const headers = { 'x-forwarded-for': '145.97.1.1' };

      expect(await placed.ok(NodesReply, 'GET', '/v1/nodes', { headers })).toMatchObject({
        locatedBy: 'geoip',
        location: placeOfCountry('NL'),
      });
      expect(await placed.ok(NodesReply, 'GET', '/v1/nodes')).toMatchObject({ locatedBy: 'none', location: null });
      expect(await placed.ok(NodesReply, 'GET', '/v1/nodes?lat=1&lon=2', { headers })).toMatchObject({
        locatedBy: 'given',
      });
    } finally {
      await placed.stop();
    }
  });

  test('is not read from a header that nobody vouches for', async () => {
    const placed = await Rig.start({ redis, env: { MERIDIAN_GEOIP_DB: 'bundled' } });
    try {
      const headers = { 'x-forwarded-for': '145.97.1.1' };

      expect(await placed.ok(NodesReply, 'GET', '/v1/nodes', { headers })).toMatchObject({ locatedBy: 'none' });
    } finally {
      await placed.stop();
    }
  });
});

test('TURN credentials of the time-limited kind are made for the user', async () => {
  const turned = await Rig.start({
    redis,
    env: {
      MERIDIAN_TURN_URLS: 'turn:turn.example.org:3478',
      MERIDIAN_TURN_SECRET: 'north',
      MERIDIAN_TURN_TTL_S: '600',
    },
  });
  try {
    await (await turned.cluster()).announce(aNodeRecord('eu1'));
    const { userToken, user } = await turned.guest();
    const session = await eventually('a node is there', () => turned.session(userToken));
    const [server] = session.iceServers;
    const [expiry, userId] = server?.username?.split(':') ?? [];

    expect(userId).toBe(user.userId);
    expect(Math.abs(Number(expiry) - (Date.now() / 1_000 + 600))).toBeLessThan(60);
    expect(server?.credential).toBe(
      createHmac('sha1', 'north')
        .update(server?.username ?? '')
        .digest('base64'),
    );
  } finally {
    await turned.stop();
  }
});
