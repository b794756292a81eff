import { connect } from 'node:net';
import { eventually, type RedisProcess } from '@meridian/harness';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { aNodeRecord, attach, Rig, startRedis } from '../rig.ts';

let redis: RedisProcess;
const rigs: Rig[] = [];
beforeEach(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  redis.thaw();
  for (const rig of rigs.splice(0).reverse()) await rig.stop();
  await redis.stop();
});

const start = async (env: Record<string, string>, beside?: Rig): Promise<Rig> => {
  const rig = await Rig.start({ redis, env, ...(beside === undefined ? {} : { beside }) });
  rigs.push(rig);
  return rig;
};
const guest = (rig: Rig) => rig.call('POST', '/v1/guests', { body: { name: 'x' } });
const login = (rig: Rig) => rig.call('POST', '/v1/login', { body: { email: 'ann@example.org', password: 'wrong' } });

describe('two instances of the service', () => {
  test('share what an address may do', async () => {
    const env = { MERIDIAN_GUESTS_PER_MINUTE: '6' };
    const one = await start(env);
    const two = await start(env, one);
    const statuses = [];
    for (let i = 0; i < 5; i += 1) statuses.push((await guest(one)).status, (await guest(two)).status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(6);
    expect(statuses.filter((status) => status === 429)).toHaveLength(4);
  });

  test('share failed attempts on an account', async () => {
    const env = { MERIDIAN_SIGN_INS_PER_ACCOUNT: '3' };
    const one = await start(env);
    const two = await start(env, one);
    await one.account('Ann');
    const statuses = [];
    for (let i = 0; i < 3; i += 1) statuses.push((await login(one)).status, (await login(two)).status);
    expect(statuses).toEqual([401, 401, 401, 429, 429, 429]);
  });

  test('count each for itself while Redis is away', async () => {
    const env = { MERIDIAN_GUESTS_PER_MINUTE: '3', MERIDIAN_SIGN_INS_PER_ACCOUNT: '2' };
    const rig = await start(env);
    await rig.account('Ann');
    await redis.kill();
    await eventually('the service knows', async () => (await rig.call('GET', '/readyz')).status === 503);
    const guests = [];
    for (let i = 0; i < 5; i += 1) guests.push((await guest(rig)).status);
    expect(guests).toEqual([201, 201, 201, 429, 429]);
    const logins = [];
    for (let i = 0; i < 4; i += 1) logins.push((await login(rig)).status);
    expect(logins).toEqual([401, 401, 429, 429]);
    await redis.startAgain();
  });
});

describe('one user', () => {
  test('owns a bounded number of rooms', async () => {
    const rig = await start({ MERIDIAN_ROOMS_PER_USER: '2' });
    const { userToken: token } = await rig.guest();
    const { slug } = await rig.room(token);
    await rig.room(token);
    expect(await rig.refused('POST', '/v1/rooms', { token, body: {} })).toMatchObject({
      status: 409,
      code: 'too-many-rooms',
    });
    await rig.call('DELETE', `/v1/rooms/${slug}`, { token });
    await rig.room(token);
  });

  test('creates, asks for sessions and joins so often, others are not concerned', async () => {
    const rig = await start({
      MERIDIAN_JOINS_PER_MINUTE: '3',
      MERIDIAN_SESSIONS_PER_MINUTE: '2',
      MERIDIAN_ROOMS_PER_MINUTE: '2',
    });
    const cluster = await rig.cluster();
    await cluster.announce(aNodeRecord('eu1'));
    const { userToken: token } = await rig.guest();
    const { slug } = await rig.room(token);
    await rig.room(token);
    expect(await rig.codeOf('POST', '/v1/rooms', { token, body: {} })).toBe('rate-limited');

    const { sessionToken } = await eventually('a node is there', () => rig.session(token));
    await attach(cluster, sessionToken);
    for (let i = 0; i < 3; i += 1) await rig.join(sessionToken, slug);
    const refused = await rig.refused('POST', `/v1/rooms/${slug}/join`, { token: sessionToken, body: {} });
    expect(refused).toMatchObject({ status: 429, code: 'rate-limited' });
    expect(refused.retryAfterMs).toBeGreaterThan(0);
    await eventually('no further session', async () => {
      return (await rig.call('POST', '/v1/sessions', { token, body: {} })).status === 429;
    });
    const other = await rig.session((await rig.guest()).userToken);
    await attach(cluster, other.sessionToken);
    await rig.join(other.sessionToken, slug);
  });
});

describe('bodies and requests', () => {
  test('that are too large are refused', async () => {
    const rig = await start({});
    const body = { name: 'x'.repeat(40_000) };
    expect(await rig.refused('POST', '/v1/guests', { body })).toMatchObject({ status: 413, code: 'payload-too-large' });
  });

  test.each([
    ['say nothing', ''],
    ['never finish their head', 'GET /v1/nodes HTTP/1.1\r\nhost: x\r\n'],
    [
      'never finish their body',
      'POST /v1/guests HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{',
    ],
  ])('that %s are told so and cut, though a byte comes now and then', async (_what, head) => {
    const rig = await start({ MERIDIAN_REQUEST_TIMEOUT_MS: '400' });
    const socket = connect(rig.api.port, '127.0.0.1');
    socket.on('error', () => {});
    const closed = new Promise((resolve) => socket.on('close', resolve));
    let answer = '';
    socket.on('data', (data) => {
      answer += data.toString();
    });
    if (head !== '') socket.write(head);
    const dribble = setInterval(() => head !== '' && socket.write(head.endsWith('{') ? ' ' : 'x-a: b\r\n'), 50);
    await closed;
    clearInterval(dribble);
    expect(answer).toMatch(/^HTTP\/1\.1 504 [\s\S]*"code":"deadline-exceeded"/);
    expect((await rig.call('GET', '/healthz')).status).toBe(200);
  });
});

test('an instance that closes with requests under way is gone when they are answered', async () => {
  const rig = await start({});
  const answers = Promise.allSettled(Array.from({ length: 30 }, () => guest(rig)));
  await rig.api.close();
  await answers;
});
