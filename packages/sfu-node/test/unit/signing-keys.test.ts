import { exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { SigningKeys } from '../../src/auth/signing-keys.ts';
import { FakeClock } from '../support/fake-clock.ts';

async function service() {
  const clock = new FakeClock();
  const keys = new Map<string, Awaited<ReturnType<typeof generateKeyPair>>>();
  const state = { reads: 0, down: false };
  const answer = async (): Promise<Response> => {
    state.reads += 1;
    if (state.down) return new Response('', { status: 503 });
    const jwks = await Promise.all(
      [...keys].map(async ([kid, { publicKey }]) => ({ ...(await exportJWK(publicKey)), kid, alg: 'EdDSA' })),
    );
    return Response.json({ keys: jwks });
  };
  const add = async (kid: string) => {
    keys.set(kid, await generateKeyPair('EdDSA', { crv: 'Ed25519' }));
  };
  const remove = (kid: string) => {
    keys.delete(kid);
  };
  const sign = async (kid: string): Promise<string> => {
    const key = keys.get(kid)?.privateKey;
    if (key === undefined) throw new Error(`no key ${kid}`);
    return await new SignJWT({}).setProtectedHeader({ alg: 'EdDSA', kid }).sign(key);
  };
  await add('first');
  const signingKeys = new SigningKeys({
    url: 'http://session-api.test/jwks',
    clock,
    fetch: answer,
    maxAgeMs: 60_000,
    cooldownMs: 5_000,
  });
  const verify = (token: string) => jwtVerify(token, signingKeys.find, { algorithms: ['EdDSA'] });
  return { clock, state, add, remove, sign, verify };
}

describe('the signing keys', () => {
  test('are read once for many tokens', async () => {
    const { state, sign, verify } = await service();
    const token = await sign('first');
    await Promise.all(Array.from({ length: 20 }, () => verify(token)));
    expect(state.reads).toBe(1);
  });

  test('that were published right after the keys were read are found at once', async () => {
    const { state, add, sign, verify } = await service();
    await verify(await sign('first'));
    await add('second');

    await verify(await sign('second'));

    expect(state.reads).toBe(2);
  });

  test('are read again for keys that are not known a few times at once, then not more often than every cooldown', async () => {
    const { clock, state, add, sign, verify } = await service();
    await verify(await sign('first'));
    await add('second');
    const made = await sign('second');
    const [, payload, signature] = made.split('.');
    const header = Buffer.from(JSON.stringify({ alg: 'EdDSA', kid: 'made-up' })).toString('base64url');
    const unknown = [header, payload, signature].join('.');

    for (let tried = 0; tried < 10; tried += 1) {
      await expect(verify(unknown)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
    }
    expect(state.reads).toBe(1 + 3);

    await clock.pass(5_000);
    await expect(verify(unknown)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
    await expect(verify(unknown)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
    expect(state.reads).toBe(1 + 3 + 1);
  });

  test('that were withdrawn are known no longer than their age allows', async () => {
    const { clock, add, remove, sign, verify } = await service();
    const token = await sign('first');
    await verify(token);
    await add('second');
    remove('first');
    await verify(token);
    await clock.pass(60_001);
    await expect(verify(token)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' });
  });

  test('go on serving while the service is down, however old', async () => {
    const { clock, state, sign, verify } = await service();
    const token = await sign('first');
    await verify(token);
    state.down = true;
    await clock.pass(3_600_000);
    await verify(token);
    await verify(token);
    expect(state.reads).toBe(2);
  });

  test('that could never be read make tokens wait for better times', async () => {
    const { state, sign, verify } = await service();
    state.down = true;
    const token = await sign('first');
    await expect(verify(token)).rejects.toMatchObject({ code: 'cluster-unavailable' });
    state.down = false;
    await verify(token);
  });
});
