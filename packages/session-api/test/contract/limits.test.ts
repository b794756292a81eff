import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Rig, startRedis } from '../rig.ts';

let redis: Awaited<ReturnType<typeof startRedis>>;
let rig: Rig;
beforeAll(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  await rig?.stop();
});
afterAll(async () => {
  await redis?.stop();
});

const start = async (env: Record<string, string>) => {
  rig = await Rig.start({ redis, env });
};
const login = (email: string, password: string, headers: Record<string, string> = {}) => ({
  body: { email, password },
  headers,
});

describe('signing in', () => {
  test('is limited per account: further tries are refused without looking at the password', async () => {
    await start({ MERIDIAN_SIGN_INS_PER_ACCOUNT: '3' });
    await rig.account('Ann');
    for (let i = 0; i < 3; i += 1) await rig.codeOf('POST', '/v1/login', login('ann@example.org', 'wrong'));
    const verifications = rig.hasher.verifications;
    const refusal = await rig.refused('POST', '/v1/login', login('ANN@example.org', 'correct horse'));

    expect(refusal).toMatchObject({ status: 429, code: 'rate-limited' });
    expect(Number(refusal.headers.get('retry-after'))).toBeGreaterThan(890);
    expect(refusal.retryAfterMs).toBeGreaterThan(890_000);
    expect(rig.hasher.verifications).toBe(verifications);
    // Other accounts are not touched, and after the window the owner gets in.
    expect(await rig.codeOf('POST', '/v1/login', login('bob@example.org', 'wrong'))).toBe('bad-credentials');
    const [key = ''] = (await redis.call('KEYS', `${rig.prefix}*:attempts`)).split('\n').filter(Boolean).sort();
    expect(Number(await redis.call('PTTL', key))).toBeLessThanOrEqual(15 * 60_000);
    // The clock of Redis cannot be moved: what it remembers for the window is taken away by hand.
    await redis.call(
      'EVAL',
      "for _, k in ipairs(redis.call('KEYS', ARGV[1])) do redis.call('DEL', k) end",
      '0',
      `${rig.prefix}*:attempts`,
    );
    rig.clock.offsetMs += 15 * 60_000;
    expect((await rig.call('POST', '/v1/login', login('ann@example.org', 'correct horse'))).status).toBe(200);
  });

  test('successfully clears the earlier mistakes', async () => {
    await start({ MERIDIAN_SIGN_INS_PER_ACCOUNT: '2' });
    await rig.account('Ann');
    for (let i = 0; i < 4; i += 1) {
      await rig.codeOf('POST', '/v1/login', login('ann@example.org', 'wrong'));
      expect((await rig.call('POST', '/v1/login', login('ann@example.org', 'correct horse'))).status).toBe(200);
    }
  });

  test('tries that come at the same time do not slip through', async () => {
    await start({ MERIDIAN_SIGN_INS_PER_ACCOUNT: '3' });
    await rig.account('Ann');
    const codes = await Promise.all(
      Array.from({ length: 12 }, () => rig.codeOf('POST', '/v1/login', login('ann@example.org', 'wrong'))),
    );

    expect(codes.filter((code) => code === 'bad-credentials')).toHaveLength(3);
    expect(codes.filter((code) => code === 'rate-limited')).toHaveLength(9);
  });

  test('is limited per address, whatever the account', async () => {
    await start({ MERIDIAN_SIGN_INS_PER_MINUTE: '4' });
    const codes = [];
    for (let i = 0; i < 6; i += 1)
      codes.push(await rig.codeOf('POST', '/v1/login', login(`u${i}@example.org`, 'wrong')));

    expect(codes).toEqual([...Array(4).fill('bad-credentials'), 'rate-limited', 'rate-limited']);
    expect(await rig.refused('POST', '/v1/login', login('u7@example.org', 'wrong'))).toMatchObject({ status: 429 });
  });

  test('stolen tokens do not help to guess the password', async () => {
    await start({ MERIDIAN_SIGN_INS_PER_ACCOUNT: '2' });
    const { userToken: token } = await rig.account('Ann');
    const guess = { token, body: { current: 'wrong', next: 'battery staple' } };
    for (let i = 0; i < 2; i += 1) await rig.codeOf('POST', '/v1/me/password', guess);

    expect(await rig.codeOf('POST', '/v1/me/password', guess)).toBe('rate-limited');
    expect(await rig.codeOf('POST', '/v1/login', login('ann@example.org', 'correct horse'))).toBe('rate-limited');
  });
});

test('registering one address over and over is limited', async () => {
  await start({ MERIDIAN_SIGN_INS_PER_ACCOUNT: '2' });
  const register = { body: { name: 'Ann', email: 'ann@example.org', password: 'correct horse' } };
  await rig.call('POST', '/v1/users', register);

  expect(await rig.codeOf('POST', '/v1/users', register)).toBe('email-taken');
  const hashes = rig.hasher.hashes;
  expect(await rig.codeOf('POST', '/v1/users', register)).toBe('rate-limited');
  expect(rig.hasher.hashes).toBe(hashes);
});

test('guests and requests in general are limited per address', async () => {
  await start({ MERIDIAN_GUESTS_PER_MINUTE: '2', MERIDIAN_REQUESTS_PER_MINUTE: '5' });
  const { userToken: token } = await rig.guest();
  await rig.guest();

  expect(await rig.codeOf('POST', '/v1/guests', { body: { name: 'x' } })).toBe('rate-limited');
  const statuses = [];
  for (let i = 0; i < 7; i += 1) statuses.push((await rig.call('GET', '/v1/me', { token })).status);
  expect(statuses.at(-1)).toBe(429);
  // Probes go on.
  expect((await rig.call('GET', '/healthz')).status).toBe(200);
});

describe('the address of a client', () => {
  const forwarded = (address: string) => ({ headers: { 'x-forwarded-for': address }, body: { name: 'x' } });

  test('is that of the connection while no proxy is trusted', async () => {
    await start({ MERIDIAN_GUESTS_PER_MINUTE: '1' });
    await rig.call('POST', '/v1/guests', forwarded('203.0.113.1'));

    expect(await rig.codeOf('POST', '/v1/guests', forwarded('203.0.113.2'))).toBe('rate-limited');
  });

  test('is what a trusted proxy says', async () => {
    await start({ MERIDIAN_GUESTS_PER_MINUTE: '1', MERIDIAN_TRUST_PROXY: 'loopback' });

    expect((await rig.call('POST', '/v1/guests', forwarded('203.0.113.1'))).status).toBe(201);
    expect((await rig.call('POST', '/v1/guests', forwarded('203.0.113.2'))).status).toBe(201);
    expect(await rig.codeOf('POST', '/v1/guests', forwarded('203.0.113.2'))).toBe('rate-limited');
    // What a client put in front itself is not believed: the last untrusted hop counts.
    expect(await rig.codeOf('POST', '/v1/guests', forwarded('198.51.100.9, 203.0.113.2'))).toBe('rate-limited');
  });

  test('is not what somebody else says', async () => {
    await start({ MERIDIAN_GUESTS_PER_MINUTE: '1', MERIDIAN_TRUST_PROXY: '10.0.0.0/8' });
    await rig.call('POST', '/v1/guests', forwarded('203.0.113.1'));

    expect(await rig.codeOf('POST', '/v1/guests', forwarded('203.0.113.2'))).toBe('rate-limited');
  });
});
