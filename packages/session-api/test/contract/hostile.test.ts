import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RedisProcess, startRedis } from '@meridian/harness';
import { ErrorReply, type UserTokenReply } from '@meridian/protocol';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, aNodeRecord, attach, Rig } from '../rig.ts';

const PAGE = '<!doctype html><title>the page</title>';

let redis: RedisProcess;
let rig: Rig;
let cluster: Awaited<ReturnType<Rig['cluster']>>;
let user: UserTokenReply;
let account: UserTokenReply;
let sessionToken: string;
let webDir: string;

beforeAll(async () => {
  redis = await startRedis();
  webDir = join(await mkTemp(), 'web');
  await mkdir(webDir);
  await writeFile(join(webDir, 'index.html'), PAGE);
  rig = await Rig.start({
    redis,
    env: {
      MERIDIAN_WEB_DIR: webDir,
      MERIDIAN_TRUST_PROXY: 'loopback',
      ...Object.fromEntries(
        [
          'REQUESTS_PER_MINUTE',
          'GUESTS_PER_MINUTE',
          'SIGN_INS_PER_MINUTE',
          'ROOMS_PER_MINUTE',
          'SESSIONS_PER_MINUTE',
          'JOINS_PER_MINUTE',
          'ROOMS_PER_USER',
        ].map((name) => [`MERIDIAN_${name}`, name === 'ROOMS_PER_USER' ? '1000' : '1000000']),
      ),
    },
  });
  cluster = await rig.cluster();
  await cluster.announce(aNodeRecord('eu1'));
  user = await rig.guest('Hostile');
  account = await rig.account('Ann');
  ({ sessionToken } = await rig.session(user.userToken));
  await attach(cluster, sessionToken);
});
afterAll(async () => {
  await rig?.stop();
  await redis?.stop();
});

async function mkTemp(): Promise<string> {
  const { mkdtemp } = await import('node:fs/promises');
  const { tmpdir } = await import('node:os');
  return await mkdtemp(join(tmpdir(), 'meridian-hostile-'));
}

/** What breaks out of things: hash tags and names of keys, lines of logs, labels, HTML, SQL, paths, JSON, numbers. */
const CLASSICS = [
  'x}:{nodes}:index',
  '{r:*}:participants',
  'a:b:c',
  '../../etc/passwd',
  '%2e%2e%2f',
  'line\nfeed {"level":60,"msg":"forged"}',
  'carriage\r\nset-cookie: a=b',
  '\u001b[2J\u001b[31mred',
  '"} 1\nmeridian_forged{x="',
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' OR 1=1 --",
  '{"$gt":""}',
  '__proto__',
  'constructor',
  '\u202egnp.exe',
  '\ud800',
  '\u0000',
  'x'.repeat(600),
  '-1',
  'NaN',
  '*',
  '',
];
const hostile = fc.oneof(
  fc.constantFrom(...CLASSICS),
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({ unit: 'grapheme-composite', maxLength: 80 }),
);

type Place = (text: string) => Promise<Answer>;
const path = (text: string) => encodeURIComponent(text.toWellFormed());
const post = (url: string, body: unknown, token = user.userToken) => rig.call('POST', url, { token, body });
/** Headers cannot hold everything: what is left of the text. */
const header = (text: string) => text.replace(/[^\x20-\x7e]/g, '').trim() || 'x';

/** Every place of the API that takes a text. */
const PLACES: Record<string, Place> = {
  'guest name': (text) => post('/v1/guests', { name: text }),
  'account': (text) => post('/v1/users', { name: text, email: `${text}@example.org`, password: text }),
  'login': (text) => post('/v1/login', { email: text, password: text }),
  'new name': (text) => rig.call('PATCH', '/v1/me', { token: account.userToken, body: { name: text } }),
  'password': (text) => post('/v1/me/password', { current: text, next: text }, account.userToken),
  'room': (text) => post('/v1/rooms', { slug: text, title: text, visibility: text }),
  'room title': (text) => post('/v1/rooms', { title: text }),
  'room path': (text) => rig.call('GET', `/v1/rooms/${path(text)}`, { token: user.userToken }),
  'room change': (text) =>
    rig.call('PATCH', `/v1/rooms/${path(text)}`, { token: user.userToken, body: { title: text } }),
  'room end': (text) => rig.call('DELETE', `/v1/rooms/${path(text)}`, { token: user.userToken }),
  'member': (text) => rig.call('DELETE', `/v1/rooms/some-room/members/${path(text)}`, { token: user.userToken }),
  'invitation': (text) => post(`/v1/rooms/${path(text)}/members`, { invitation: text }),
  'revocation': (text) =>
    rig.call('DELETE', `/v1/rooms/some-room/invitations/${path(text)}`, { token: user.userToken }),
  'history': (text) => rig.call('GET', `/v1/rooms/some-room/messages?before=${path(text)}`, { token: user.userToken }),
  'join': (text) => rig.call('POST', `/v1/rooms/${path(text)}/join`, { token: sessionToken, body: {} }),
  'session': (text) => post('/v1/sessions', { room: text, region: text, avoid: [text], previousSessionToken: text }),
  'former session': (text) => post('/v1/sessions', { previousSessionToken: text }),
  'place': (text) => rig.call('GET', `/v1/nodes?lat=${path(text)}&lon=${path(text)}`),
  'token': (text) => rig.call('GET', '/v1/me', { headers: { authorization: `Bearer ${header(text)}` } }),
  'address': (text) => rig.call('GET', '/v1/nodes', { headers: { 'x-forwarded-for': header(text) } }),
  'headers': (text) =>
    rig.call('GET', '/v1/nodes', {
      headers: { 'user-agent': header(text), 'cookie': header(text), 'origin': header(text) },
    }),
  'unknown address': (text) => rig.call('GET', `/v1/${path(text)}/${path(text)}?${path(text)}=${path(text)}`),
  'body': (text) => rig.call('POST', '/v1/guests', { body: text, headers: { 'content-type': 'application/json' } }),
  'page': (text) => rig.call('GET', `/r/${path(text)}?${path(text)}#x`, { headers: { accept: 'text/html' } }),
};

/** Names of all time series, values and buckets left out. */
async function series(): Promise<Set<string>> {
  const { body } = await rig.call('GET', '/metrics');
  const lines = String(body)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && !line.includes('_bucket{'));
  return new Set(lines.map((line) => line.slice(0, line.lastIndexOf(' '))));
}

describe('texts of users, in every place of the API', () => {
  test('are answered in the usual form, and nothing of them is run, set or shown as a page', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(PLACES)), hostile, async (place, text) => {
        const answer = await PLACES[place]?.(text);
        if (answer === undefined) throw new Error(`no ${place}`);
        expect(answer.status, `${place}: ${JSON.stringify(answer.body)}`).toBeLessThan(500);
        expect(answer.headers.get('set-cookie')).toBeNull();
        expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
        expect(answer.headers.get('content-security-policy')).toMatch(/script-src 'self'|default-src 'none'/);
        const type = answer.headers.get('content-type') ?? '';
        // The only page there is is the file itself.
        if (type.includes('html')) expect(answer.body).toBe(PAGE);
        else if (answer.status >= 400) expect(ErrorReply.safeParse(answer.body).success).toBe(true);
      }),
      {
        numRuns: 900,
        examples: Object.keys(PLACES).flatMap((place) => CLASSICS.map((text): [string, string] => [place, text])),
      },
    );
  });

  test('reach Redis keys only as ids and slugs that hold letters, digits, "-" and "_"', async () => {
    const keys = (await redis.call('KEYS', '*')).split('\n').filter((key) => key !== '');
    expect(keys.length).toBeGreaterThan(5);
    for (const key of keys) {
      expect(key.startsWith(rig.prefix)).toBe(true);
      expect(key.slice(rig.prefix.length)).toMatch(/^:?\{[a-z]+(:[A-Za-z0-9_-]+)?\}:[a-z-]+(:[A-Za-z0-9_-]+)?$/);
    }
  });

  test('reach no label of a metric: more of them make no more series', async () => {
    const before = await series();
    for (const name of before) {
      expect(name).toMatch(/^meridian_[a-z0-9_]+(\{([a-z_]+="[^"\\\n]{0,60}",?)*\})?$/);
      expect(name).not.toMatch(/script|passwd|forged|OR 1=1|\{nodes\}/);
    }
    for (const [place, send] of Object.entries(PLACES)) {
      for (let i = 0; i < 3; i += 1) await send(`${place} number ${i}`);
    }
    // Error codes and statuses that had not been seen yet may appear; a label made of a text would add one each.
    const added = [...(await series())].filter((name) => !before.has(name));
    for (const name of added) expect(name).not.toContain('number');
    expect(added.length).toBeLessThan(60);
  });

  test('reach the log as part of one JSON line each, without control characters', () => {
    expect(rig.log.length).toBeGreaterThan(1_000);
    for (const line of rig.log) {
      expect(line.endsWith('\n')).toBe(true);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f]/);
      const { msg } = JSON.parse(line);
      expect(msg).not.toBe('forged');
    }
  });

  test('and tokens never reach it', () => {
    const text = rig.log.join('');
    for (const token of [user.userToken, account.userToken, sessionToken]) expect(text).not.toContain(token);
  });
});

describe('forging requests across sites', () => {
  test('is of no use: no cookie is set, and none is read', async () => {
    const page = { origin: 'https://evil.example.org', cookie: `token=${user.userToken}; session=${sessionToken}` };
    for (const [method, url] of [
      ['GET', '/v1/me'],
      ['POST', '/v1/rooms'],
      ['POST', '/v1/me/logout-everywhere'],
      ['POST', '/v1/sessions'],
    ] as const) {
      const { status, headers, body } = await rig.call(method, url, {
        headers: page,
        ...(method === 'POST' ? { body: {} } : {}),
      });
      expect([status, body]).toMatchObject([401, { error: { code: 'unauthenticated' } }]);
      expect(headers.get('set-cookie')).toBeNull();
      expect(headers.get('access-control-allow-origin')).toBeNull();
      expect(headers.get('access-control-allow-credentials')).toBeNull();
    }
  });

  test('forms of other pages are refused: only JSON is taken, which they cannot send unasked', async () => {
    for (const type of ['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/plain']) {
      const headers = { 'content-type': type, 'authorization': `Bearer ${user.userToken}` };
      const { status } = await rig.call('POST', '/v1/rooms', { headers, body: 'title=x' });
      expect(status).toBe(415);
    }
  });
});
