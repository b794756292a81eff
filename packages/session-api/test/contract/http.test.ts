import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ERRORS } from '@meridian/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { Rig, startRedis } from '../rig.ts';

let redis: Awaited<ReturnType<typeof startRedis>>;
let rig: Rig;
let webDir: string;
beforeAll(async () => {
  webDir = await mkdtemp(join(tmpdir(), 'meridian-web-'));
  await mkdir(join(webDir, 'assets'));
  await writeFile(join(webDir, 'index.html'), '<!doctype html><title>Meridian</title>');
  await writeFile(join(webDir, 'favicon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  await writeFile(join(webDir, 'assets', 'index-abc123.js'), 'export {};');
  redis = await startRedis();
  rig = await Rig.start({ redis, env: { MERIDIAN_WEB_DIR: webDir } });
});
afterAll(async () => {
  await rig?.stop();
  await redis?.stop();
  await rm(webDir, { recursive: true, force: true });
});

describe('errors', () => {
  test('have one form: code, sentence, status of the table', async () => {
    const { userToken: token } = await rig.guest();
    const cases: [status: number, code: string, method: string, path: string, options?: object][] = [
      [404, 'not-found', 'GET', '/v1/nothing'],
      [404, 'not-found', 'GET', '/nothing'],
      [405, 'method-not-allowed', 'PUT', '/v1/rooms'],
      [405, 'method-not-allowed', 'DELETE', '/v1/rooms/some-room/join'],
      [400, 'bad-request', 'POST', '/v1/guests', { body: '{"name":' }],
      [400, 'bad-request', 'POST', '/v1/guests', { body: '' }],
      [400, 'bad-request', 'POST', '/v1/guests', { body: { name: 7 } }],
      [
        415,
        'unsupported-media-type',
        'POST',
        '/v1/guests',
        { body: 'name=x', headers: { 'content-type': 'text/plain' } },
      ],
      [415, 'unsupported-media-type', 'POST', '/v1/guests', { body: '{}', headers: { 'content-type': 'json' } }],
      [415, 'unsupported-media-type', 'POST', '/v1/guests', { body: '<a/>', headers: { 'content-type': 'text/xml' } }],
      [400, 'bad-request', 'POST', '/v1/guests', { body: '{"name":"x","__proto__":{"a":1}}' }],
      [400, 'bad-request', 'GET', '/v1/rooms/NOT%20A%20SLUG', { token }],
      [400, 'bad-request', 'GET', '/v1/%E0%A4%A'],
      [413, 'payload-too-large', 'POST', '/v1/guests', { body: { name: 'x'.repeat(40_000) } }],
    ];
    for (const [status, code, method, path, options] of cases) {
      const refusal = await rig.refused(method, path, options);
      expect({ path, status: refusal.status, code: refusal.code }).toEqual({ path, status, code });
      expect(refusal.status).toBe(ERRORS[refusal.code].status);
      expect(refusal.message).not.toBe('');
    }
  });

  test('of a wrong method name the right ones', async () => {
    const { headers } = await rig.refused('PUT', '/v1/rooms');

    expect(headers.get('allow')).toBe('GET, HEAD, POST');
  });

  test('answer even what is no HTTP at all', async () => {
    const { port } = rig.api;
    const answer = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () => socket.write('GARBAGE\r\n\r\n'));
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      socket.on('end', () => resolve(text));
      socket.on('error', reject);
    });

    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({ error: { code: 'bad-request' } });
  });
});

describe('headers', () => {
  test('keep pages to their own scripts, let them reach the nodes, and allow camera and microphone to them alone', async () => {
    const { headers } = await rig.call('GET', '/');
    const policy = headers.get('content-security-policy') ?? '';

    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("connect-src 'self' https: wss:");
    expect(policy).not.toContain('unsafe');
    expect(policy).toContain("frame-ancestors 'none'");
    expect(headers.get('permissions-policy')).toContain('camera=(self), microphone=(self), display-capture=(self)');
    expect(headers.get('strict-transport-security')).toContain('max-age=31536000');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('referrer-policy')).toBe('no-referrer');
  });

  test('without TLS allow ws: and ask for no upgrade', async () => {
    const plain = await Rig.start({ redis, env: { MERIDIAN_PUBLIC_URL: 'http://localhost:7080' } });
    try {
      const { headers } = await plain.call('GET', '/healthz');

      expect(headers.get('content-security-policy')).toContain('ws:');
      expect(headers.get('content-security-policy')).not.toContain('upgrade-insecure-requests');
      expect(headers.get('strict-transport-security')).toBeNull();
    } finally {
      await plain.stop();
    }
  });

  test('can name the nodes instead of allowing any address', async () => {
    const named = await Rig.start({ redis, env: { MERIDIAN_CONNECT_SOURCES: 'wss://*.nodes.example.org' } });
    try {
      const policy = (await named.call('GET', '/healthz')).headers.get('content-security-policy');

      expect(policy).toMatch(/connect-src 'self' wss:\/\/\*\.nodes\.example\.org(;|$)/);
    } finally {
      await named.stop();
    }
  });

  test('keep answers of the API out of caches', async () => {
    const { headers } = await rig.call('POST', '/v1/guests', { body: { name: 'x' } });

    expect(headers.get('cache-control')).toBe('no-store');
  });

  test('let pages of other origins in only where that is configured', async () => {
    const preflight = (of: Rig, origin: string) =>
      of.call('OPTIONS', '/v1/guests', {
        headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' },
      });
    const shared = await Rig.start({ redis, env: { MERIDIAN_CORS_ORIGINS: 'https://app.example.org' } });
    try {
      const allowed = await preflight(shared, 'https://app.example.org');
      const foreign = await preflight(shared, 'https://evil.example.org');
      const none = await preflight(rig, 'https://app.example.org');

      expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example.org');
      expect(allowed.headers.get('access-control-allow-headers')).toContain('authorization');
      expect(foreign.headers.get('access-control-allow-origin')).not.toBe('https://evil.example.org');
      expect(none.headers.get('access-control-allow-origin')).toBeNull();
    } finally {
      await shared.stop();
    }
  });
});

describe('the web app', () => {
  test('is served at its own addresses, asked for anew each time', async () => {
    for (const path of ['/', '/r/weekly', '/r/weekly/']) {
      const { status, headers, body } = await rig.call('GET', path);
      expect({ path, status, type: headers.get('content-type') }).toEqual({
        path,
        status: 200,
        type: 'text/html; charset=utf-8',
      });
      expect(headers.get('cache-control')).toBe('no-cache');
      expect(body).toContain('<title>Meridian</title>');
    }
  });

  test('may keep its hashed files for ever', async () => {
    const asset = await rig.call('GET', '/assets/index-abc123.js');

    expect(asset.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(asset.headers.get('content-type')).toContain('javascript');
    expect((await rig.call('GET', '/favicon.svg')).headers.get('cache-control')).toBe('no-cache');
  });

  test('leaves everything else where it is', async () => {
    expect(await rig.codeOf('GET', '/assets/missing.js')).toBe('not-found');
    expect(await rig.codeOf('GET', '/../package.json')).toBe('not-found');
    expect((await rig.call('GET', '/assets/%2e%2e/%2e%2e/package.json')).status).toBeGreaterThanOrEqual(400);
    expect(await rig.codeOf('POST', '/')).toBe('method-not-allowed');
  });

  test('answers people who mistype an address, with the right status; programs get the error', async () => {
    const page = await rig.call('GET', '/room/weekly', { headers: { accept: 'text/html,*/*' } });

    expect(page.status).toBe(404);
    expect(page.body).toContain('<title>Meridian</title>');
    expect(await rig.codeOf('GET', '/v1/nothing', { headers: { accept: 'text/html,*/*' } })).toBe('not-found');
    expect(await rig.codeOf('GET', '/room/weekly')).toBe('not-found');
  });

  test('that was not built stops the boot with a sentence', async () => {
    await expect(Rig.start({ redis, env: { MERIDIAN_WEB_DIR: join(webDir, 'assets') } })).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('build the web app'),
    });
  });
});

const OpenApi = z.object({
  openapi: z.string(),
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.looseObject({
        summary: z.string().optional(),
        security: z.array(z.unknown()).optional(),
        responses: z.record(z.string(), z.unknown()),
      }),
    ),
  ),
  components: z.object({
    schemas: z.record(z.string(), z.unknown()),
    securitySchemes: z.record(z.string(), z.unknown()),
  }),
});

describe('the OpenAPI document', () => {
  const ENDPOINTS = [
    'POST /v1/users',
    'POST /v1/login',
    'POST /v1/guests',
    'GET /v1/me',
    'PATCH /v1/me',
    'POST /v1/me/password',
    'POST /v1/me/logout-everywhere',
    'POST /v1/rooms',
    'GET /v1/rooms',
    'GET /v1/rooms/{slug}',
    'PATCH /v1/rooms/{slug}',
    'DELETE /v1/rooms/{slug}',
    'POST /v1/rooms/{slug}/invitations',
    'DELETE /v1/rooms/{slug}/invitations/{invitationId}',
    'POST /v1/rooms/{slug}/members',
    'GET /v1/rooms/{slug}/members',
    'DELETE /v1/rooms/{slug}/members/{userId}',
    'GET /v1/rooms/{slug}/messages',
    'GET /v1/nodes',
    'POST /v1/sessions',
    'POST /v1/sessions/renew',
    'POST /v1/rooms/{slug}/join',
    'GET /.well-known/jwks.json',
  ];

  test('describes every endpoint, with its token and its errors', async () => {
    const document = await rig.ok(OpenApi, 'GET', '/v1/openapi.json');
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );

    expect(document.openapi).toMatch(/^3\.1\./);
    expect(described.toSorted()).toEqual(ENDPOINTS.toSorted());
    expect(document.paths['/v1/rooms/{slug}/join']?.post?.security).toEqual([{ session: [] }]);
    expect(document.paths['/v1/me']?.get?.security).toEqual([{ user: [] }]);
    expect(document.paths['/v1/guests']?.post?.security).toBeUndefined();
    expect(JSON.stringify(document.paths['/v1/rooms/{slug}/join']?.post?.responses['409'])).toContain('room-full');
    for (const operations of Object.values(document.paths)) {
      for (const { summary, responses } of Object.values(operations)) {
        expect(summary).toMatch(/\w/);
        expect(Object.keys(responses)).toEqual(expect.arrayContaining(['400', '429', '500']));
      }
    }
  });

  test('refers only to schemas that it holds, and holds no others', async () => {
    const document = await rig.ok(OpenApi, 'GET', '/v1/openapi.json');
    const refs = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(
      ([, name]) => name,
    );

    expect(refs.length).toBeGreaterThan(20);
    expect(Object.keys(document.components.schemas).toSorted()).toEqual([...new Set(refs)].toSorted());
  });

  test('has a page to read it that works under its own policy', async () => {
    const page = await rig.call('GET', '/docs/');

    expect(page.status).toBe(200);
    expect(page.body).toContain('<title>Meridian API</title>');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
    const scripts = [...String(page.body).matchAll(/(?:src|href)="\.?\/?([^"]+)"/g)].map(([, path]) => path);
    expect(scripts.length).toBeGreaterThan(2);
    for (const path of scripts) expect((await rig.call('GET', `/docs/${path}`)).status).toBe(200);
    expect(String(page.body)).not.toMatch(/<script>|<style>|onclick=/);
  });
});
