import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { NodePages } from '../../src/load/measure/node-metrics.ts';
import { PrometheusServer } from '../../src/load/measure/prometheus.ts';

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A server that gives this answer to whoever brings the token. */
async function serving(body: string, token?: string): Promise<string> {
  const server = createServer((request, response) => {
    const known = token === undefined || request.headers.authorization === `Bearer ${token}`;
    response.writeHead(known ? 200 : 401).end(known ? body : '');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

const PAGE = [
  'meridian_info{version="1",node="a",region="eu"} 1',
  'meridian_worker_cpu_seconds_total{worker="0",node="a",region="eu"} 2.5',
  'meridian_participants{node="a",region="eu"} 3',
  '',
].join('\n');

describe("the nodes' own pages", () => {
  test('are read with the token, and one that does not answer is left out', async () => {
    const pages = new NodePages([await serving(PAGE, 'secret'), 'http://127.0.0.1:9'], 'secret');
    const readings = await pages.read();
    expect(readings).toHaveLength(1);
    expect(readings[0]).toMatchObject({ node: 'a', participants: 3, workers: [{ worker: '0', cpuS: 2.5 }] });
  });

  test('that cannot be used are told of at the beginning', async () => {
    await expect(new NodePages([await serving(PAGE, 'secret')]).check()).rejects.toThrow('answers 401');
    await expect(new NodePages([await serving('up 1')]).check()).rejects.toThrow('not that of a Meridian node');
  });
});

describe('a Prometheus', () => {
  const answer = (result: unknown) => JSON.stringify({ status: 'success', data: { resultType: 'vector', result } });

  test('tells of all nodes at once', async () => {
    // Given two nodes in one answer
    const sample = (name: string, node: string, value: string, more = {}) => ({
      metric: { __name__: name, node, ...more },
      value: [1_700_000_000, value],
    });
    const url = await serving(
      answer([
        sample('meridian_process_cpu_seconds_total', 'a', '1.5'),
        sample('meridian_worker_cpu_seconds_total', 'a', '4', { worker: '0' }),
        sample('meridian_media_packets_total', 'b', '7', { leg: 'client-down', kind: 'audio' }),
      ]),
    );
    // When, Then
    expect(await new PrometheusServer(url).read()).toMatchObject([
      { node: 'a', processCpuS: 1.5, workers: [{ worker: '0', cpuS: 4 }] },
      { node: 'b', toClients: 7 },
    ]);
  });

  test('that knows no node, or is none, is told of at the beginning', async () => {
    await expect(new PrometheusServer(await serving(answer([]))).check()).rejects.toThrow('knows no Meridian node');
    await expect(new PrometheusServer(await serving('{}')).check()).rejects.toThrow("Prometheus's answer");
  });
});
