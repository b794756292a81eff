import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, type PrometheusProcess, startPrometheus } from '@meridian/harness';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { figuresOf, type RecordedRun, recordRun, Scenario, Series } from '../../src/experiment/index.ts';
import { Prometheus } from '../../src/experiment/real/prometheus.ts';
import { RealStage } from '../../src/experiment/real/real-stage.ts';
import { LocalCluster } from '../../src/local-cluster/index.ts';

/** The nodes' names in the scenario are not their ids in the cluster. */
const scenario = Scenario.parse({
  name: 'on-a-cluster',
  title: 'On a cluster that is there',
  description: 'Two people on two nodes; one of them runs behind a command, as on another machine.',
  nodes: {
    ams: { region: 'eu-west', place: 'Amsterdam', at: { latitude: 52, longitude: 5 } },
    sgn: { region: 'ap-vn', place: 'Ho Chi Minh City', at: { latitude: 10, longitude: 106 } },
  },
  clients: { anna: { place: 'Here' }, binh: { place: 'There' } },
  paths: [
    { between: ['anna', 'ams'], over: [] },
    { between: ['binh', 'ams'], over: [] },
    { between: ['binh', 'sgn'], over: [] },
    { between: ['ams', 'sgn'], over: [] },
  ],
  service: 'ams',
  sends: { video: { width: 320, height: 180, fps: 10 }, audio: true },
  arms: [{ name: 'relay', title: 'Over a relay', at: { anna: 'ams', binh: 'sgn' } }],
  warmUpS: 2,
  lengthS: 6,
});

const lab = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
let dir: string;
let cluster: LocalCluster;
let prometheus: PrometheusProcess;
let stage: RealStage;
let run: RecordedRun;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'meridian-real-'));
  cluster = await LocalCluster.start({
    dataDir: dir,
    regions: [
      { nodeId: 'host-1', region: 'eu-west', regionName: 'Amsterdam', coordinates: { latitude: 52, longitude: 5 } },
      { nodeId: 'host-2', region: 'ap-vn', regionName: 'HCMC', coordinates: { latitude: 10, longitude: 106 } },
    ],
  });
  const addressOf = (node: string) => new URL(cluster.node(node).url).host;
  prometheus = await startPrometheus({
    targets: { 'ams-1:8081': addressOf('host-1'), 'sin-1:8081': addressOf('host-2') },
    scrapeEveryS: 1,
  });
  const nodes = new Map([...cluster.nodes.keys()].map((node) => [node, node]));
  const kept = new Prometheus({ url: prometheus.url, nodes, rename: (sample) => sample });
  await eventually('both nodes have been scraped', () => kept.check().then(() => true));
  stage = await RealStage.open({
    scenario,
    url: cluster.url,
    prometheus: prometheus.url,
    clients: new Map([['binh', `echo 'Welcome to this machine.'; "${process.execPath}" "${lab}" client`]]),
  });
  run = await recordRun({
    world: stage,
    arm: 'relay',
    profiles: new Map(),
    experiment: 'test',
    block: 0,
    order: 0,
    seed: 1,
  });
}, 180_000);
afterAll(async () => {
  await stage?.close();
  await prometheus?.stop();
  await cluster?.stop();
  await rm(dir, { recursive: true, force: true });
});

describe('an experiment on a cluster that is there', () => {
  it('plays on the nodes of the regions that the arm asks for, without emulated links', () => {
    expect(run.end?.reason).toBeUndefined();
    expect(run.end).toMatchObject({ outcome: 'complete' });
    expect(run.header.real).toMatchObject({ url: cluster.url, nodes: { ams: 'host-1', sgn: 'host-2' } });
    expect(run.header.links).toEqual({});
    expect(run.of('links')).toEqual([]);
    const at = new Set(run.of('node-stats').map(({ client, node }) => `${client} ${node}`));
    expect([...at].sort()).toEqual(['anna ams', 'binh sgn']);
  });

  it('times pictures and sound in both directions, clocks compared over the command', () => {
    const figures = figuresOf(run);
    for (const sender of ['anna', 'binh']) {
      const stream = figures?.streams.find((one) => one.sender === sender);
      expect(stream?.glassToGlass?.p50, sender).toBeGreaterThan(0);
      expect(stream?.audioLatency?.p50, sender).toBeGreaterThan(0);
      expect(stream?.legs?.relay, sender).not.toBeNull();
      expect(run.of('clock').some(({ client }) => client === sender)).toBe(true);
    }
  });

  it('measures the other machine as well, and compares pictures that were kept there', () => {
    expect(run.header.real?.hosts.binh?.cores).toBeGreaterThan(0);
    const his = run.of('machine').filter(({ host }) => host === 'binh');
    expect(his.flatMap(({ processes }) => processes.map(({ name }) => name))).toContain('chromium');
    expect(new Set(run.of('quality').map(({ receiver }) => receiver))).toEqual(new Set(['anna', 'binh']));
  });

  it('reads the servers\u2019 series from a Prometheus under the scenario\u2019s names, and holds them against the clients\u2019', () => {
    const series = new Series(run.of('scrape'));
    const window = run.window;
    if (window === undefined) throw new Error('it was measured');
    expect(
      series.increase('ams', 'meridian_relay_bytes_total', { direction: 'out', remote_node: 'sgn' }, window)?.by,
    ).toBeGreaterThan(0);
    const checked = run.end?.crossChecks.map(({ what }) => what);
    expect(checked).toContain('media sent to ams');
    expect(checked).toContain('relay from sgn to ams, told by both nodes');
  });
});
