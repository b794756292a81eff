import { eventually } from '@meridian/harness';
import { RenewSessionReply, SessionTokenClaims } from '@meridian/protocol';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { aNodeRecord, attach, Rig, startRedis } from '../rig.ts';

let redis: Awaited<ReturnType<typeof startRedis>>;
let rig: Rig;
let cluster: Awaited<ReturnType<Rig['cluster']>>;

beforeAll(async () => {
  redis = await startRedis();
  rig = await Rig.start({ redis, env: { MERIDIAN_SESSION_TOKEN_TTL_S: '600' } });
  cluster = await rig.cluster();
  await cluster.announce(aNodeRecord('eu1'));
});

afterAll(async () => {
  await rig?.stop();
  await redis?.stop();
});

const claimsOf = (token: string) => SessionTokenClaims.parse(decodeJwt(token));
const renew = (token: string) => rig.ok(RenewSessionReply, 'POST', '/v1/sessions/renew', { token });
const codeOf = (token: string) => rig.codeOf('POST', '/v1/sessions/renew', { token });

/** Somebody with a room in view, whose WebSocket is attached. */
async function attached(userToken: string) {
  const { slug, roomId } = await rig.room(userToken);
  const session = await eventually('a node is there', () => rig.session(userToken, { room: slug }));
  const lease = await attach(cluster, session.sessionToken);
  return { ...session, lease, roomId };
}

describe('a session token', () => {
  test('is renewed for the same session, node, user and room, for as long again', async () => {
    const { userToken } = await rig.account('Ann');
    const { sessionToken, roomId } = await attached(userToken);
    const { iat, exp, ...before } = claimsOf(sessionToken);
    rig.clock.offsetMs += 400_000;

    const renewed = await renew(sessionToken);

    const after = claimsOf(renewed.sessionToken);
    expect(after).toMatchObject({ ...before, roomHint: roomId, ver: expect.any(Number) });
    expect(after.exp - after.iat).toBe(exp - iat);
    expect(after.iat).toBeGreaterThanOrEqual(iat + 400);
    expect(renewed.expiresAtMs).toBe(after.exp * 1_000);
    // And the renewed one is as good as the first, for the next renewal and for a room.
    await renew(renewed.sessionToken);
    await renew(sessionToken);
  });

  test('of a guest is renewed as well', async () => {
    const { userToken } = await rig.guest();
    const { sessionToken } = await attached(userToken);
    expect(claimsOf((await renew(sessionToken)).sessionToken).sub).toBe(claimsOf(sessionToken).sub);
  });

  test('is not renewed without its connection, nor by what is no session token', async () => {
    const { userToken } = await rig.guest();
    const { sessionToken } = await rig.session(userToken);
    expect(await codeOf(sessionToken)).toBe('session-not-attached');
    expect(await codeOf(userToken)).toBe('token-kind');
    expect(await rig.codeOf('POST', '/v1/sessions/renew')).toBe('unauthenticated');

    const lease = await attach(cluster, sessionToken);
    await renew(sessionToken);
    await cluster.leases.end(lease.nodeId, lease.sessionId, lease.epoch);
    expect(await codeOf(sessionToken)).toBe('session-not-attached');
  });

  test('is not renewed once it has expired, or its account was logged out everywhere', async () => {
    const { userToken } = await rig.account('Bob');
    const revoked = await attached(userToken);
    const { userToken: other } = await rig.guest();
    const expired = await attached(other);

    expect((await rig.call('POST', '/v1/me/logout-everywhere', { token: userToken })).status).toBe(204);
    expect(await codeOf(revoked.sessionToken)).toBe('token-revoked');
    rig.clock.offsetMs += 700_000;
    expect(await codeOf(expired.sessionToken)).toBe('token-expired');
  });
});
