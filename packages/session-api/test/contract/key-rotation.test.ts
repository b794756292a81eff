import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually } from '@meridian/harness';
import { UserView } from '@meridian/protocol';
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { Rig, startRedis } from '../rig.ts';

const run = promisify(execFile);
const command = fileURLToPath(new URL('../../src/rotate-keys.ts', import.meta.url));

let redis: Awaited<ReturnType<typeof startRedis>>;
let one: Rig;
let two: Rig;
beforeAll(async () => {
  redis = await startRedis();
  one = await Rig.start({ redis });
  two = await Rig.start({ redis, beside: one });
});
afterAll(async () => {
  await two?.api.close();
  await one?.stop();
  await redis?.stop();
});

const Jwks = z.object({ keys: z.array(z.looseObject({ kid: z.string() })) });
const jwks = (rig: Rig) => rig.ok(Jwks, 'GET', '/.well-known/jwks.json');
const kidsOf = async (rig: Rig) => (await jwks(rig)).keys.map(({ kid }) => kid);
const kidOf = (token: string) => decodeProtectedHeader(token).kid;
const rotate = async (...args: string[]) => {
  const { stdout } = await run(process.execPath, ['--disable-warning=ExperimentalWarning', command, ...args], {
    env: { MERIDIAN_KEYS_DIR: `${one.dir}/keys`, MERIDIAN_KEY_PUBLISH_AHEAD_S: '900', MERIDIAN_KEYS_REFRESH_MS: '50' },
  });
  return /new key (\S+),/.exec(stdout)?.[1] ?? '';
};

test('instances that share a folder accept each other, and anybody can check tokens by the JWKS', async () => {
  const { userToken } = await one.guest();

  expect(await kidsOf(two)).toEqual(await kidsOf(one));
  await two.ok(UserView, 'GET', '/v1/me', { token: userToken });
  const keys: JSONWebKeySet = z.custom<JSONWebKeySet>().parse(await jwks(one));
  const { payload } = await jwtVerify(userToken, createLocalJWKSet(keys), { algorithms: ['EdDSA'] });
  expect(payload.name).toBe('Guest');
});

test('a new key is published before it signs; running instances follow, older tokens stay valid', async () => {
  const before = await one.guest();
  const old = kidOf(before.userToken);
  const created = await rotate();

  for (const rig of [one, two]) {
    await eventually('the new key is published', async () => (await kidsOf(rig)).includes(created));
    expect(kidOf((await rig.guest()).userToken)).toBe(old);
  }
  for (const rig of [one, two]) rig.clock.offsetMs += 901_000;
  const after = await one.guest();
  expect(kidOf(after.userToken)).toBe(created);
  expect(await kidsOf(two)).toEqual([old, created]);
  for (const rig of [one, two]) {
    await rig.ok(UserView, 'GET', '/v1/me', { token: before.userToken });
    await rig.ok(UserView, 'GET', '/v1/me', { token: after.userToken });
  }
});

test('a key that leaked is revoked: the next one signs at once, what it signed is refused', async () => {
  const { userToken } = await one.guest();
  const leaked = kidOf(userToken) ?? '';
  const others = (await kidsOf(one)).filter((kid) => kid !== leaked);
  await rotate('--now', ...[leaked, ...others].flatMap((kid) => ['--revoke', kid]));

  await eventually('the leaked key is gone', async () => !(await kidsOf(one)).includes(leaked));
  expect(await one.codeOf('GET', '/v1/me', { token: userToken })).toBe('token-key-unknown');
  await one.ok(UserView, 'GET', '/v1/me', { token: (await one.guest()).userToken });
});

test('the command explains itself and refuses an unknown key', async () => {
  const { stdout } = await run(process.execPath, [command, '--help']);

  expect(stdout).toContain('usage:');
  await expect(rotate('--revoke', 'no-such-key')).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('no-such-key'),
  });
  await expect(rotate('--unknown')).rejects.toMatchObject({ code: 2 });
});
