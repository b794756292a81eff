import { UserTokenReply, UserView } from '@meridian/protocol';
import { openStore } from '@meridian/store';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Rig, startRedis } from '../rig.ts';

let redis: Awaited<ReturnType<typeof startRedis>>;
let rig: Rig;
beforeAll(async () => {
  redis = await startRedis();
  rig = await Rig.start({ redis, env: { MERIDIAN_SIGN_INS_PER_MINUTE: '1000' } });
});
afterAll(async () => {
  await rig?.stop();
  await redis?.stop();
});

const login = (email: string, password: string) => ({ body: { email, password } });

describe('accounts', () => {
  test('are registered and signed in to, in any letter case of the address', async () => {
    const { user, userToken } = await rig.account('Ada', 'Ada@Example.org');

    expect(user).toEqual({ userId: user.userId, kind: 'account', name: 'Ada', email: 'Ada@Example.org' });
    expect(await rig.ok(UserView, 'GET', '/v1/me', { token: userToken })).toEqual(user);
    const again = await rig.ok(UserTokenReply, 'POST', '/v1/login', login('ADA@example.ORG', 'correct horse'));
    expect(again.user).toEqual(user);
  });

  test('have one address each, in any letter case', async () => {
    await rig.account('Bea', 'bea@example.org');

    expect(
      await rig.refused('POST', '/v1/users', {
        body: { name: 'B', email: 'BEA@example.org', password: 'long enough' },
      }),
    ).toMatchObject({ status: 409, code: 'email-taken' });
  });

  test('want a password of at least eight characters and a real address', async () => {
    const refusal = await rig.refused('POST', '/v1/users', { body: { name: ' ', email: 'nobody', password: 'short' } });

    expect(refusal).toMatchObject({ status: 400, code: 'bad-request' });
    expect(JSON.stringify(refusal.details)).toContain('"path":"password"');
    expect(JSON.stringify(refusal)).not.toContain('short"');
  });

  test('keep the password as a hash and write it nowhere', async () => {
    await rig.account('Cyd', 'cyd@example.org', 'my very own secret');
    await rig.call('POST', '/v1/login', login('cyd@example.org', 'my very own secret, mistyped'));

    expect(rig.log.join('')).not.toContain('my very own secret');
  });

  test('whose hash has other parameters than today are hashed anew when their owner signs in', async () => {
    const { user } = await rig.account('Cat', 'cat@example.org');
    const store = await openStore(`sqlite:${rig.dir}/meridian.sqlite`);
    try {
      const today = (await store.users.find(user.userId))?.passwordHash ?? '';
      const weaker = today.replace('m=19456', 'm=4096');
      await store.users.rehash(user.userId, today, weaker);

      await rig.codeOf('POST', '/v1/login', login('cat@example.org', 'wrong password'));
      expect((await store.users.find(user.userId))?.passwordHash).toBe(weaker);
      const { userToken } = await rig.ok(
        UserTokenReply,
        'POST',
        '/v1/login',
        login('cat@example.org', 'correct horse'),
      );
      expect((await store.users.find(user.userId))?.passwordHash).toBe(today);
      // Not a change of the password: tokens stay valid.
      await rig.ok(UserView, 'GET', '/v1/me', { token: userToken });
    } finally {
      await store.close();
    }
  });

  test('give the same answer to a wrong password and to an unknown account, at the same cost', async () => {
    await rig.account('Dan', 'dan@example.org');
    const cost = async (email: string) => {
      const before = { ...rig.hasher };
      const { status, body } = await rig.call('POST', '/v1/login', login(email, 'wrong password'));
      return {
        answer: { status, body },
        verifications: rig.hasher.verifications - before.verifications,
        hashes: rig.hasher.hashes - before.hashes,
      };
    };
    const wrongPassword = await cost('dan@example.org');
    const unknownAccount = await cost('nobody@example.org');

    expect(wrongPassword).toEqual(unknownAccount);
    expect(wrongPassword).toMatchObject({
      answer: { status: 401, body: { error: { code: 'bad-credentials' } } },
      verifications: 1,
      hashes: 0,
    });
  });
});

describe('a display name', () => {
  test('is changed with a new token in the answer', async () => {
    const { userToken } = await rig.account('Eve', 'eve@example.org');
    const renamed = await rig.ok(UserTokenReply, 'PATCH', '/v1/me', { token: userToken, body: { name: 'Eva' } });

    expect(renamed.user.name).toBe('Eva');
    // The older token speaks for the same account, and so says the new name.
    expect(await rig.ok(UserView, 'GET', '/v1/me', { token: userToken })).toMatchObject({ name: 'Eva' });
  });

  test('of a guest stands in the token alone', async () => {
    const { userToken, user } = await rig.guest('Gus');
    const renamed = await rig.ok(UserTokenReply, 'PATCH', '/v1/me', { token: userToken, body: { name: 'Gustav' } });

    expect(user).toEqual({ userId: user.userId, kind: 'guest', name: 'Gus' });
    expect(renamed.user).toEqual({ ...user, name: 'Gustav' });
    expect(await rig.ok(UserView, 'GET', '/v1/me', { token: renamed.userToken })).toEqual(renamed.user);
  });

  test('holds no control characters', async () => {
    expect(await rig.codeOf('POST', '/v1/guests', { body: { name: 'a\u202eb' } })).toBe('bad-request');
  });
});

describe('ending tokens', () => {
  test('a changed password ends every older token and lets only the new password in', async () => {
    const { userToken } = await rig.account('Fay', 'fay@example.org');
    const changed = await rig.ok(UserTokenReply, 'POST', '/v1/me/password', {
      token: userToken,
      body: { current: 'correct horse', next: 'battery staple' },
    });

    expect(await rig.codeOf('GET', '/v1/me', { token: userToken })).toBe('token-revoked');
    await rig.ok(UserView, 'GET', '/v1/me', { token: changed.userToken });
    expect(await rig.codeOf('POST', '/v1/login', login('fay@example.org', 'correct horse'))).toBe('bad-credentials');
    await rig.ok(UserTokenReply, 'POST', '/v1/login', login('fay@example.org', 'battery staple'));
  });

  test('a password is not changed without the current one', async () => {
    const { userToken } = await rig.account('Gil', 'gil@example.org');
    const change = { token: userToken, body: { current: 'guessed', next: 'battery staple' } };

    expect(await rig.codeOf('POST', '/v1/me/password', change)).toBe('bad-credentials');
    await rig.ok(UserView, 'GET', '/v1/me', { token: userToken });
  });

  test('logging out everywhere ends every token, this one too', async () => {
    const { userToken } = await rig.account('Hal', 'hal@example.org');
    const other = await rig.ok(UserTokenReply, 'POST', '/v1/login', login('hal@example.org', 'correct horse'));

    expect((await rig.call('POST', '/v1/me/logout-everywhere', { token: userToken })).status).toBe(204);
    expect(await rig.codeOf('GET', '/v1/me', { token: userToken })).toBe('token-revoked');
    expect(await rig.codeOf('GET', '/v1/me', { token: other.userToken })).toBe('token-revoked');
    await rig.ok(UserTokenReply, 'POST', '/v1/login', login('hal@example.org', 'correct horse'));
  });

  test('guests have neither a password nor anything to log out of', async () => {
    const { userToken: token } = await rig.guest();
    const change = { token, body: { current: 'anything', next: 'anything else' } };

    expect(await rig.refused('POST', '/v1/me/password', change)).toMatchObject({ status: 403, code: 'forbidden' });
    expect(await rig.codeOf('POST', '/v1/me/logout-everywhere', { token })).toBe('forbidden');
  });
});
