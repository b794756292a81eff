import { createHmac } from 'node:crypto';
import { SERVICE_AUDIENCE, type SessionLease, TOKEN_TYPES, UserView } from '@meridian/protocol';
import { exportJWK, generateKeyPair, importJWK, type JWTPayload, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type KeyFile, readKeyFiles } from '../../src/tokens/key-files.ts';
import { aNodeRecord, attach, Rig, startRedis } from '../rig.ts';

let redis: Awaited<ReturnType<typeof startRedis>>;
let rig: Rig;
let key: KeyFile;
let cluster: Awaited<ReturnType<Rig['cluster']>>;
beforeAll(async () => {
  redis = await startRedis();
  rig = await Rig.start({ redis });
  cluster = await rig.cluster();
  await cluster.announce(aNodeRecord('eu1'));
  const [found] = await readKeyFiles(`${rig.dir}/keys`);
  if (found === undefined) throw new Error('the service made no key');
  key = found;
});
afterAll(async () => {
  await rig?.stop();
  await redis?.stop();
});

const nowS = () => Math.floor(Date.now() / 1_000);
const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

const userClaims = (): JWTPayload => ({
  iss: rig.publicUrl,
  sub: 'g-forged',
  aud: SERVICE_AUDIENCE,
  name: 'Mallory',
  kind: 'guest',
  ver: 0,
  iat: nowS(),
  exp: nowS() + 600,
});

/** A token with the service's own key, as it would have made it but for the given changes. */
const signed = async (claims: JWTPayload, header: { typ?: string; kid?: string } = {}) =>
  new SignJWT(claims)
    .setProtectedHeader({ alg: 'EdDSA', typ: TOKEN_TYPES.user, kid: key.kid, ...header })
    .sign(await importJWK(key.privateJwk, 'EdDSA'));

const me = (token: string) => rig.codeOf('GET', '/v1/me', { token });

describe('a user token', () => {
  test('made as the service makes it is accepted: what follows fails for its own reason only', async () => {
    expect(await rig.ok(UserView, 'GET', '/v1/me', { token: await signed(userClaims()) })).toMatchObject({
      name: 'Mallory',
    });
  });

  test('that has expired is refused as such', async () => {
    expect(await me(await signed({ ...userClaims(), exp: nowS() - 10 }))).toBe('token-expired');
  });

  test('from the future is refused as such, by either claim', async () => {
    expect(await me(await signed({ ...userClaims(), iat: nowS() + 60, exp: nowS() + 600 }))).toBe(
      'token-not-yet-valid',
    );
    expect(await me(await signed({ ...userClaims(), nbf: nowS() + 60 }))).toBe('token-not-yet-valid');
  });

  test('for another audience is refused as such', async () => {
    expect(await me(await signed({ ...userClaims(), aud: 'eu1' }))).toBe('token-audience');
    const { aud: _, ...none } = userClaims();
    expect(await me(await signed(none))).toBe('token-audience');
  });

  test('of another kind is refused as such', async () => {
    for (const typ of [TOKEN_TYPES.session, TOKEN_TYPES.room, TOKEN_TYPES.invitation, 'JWT']) {
      expect(await me(await signed(userClaims(), { typ }))).toBe('token-kind');
    }
  });

  test('of another issuer or without the expected claims is invalid', async () => {
    const { exp: _, ...endless } = userClaims();
    const { name: __, ...nameless } = userClaims();

    expect(await me(await signed({ ...userClaims(), iss: 'https://elsewhere.example.org' }))).toBe('token-invalid');
    expect(await me(await signed(endless))).toBe('token-invalid');
    expect(await me(await signed(nameless))).toBe('token-invalid');
    expect(await me(await signed({ ...userClaims(), kind: 'admin' }))).toBe('token-invalid');
  });

  test('that was changed after it was signed is invalid', async () => {
    const [header, , signature] = (await signed(userClaims())).split('.');
    const changed = encode({ ...userClaims(), sub: 'u-somebody-else' });

    expect(await me(`${header}.${changed}.${signature}`)).toBe('token-invalid');
  });

  test('signed with a key of somebody else is refused: unknown by its id, invalid under ours', async () => {
    const { privateKey } = await generateKeyPair('EdDSA');
    const forge = (kid: string) =>
      new SignJWT(userClaims()).setProtectedHeader({ alg: 'EdDSA', typ: TOKEN_TYPES.user, kid }).sign(privateKey);

    expect(await me(await forge('2020-01-01-000000000000'))).toBe('token-key-unknown');
    expect(await me(await forge(key.kid))).toBe('token-invalid');
  });

  test('that brings its own key along is not believed', async () => {
    const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true });
    const token = await new SignJWT(userClaims())
      .setProtectedHeader({ alg: 'EdDSA', typ: TOKEN_TYPES.user, jwk: await exportJWK(publicKey) })
      .sign(privateKey);

    expect(await me(token)).toBe('token-key-unknown');
  });

  test('without a signature ("none") is refused for its algorithm', async () => {
    for (const alg of ['none', 'None', 'NONE']) {
      const header = encode({ alg, typ: TOKEN_TYPES.user, kid: key.kid });
      expect(await me(`${header}.${encode(userClaims())}.`)).toBe('token-algorithm');
    }
  });

  test('signed with HS256 and the public key as its secret is refused for its algorithm', async () => {
    const secrets = [
      Buffer.from(key.privateJwk.x, 'base64url'),
      Buffer.from(key.privateJwk.x),
      Buffer.from(JSON.stringify({ kty: 'OKP', crv: 'Ed25519', x: key.privateJwk.x })),
    ];
    for (const secret of secrets) {
      const content = `${encode({ alg: 'HS256', typ: TOKEN_TYPES.user, kid: key.kid })}.${encode(userClaims())}`;
      const signature = createHmac('sha256', secret).update(content).digest('base64url');
      expect(await me(`${content}.${signature}`)).toBe('token-algorithm');
    }
  });

  test('signed with another algorithm is refused for it', async () => {
    const { privateKey } = await generateKeyPair('ES256');
    const token = await new SignJWT(userClaims())
      .setProtectedHeader({ alg: 'ES256', typ: TOKEN_TYPES.user, kid: key.kid })
      .sign(privateKey);

    expect(await me(token)).toBe('token-algorithm');
  });

  test('that is no token at all is invalid, and none at all is told apart', async () => {
    for (const token of ['x', 'a.b.c', `${encode({ alg: 'EdDSA' })}.e30.`]) {
      expect(['token-invalid', 'token-key-unknown']).toContain(await me(token));
    }
    expect(await me('a.b.c')).toBe('token-invalid');
    expect(await rig.codeOf('GET', '/v1/me')).toBe('unauthenticated');
    expect(await rig.codeOf('GET', '/v1/me', { headers: { authorization: 'Basic YTpi' } })).toBe('unauthenticated');
  });

  test('in the address is not looked at', async () => {
    const { userToken } = await rig.guest();

    expect(await rig.codeOf('GET', `/v1/me?access_token=${userToken}`)).toBe('unauthenticated');
  });

  test('of an account that does not exist is revoked', async () => {
    expect(await me(await signed({ ...userClaims(), kind: 'account', sub: 'u-nobody' }))).toBe('token-revoked');
  });

  test('is asked for in the way RFC 6750 wants', async () => {
    const refusal = await rig.refused('GET', '/v1/me', { token: 'a.b.c' });

    expect(refusal.status).toBe(401);
    expect(refusal.headers.get('www-authenticate')).toBe('Bearer');
  });

  test('is never written into the log', () => {
    expect(rig.log.join('')).not.toContain('eyJ');
  });
});

describe('one token in place of another', () => {
  test('is refused everywhere', async () => {
    const { userToken } = await rig.guest();
    const { slug } = await rig.room(userToken);
    const { sessionToken } = await rig.session(userToken);
    await attach(cluster, sessionToken);
    const { roomToken } = await rig.join(sessionToken, slug);
    const { invitation } = await rig.invitation(userToken, slug);

    const wrong: [token: string, path: string][] = [
      [sessionToken, '/v1/sessions'],
      [roomToken, '/v1/sessions'],
      [invitation, '/v1/sessions'],
      [userToken, `/v1/rooms/${slug}/join`],
      [roomToken, `/v1/rooms/${slug}/join`],
      [invitation, `/v1/rooms/${slug}/join`],
    ];
    for (const [token, path] of wrong) expect(await rig.codeOf('POST', path, { token, body: {} })).toBe('token-kind');
  });
});

describe('a session token', () => {
  const join = (token: string, slug: string) => rig.codeOf('POST', `/v1/rooms/${slug}/join`, { token, body: {} });
  const sessionClaims = (change: JWTPayload): JWTPayload => ({
    iss: rig.publicUrl,
    sub: 'g-forged',
    sid: 's-forged',
    name: 'Mallory',
    aud: 'eu1',
    iat: nowS(),
    exp: nowS() + 600,
    ...change,
  });

  test('of the session of somebody else is refused', async () => {
    const { userToken, user } = await rig.guest();
    const { slug } = await rig.room(userToken);
    const victim = await rig.session(userToken);
    await attach(cluster, victim.sessionToken);
    const token = await signed(sessionClaims({ sid: victim.sessionId }), { typ: TOKEN_TYPES.session });

    expect(user.userId).not.toBe('g-forged');
    expect(await join(token, slug)).toBe('token-session');
  });

  test('that has expired is refused, also for the wrong node or before the WebSocket is there', async () => {
    const { userToken } = await rig.guest();
    const { slug } = await rig.room(userToken);
    const typ = TOKEN_TYPES.session;

    expect(await join(await signed(sessionClaims({ exp: nowS() - 10 }), { typ }), slug)).toBe('token-expired');
    expect(await join(await signed(sessionClaims({ aud: 'another-node' }), { typ }), slug)).toBe(
      'session-not-attached',
    );
    expect(await join(await signed(sessionClaims({}), { typ }), slug)).toBe('session-not-attached');
  });

  test('ends with its account: logging out everywhere keeps it out of rooms', async () => {
    const { userToken } = await rig.account('Ines');
    const { slug } = await rig.room(userToken);
    const { sessionToken } = await rig.session(userToken);
    await attach(cluster, sessionToken);
    await rig.join(sessionToken, slug);
    await rig.call('POST', '/v1/me/logout-everywhere', { token: userToken });

    expect(await join(sessionToken, slug)).toBe('token-revoked');
  });
});

describe('a room token', () => {
  interface Joined {
    lease: SessionLease;
    roomId: string;
    roomToken: string;
  }
  const joined = async (): Promise<Joined> => {
    const { userToken } = await rig.guest();
    const { slug, roomId } = await rig.room(userToken);
    const { sessionToken } = await rig.session(userToken);
    const lease = await attach(cluster, sessionToken);
    const { roomToken } = await rig.join(sessionToken, slug);
    return { lease, roomId, roomToken };
  };

  test('says who, where, in which connection and with which rights, and lives a minute', async () => {
    const { lease, roomId, roomToken } = await joined();
    const [header, payload] = roomToken
      .split('.', 2)
      .map((part): unknown => JSON.parse(Buffer.from(part, 'base64url').toString()));

    expect(header).toEqual({ alg: 'EdDSA', typ: TOKEN_TYPES.room, kid: key.kid });
    expect(payload).toMatchObject({
      iss: rig.publicUrl,
      sub: lease.userId,
      sid: lease.sessionId,
      aud: lease.nodeId,
      epoch: lease.epoch,
      room: roomId,
      grants: { publish: true, subscribe: true, chat: true, moderate: true },
    });
    const { iat, exp, jti } = payload as { iat: number; exp: number; jti: string };
    expect(exp - iat).toBe(60);
    expect(jti.length).toBeGreaterThanOrEqual(16);
  });

  test('works once: the node that burns its id a second time hears that it was replayed', async () => {
    const { lease, roomToken } = await joined();
    const claims = JSON.parse(Buffer.from(roomToken.split('.')[1] ?? '', 'base64url').toString());
    const confirm = () =>
      cluster.rooms.confirm({
        roomId: claims.room,
        sessionId: lease.sessionId,
        epoch: lease.epoch,
        tokenId: claims.jti,
        tokenTtlMs: 60_000,
        nodeId: lease.nodeId,
      });

    expect(await confirm()).toMatchObject({ confirmed: true });
    expect(await confirm()).toEqual({ confirmed: false, reason: 'token-replayed' });
  });

  test('of one room gives no place in another', async () => {
    const { lease, roomToken } = await joined();
    const other = await rig.room((await rig.guest()).userToken);
    const claims = JSON.parse(Buffer.from(roomToken.split('.')[1] ?? '', 'base64url').toString());

    expect(
      await cluster.rooms.confirm({
        roomId: other.roomId,
        sessionId: lease.sessionId,
        epoch: lease.epoch,
        tokenId: claims.jti,
        tokenTtlMs: 60_000,
        nodeId: lease.nodeId,
      }),
    ).toEqual({ confirmed: false, reason: 'place-expired' });
  });
});
