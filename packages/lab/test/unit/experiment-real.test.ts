import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type NodeCandidate, NodeId, Region } from '@meridian/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { Series } from '../../src/experiment/index.ts';
import { checkCluster, findNodes } from '../../src/experiment/real/preflight.ts';
import { KeptFigures, Prometheus } from '../../src/experiment/real/prometheus.ts';
import { RemoteAgent } from '../../src/experiment/real/remote-client.ts';
import { recorderMs } from '../../src/experiment/world/clock.ts';
import { scenario } from '../support/synthetic-run.ts';

const GUEST = { userId: 'usr_0123456789abcdef', name: 'Guest', kind: 'guest' };
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** An HTTP server that answers with JSON. */
async function serve(answer: (path: string, body: URLSearchParams) => { status?: number; body: unknown }) {
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const { status = 200, body } = answer(request.url ?? '', new URLSearchParams(text));
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

const node = (nodeId: string, region: string, state: NodeCandidate['state'] = 'ready'): NodeCandidate => ({
  nodeId: NodeId.parse(nodeId),
  region: Region.parse(region),
  regionName: region,
  coordinates: { latitude: 0, longitude: 0 },
  probeUrl: 'https://node.example.org/probe',
  state,
  load: { sessions: 0, maxSessions: 500 },
  distanceKm: null,
});

describe('a cluster that is there', () => {
  // No arm of eu-vn uses Amsterdam.
  const whole = [node('s1', 'ap-southeast'), node('v1', 'ap-vn')];

  it('has a node for each that an arm uses', () => {
    const { found, problems } = findNodes(scenario, whole);
    expect(problems).toEqual([]);
    expect([...found]).toEqual([
      ['sin', 's1'],
      ['sgn', 'v1'],
    ]);
  });

  it('is refused with everything that is missing', () => {
    expect(findNodes(scenario, [node('f1', 'eu-central')]).problems).toEqual([
      'no node in region ap-southeast (sin, Singapore); the cluster has nodes in: eu-central',
      'no node in region ap-vn (sgn, Ho Chi Minh City); the cluster has nodes in: eu-central',
    ]);
    expect(findNodes(scenario, [...whole, node('s2', 'ap-southeast')]).problems).toEqual([
      expect.stringContaining('region ap-southeast has several nodes (s1, s2)'),
    ]);
    expect(findNodes(scenario, [node('s1', 'ap-southeast', 'draining'), node('v1', 'ap-vn')]).problems).toEqual([
      'no node in region ap-southeast (sin, Singapore) takes people: s1 is draining',
    ]);
  });

  it('is used with the one node of a region that takes people, while others of it drain', () => {
    const { found } = findNodes(scenario, [...whole, node('s2', 'ap-southeast', 'draining')]);
    expect(found.get('sin')).toBe('s1');
  });

  it('cannot add links to an arm', () => {
    const [arm, ...arms] = scenario.arms;
    if (arm === undefined) throw new Error('eu-vn has arms');
    const extra = [{ between: ['sin', 'sgn'] as [string, string], over: ['viettel-home'] }];
    expect(findNodes({ ...scenario, arms: [{ ...arm, extra }, ...arms] }, whole).problems).toEqual([
      'arm relay adds links ("extra"), which only emulated networks can do',
    ]);
  });

  it('that lets nobody choose a region is refused with what to set', async () => {
    const url = await serve((path) => {
      if (path === '/v1/nodes') return { body: { nodes: whole, location: null, locatedBy: 'none', probe: 0 } };
      if (path === '/v1/guests') {
        return { status: 201, body: { user: GUEST, userToken: 't', expiresAtMs: 1 } };
      }
      return {
        status: 403,
        body: {
          error: { code: 'region-forced-refused', message: 'Forcing a region is switched off.' },
        },
      };
    });
    await expect(checkCluster(url, scenario)).rejects.toThrow('MERIDIAN_ALLOW_FORCED_REGION=true');
  });

  it('that is none is refused', async () => {
    const url = await serve(() => ({ status: 404, body: {} }));
    await expect(checkCluster(url, scenario)).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringContaining('does not answer as a session service does'),
    });
  });
});

describe('series that a Prometheus keeps', () => {
  const nodes = new Map([['sin', 's1']]);
  const rename = ([name, labels, value]: [string, Record<string, string>, number]): typeof before => [
    name,
    { ...labels, node: 'sin' },
    value,
  ];
  const before: [string, Record<string, string>, number] = ['x', {}, 0];
  /** Its clock is this far ahead of ours. */
  const AHEAD_MS = 5_000;

  async function prometheus() {
    const asked: URLSearchParams[] = [];
    const result = (result: unknown) => ({ body: { status: 'success', data: { result } } });
    const url = await serve((_path, query) => {
      const text = query.get('query') ?? '';
      if (text === 'time()') return result([0, String((recorderMs() + AHEAD_MS) / 1_000)]);
      if (text === 'meridian_info') return result([{ metric: { node: 's1' }, value: [0, '1'] }]);
      asked.push(query);
      const end = Number(query.get('time'));
      const labels = { node: 's1', instance: 'sin-1:8081', job: 'sfu-node', leg: 'client-up' };
      return result([
        {
          metric: { __name__: 'meridian_media_bytes_total', ...labels },
          values: [
            [end - 25, '1000'],
            [end - 15, '5000'],
            [end - 5, '5000'],
          ],
        },
        { metric: { __name__: 'meridian_other', ...labels }, values: [[end - 15, 'NaN']] },
      ]);
    });
    return { url, asked };
  }

  it('come as scrapes at the times of ours, whatever its clock says', async () => {
    const { url, asked } = await prometheus();
    const source = new Prometheus({ url, nodes, rename });
    await source.check();
    const originMs = recorderMs() - 30_000;
    const scrapes = await new KeptFigures(source, () => recorderMs() - originMs).keptSince(0);
    expect(asked[0]?.get('query')).toMatch(/^\{__name__=~"meridian_\.\+", node=~"s1"\}\[3\ds\]$/);
    expect(scrapes.map(({ node: at, samples }) => `${at} ${samples.length}`)).toEqual(['sin 1', 'sin 1', 'sin 0']);
    // 25 s before the end of 30 s.
    expect(Math.abs((scrapes[0]?.atMs ?? 0) - 5_000)).toBeLessThan(2_500);
    const labels = { node: 'sin', leg: 'client-up' };
    const window = { fromMs: scrapes[0]?.atMs ?? 0, toMs: scrapes[2]?.atMs ?? 0 };
    expect(new Series(scrapes).increase('sin', 'meridian_media_bytes_total', labels, window)?.by).toBe(4_000);
  });

  it('are refused where the Prometheus does not scrape a node, or is none', async () => {
    const { url } = await prometheus();
    const others = new Prometheus({ url, nodes: new Map([['sgn', 'v1']]), rename });
    await expect(others.check()).rejects.toThrow('does not scrape v1');
    const none = await serve(() => ({ body: { hello: 'there' } }));
    await expect(new Prometheus({ url: none, nodes, rename }).check()).rejects.toThrow('does not answer as Prometheus');
    const wrong = await serve(() => ({ status: 400, body: { status: 'error', error: 'parse error' } }));
    await expect(new Prometheus({ url: wrong, nodes, rename }).check()).rejects.toThrow('parse error');
  });
});

describe('the agent of another machine', () => {
  it('that does not start is refused with what it said', async () => {
    await expect(RemoteAgent.start('binh', 'echo "host key verification failed" >&2; exit 255')).rejects.toMatchObject({
      code: 'config-invalid',
      message: expect.stringMatching(
        /client binh could not be started[\s\S]*ended \(255\)[\s\S]*host key verification failed/,
      ),
    });
  });

  it('of another version is refused', async () => {
    const reply = JSON.stringify({
      id: 1,
      result: { version: 99, machine: { os: '', cpu: '', cores: 1, memoryBytes: 1 }, chromium: '1' },
      complaints: [],
    });
    await expect(RemoteAgent.start('binh', `echo '${reply}'; cat > /dev/null`)).rejects.toThrow('it speaks version 99');
  });
});
