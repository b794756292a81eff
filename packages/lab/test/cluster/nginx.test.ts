import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NginxProcess, startNginx } from '@meridian/harness';
import {
  CreateSessionReply,
  NodesReply,
  parseOrThrow,
  ServerFrame,
  SIGNALLING_PROTOCOL,
  TOKEN_PROTOCOL_PREFIX,
} from '@meridian/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import WebSocket from 'ws';
import { enterAsGuest, post } from '../../src/light/api.ts';
import { LocalCluster } from '../../src/local-cluster/index.ts';

const page = '<!doctype html><title>Meridian behind nginx</title>';

describe('a cluster behind nginx with the deployed configuration', () => {
  let folder: string;
  let cluster: LocalCluster;
  let plain: NginxProcess;
  let secure: NginxProcess;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'meridian-nginx-test-'));
    const webDir = join(folder, 'web');
    await mkdir(webDir);
    await writeFile(join(webDir, 'index.html'), page);
    cluster = await LocalCluster.start({
      dataDir: join(folder, 'data'),
      webDir,
      sessionApiEnv: { MERIDIAN_TRUST_PROXY: 'loopback' },
    });
    const upstreams = {
      'session-api': `127.0.0.1:${new URL(cluster.url).port}`,
      'session-api-2': `127.0.0.1:${new URL(cluster.url).port}`,
      ...Object.fromEntries([...cluster.nodes].map(([nodeId, node]) => [nodeId, new URL(node.url).host])),
    };
    plain = await startNginx({ site: 'http', upstreams });
    secure = await startNginx({ site: 'https', upstreams });
  });

  afterAll(async () => {
    await plain?.stop();
    await secure?.stop();
    await cluster?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('serves the web app, for a room link too', async () => {
    for (const path of ['/', '/r/lobby']) {
      const answer = await fetch(`${plain.url}${path}`, { headers: { accept: 'text/html' } });
      expect(answer.status).toBe(200);
      expect(await answer.text()).toContain('Meridian behind nginx');
      // What the service says of how its pages may be used gets through, once.
      expect(answer.headers.get('content-security-policy')?.match(/default-src/g)).toHaveLength(1);
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('set-cookie')).toBeNull();
    }
  });

  test('passes API calls on', async () => {
    const token = await enterAsGuest(plain.url, 'Lan');
    const me = await fetch(`${plain.url}/v1/me`, { headers: { authorization: `Bearer ${token}` } });
    expect(me.status).toBe(200);
    expect(await me.json()).toMatchObject({ name: 'Lan', kind: 'guest' });
  });

  test('keeps metrics and health to the inside', async () => {
    for (const path of [
      '/metrics',
      '/healthz',
      '/readyz',
      '/nodes/ams-1/metrics',
      '/nodes/ams-1/',
      '/nodes/nowhere-1/ws',
    ]) {
      expect((await fetch(`${plain.url}${path}`)).status, path).toBe(404);
    }
  });

  test('tells the service the address of the client and not one that the client makes up', async () => {
    // given: an address that the service, where it believes it, places on the map
    const claim = { headers: { 'x-forwarded-for': '8.8.8.8' } };
    const believed = parseOrThrow(NodesReply, await (await fetch(`${cluster.url}/v1/nodes`, claim)).json());
    expect(believed.locatedBy).toBe('geoip');

    // when the same claim comes through nginx
    const throughNginx = parseOrThrow(NodesReply, await (await fetch(`${plain.url}/v1/nodes`, claim)).json());

    // then it is not believed
    expect(throughNginx.locatedBy).toBe('none');
  });

  test("passes a browser's measurement of the round trip on to each node", async () => {
    for (const nodeId of cluster.nodes.keys()) {
      const answer = await fetch(`${plain.url}/nodes/${nodeId}/probe?n=1`);
      expect(answer.ok, nodeId).toBe(true);
    }
  });

  test('upgrades to WebSocket and leads to the node that is named in the path', async () => {
    for (const nodeId of cluster.nodes.keys()) {
      expect(await welcomeThrough(plain, nodeId)).toMatchObject({ nodeId });
    }
  });

  test('does the same over TLS', async () => {
    expect(await getSecure(`${secure.url}/r/lobby`)).toMatchObject({ status: 200, hsts: 'max-age=31536000' });
    expect(await welcomeThrough(secure, 'sin-1')).toMatchObject({ nodeId: 'sin-1', region: 'ap-southeast' });
  });

  test('leads from plain HTTP to TLS where TLS is switched on', async () => {
    const answer = await fetch(`http://localhost:${secure.ports.http}/r/lobby?region=ap-vn`, { redirect: 'manual' });
    expect(answer.status).toBe(308);
    expect(answer.headers.get('location')).toBe('https://localhost/r/lobby?region=ap-vn');
  });

  /** Attaches to a node through nginx and returns what the node says first. */
  async function welcomeThrough(nginx: NginxProcess, nodeId: string): Promise<unknown> {
    const token = await enterAsGuest(plain.url, 'Mai');
    const region = cluster.node(nodeId).region.region;
    const session = await post(CreateSessionReply, `${plain.url}/v1/sessions`, { region }, token);
    expect(session.decision.nodeId).toBe(nodeId);
    const socket = new WebSocket(
      `${nginx.url.replace(/^http/, 'ws')}/nodes/${nodeId}/ws`,
      [SIGNALLING_PROTOCOL, `${TOKEN_PROTOCOL_PREFIX}${session.sessionToken}`],
      nginx.certificate === undefined ? {} : { ca: nginx.certificate },
    );
    try {
      const first = await new Promise<string>((resolve, reject) => {
        socket.once('message', (data) => resolve(String(data)));
        socket.once('error', reject);
        socket.once('close', (code, reason) => reject(new Error(`closed: ${code} ${reason.toString()}`)));
      });
      expect(socket.protocol).toBe(SIGNALLING_PROTOCOL);
      const frame = parseOrThrow(ServerFrame, JSON.parse(first));
      if (frame.t !== 'ntf') throw new Error(`the first frame is ${first}`);
      expect(frame).toMatchObject({ seq: 1, event: 'welcome' });
      return frame.data;
    } finally {
      socket.close();
    }
  }

  /** fetch() takes no certificate authority of one's own. */
  function getSecure(url: string): Promise<{ status: number | undefined; hsts: string | undefined }> {
    return new Promise((resolve, reject) => {
      const call = request(url, { ca: secure.certificate }, (answer) => {
        answer.resume();
        resolve({ status: answer.statusCode, hsts: answer.headers['strict-transport-security'] });
      });
      call.once('error', reject);
      call.end();
    });
  }
});
