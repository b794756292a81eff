import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { eventually, type PrometheusProcess, startPrometheus } from '@meridian/harness';
import { Counter, Gauge, Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { LabMetrics } from '../../src/campaign/metrics.ts';
import { MetricsServer } from '../../src/campaign/metrics-server.ts';
import { Series } from '../../src/experiment/measure/series.ts';
import { KeptFigures, Prometheus } from '../../src/experiment/real/prometheus.ts';
import { recorderMs } from '../../src/experiment/world/clock.ts';
import { PrometheusServer } from '../../src/load/measure/prometheus.ts';
import { scenario, syntheticRun } from '../support/synthetic-run.ts';

/** What a node tells, as far as it is asked for here: its media counter rises by this much with each scrape. */
const BYTES_PER_SCRAPE = 1_000;

async function startNode(id: string): Promise<{ address: string; server: Server; scrapes: () => number }> {
  const registry = new Registry();
  registry.setDefaultLabels({ node: id, region: 'eu-west' });
  new Gauge({ name: 'meridian_info', help: 'x', registers: [registry] }).set(1);
  new Gauge({ name: 'meridian_participants', help: 'x', registers: [registry] }).set(3);
  const bytes = new Counter({
    name: 'meridian_media_bytes_total',
    help: 'x',
    labelNames: ['leg'],
    registers: [registry],
  });
  let scrapes = 0;
  const server = createServer(async (_request, response) => {
    scrapes += 1;
    bytes.inc({ leg: 'client-up' }, BYTES_PER_SCRAPE);
    response.writeHead(200, { 'content-type': registry.contentType }).end(await registry.metrics());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it has a port');
  return { address: `127.0.0.1:${address.port}`, server, scrapes: () => scrapes };
}

const Answer = z.object({ status: z.string(), data: z.object({ result: z.array(z.unknown()) }) });
const Rules = z.object({
  data: z.object({
    groups: z.array(z.object({ rules: z.array(z.object({ name: z.string(), health: z.string() })).min(1) })).min(1),
  }),
});
const Dashboard = z.object({
  panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })).optional() })),
});

let node: Awaited<ReturnType<typeof startNode>>;
let metrics: LabMetrics;
let page: MetricsServer;
let prometheus: PrometheusProcess;
beforeAll(async () => {
  node = await startNode('host-1');
  metrics = new LabMetrics(scenario);
  for (const { name: arm } of scenario.arms) {
    metrics.observe({ type: 'run-ended', run: syntheticRun({ arm, block: 0, latencyMs: 230 }), tookMs: 50_000 });
  }
  page = await MetricsServer.start({ registry: metrics.registry, host: '127.0.0.1', port: 0 });
  prometheus = await startPrometheus({
    targets: { 'ams-1:8081': node.address, 'host.docker.internal:9464': `127.0.0.1:${page.port}` },
    scrapeEveryS: 1,
  });
});
afterAll(async () => {
  await prometheus?.stop();
  await page?.finish(AbortSignal.abort());
  node?.server.close();
  node?.server.closeAllConnections();
});

const query = async (text: string) => {
  const reply = await fetch(`${prometheus.url}/api/v1/query?query=${encodeURIComponent(text)}`);
  return Answer.parse(await reply.json());
};

describe('a real Prometheus with the deployed configuration', () => {
  it('keeps a run’s series of a node, which come back as they were scraped, in the time of the run', async () => {
    // Given a run that began when Prometheus scraped the node already
    const nodes = new Map([['ams', 'host-1']]);
    const source = new Prometheus({
      url: prometheus.url,
      nodes,
      rename: ([name, labels, value]) => [name, { ...labels, node: 'ams' }, value],
    });
    await eventually('the node is known', () => source.check().then(() => true), { withinMs: 20_000 });
    const originMs = recorderMs();
    const before = node.scrapes();

    // When it has been scraped three times more
    await eventually('three scrapes', () => node.scrapes() >= before + 4, { withinMs: 20_000 });
    const scrapes = await new KeptFigures(source, () => recorderMs() - originMs).keptSince(0);

    // Then every scrape is there once, at its time, with what the counter rose by
    const times = scrapes.map(({ atMs }) => atMs);
    expect(times.length).toBeGreaterThanOrEqual(3);
    expect(Math.min(...times)).toBeGreaterThan(-1_500);
    expect(Math.max(...times)).toBeLessThan(recorderMs() - originMs + 100);
    const [fromMs = 0, toMs = 0] = [times[0], times.at(-1)];
    const risen = new Series(scrapes).increase(
      'ams',
      'meridian_media_bytes_total',
      { leg: 'client-up' },
      { fromMs, toMs },
    );
    expect(risen?.by).toBe(BYTES_PER_SCRAPE * (times.length - 1));
  });

  it('answers what a load run asks it of the nodes', async () => {
    const source = new PrometheusServer(prometheus.url);
    await eventually('the node is known', () => source.check().then(() => true), { withinMs: 20_000 });
    expect(await source.read()).toMatchObject([{ node: 'host-1', participants: 3 }]);
  });

  it('takes every alert as it stands', async () => {
    const groups = await eventually(
      'rules were evaluated',
      async () => {
        const { data } = Rules.parse(await (await fetch(`${prometheus.url}/api/v1/rules`)).json());
        return data.groups.every(({ rules }) => rules.every(({ health }) => health !== 'unknown')) && data.groups;
      },
      { withinMs: 20_000 },
    );
    const broken = groups.flatMap(({ rules }) => rules.flatMap(({ name, health }) => (health === 'ok' ? [] : [name])));
    expect(broken).toEqual([]);
  });

  it('has something to show in every panel of the experiments’ dashboard', async () => {
    await eventually('the lab was scraped', async () => (await query('meridian_lab_running')).data.result.length > 0, {
      withinMs: 20_000,
    });
    const file = new URL('../../../../deploy/grafana/dashboards/experiments.json', import.meta.url);
    const { panels } = Dashboard.parse(JSON.parse(await readFile(file, 'utf8')));
    const asked = panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({ title, expr: expr.replaceAll('$experiment', 'eu-vn').replaceAll('$arm', '.+') })),
    );
    expect(asked.length).toBeGreaterThan(10);
    for (const { title, expr } of asked) {
      const { status, data } = await query(expr);
      expect({ title, status, some: data.result.length > 0 }).toEqual({ title, status: 'success', some: true });
    }
  });
});
