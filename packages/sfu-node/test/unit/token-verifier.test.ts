import { NodeId, TOKEN_TYPES } from '@meridian/protocol';
import { generateKeyPair, SignJWT } from 'jose';
import { beforeAll, describe, expect, test } from 'vitest';
import { TokenVerifier } from '../../src/auth/token-verifier.ts';
import { FakeClock } from '../support/fake-clock.ts';

let keys: Awaited<ReturnType<typeof generateKeyPair>>;
const clock = new FakeClock();
const nowS = Math.floor(clock.wallNow() / 1_000);

beforeAll(async () => {
  keys = await generateKeyPair('EdDSA', { crv: 'Ed25519' });
});

async function verdict({ issuedInS, expiresInS }: { issuedInS: number; expiresInS: number }): Promise<string> {
  const token = await new SignJWT({ sub: 'u1', name: 'Ann', sid: 's1' })
    .setProtectedHeader({ alg: 'EdDSA', kid: 'k', typ: TOKEN_TYPES.session })
    .setIssuer('https://meet.example.org')
    .setAudience('ams-1')
    .setIssuedAt(nowS + issuedInS)
    .setExpirationTime(nowS + expiresInS)
    .sign(keys.privateKey);
  const verifier = new TokenVerifier({
    nodeId: NodeId.parse('ams-1'),
    issuer: 'https://meet.example.org',
    findKey: async () => keys.publicKey,
    clock,
  });
  return await verifier.session(token).then(
    () => 'good',
    (error: { code: string }) => error.code,
  );
}

describe('clocks that differ', () => {
  test.each([
    { issuedInS: 0, expiresInS: 60, is: 'good' },
    // The issuer's clock is ahead.
    { issuedInS: 4, expiresInS: 60, is: 'good' },
    { issuedInS: 7, expiresInS: 60, is: 'token-not-yet-valid' },
    // It is behind.
    { issuedInS: -60, expiresInS: -4, is: 'good' },
    { issuedInS: -60, expiresInS: -6, is: 'token-expired' },
  ])('by %o are borne up to five seconds', async ({ is, ...times }) => {
    expect(await verdict(times)).toBe(is);
  });
});
