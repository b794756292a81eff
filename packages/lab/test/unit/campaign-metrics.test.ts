import { describe, expect, test } from 'vitest';
import type { CampaignEvent } from '../../src/campaign/campaign.ts';
import { LabMetrics } from '../../src/campaign/metrics.ts';
import { MetricsServer, parseListenAddress } from '../../src/campaign/metrics-server.ts';
import { samplesOf } from '../../src/experiment/measure/series.ts';
import { type SyntheticRun, scenario, syntheticRun } from '../support/synthetic-run.ts';

const ended = (run: Omit<SyntheticRun, 'block'>): CampaignEvent => ({
  type: 'run-ended',
  run: syntheticRun({ block: 0, ...run }),
  tookMs: 50_000,
});
const begins = (arm: string): CampaignEvent => ({
  type: 'run-begins',
  arm,
  block: 0,
  blocks: 1,
  what: 'joining',
  done: 0,
  leftMs: 0,
});

async function read(metrics: LabMetrics) {
  const samples = samplesOf(await metrics.registry.metrics());
  return (name: string, labels: Record<string, string>) =>
    samples.find(
      ([of, has]) =>
        of === `meridian_lab_${name}` &&
        Object.entries({ experiment: 'eu-vn', ...labels }).every(([k, v]) => has[k] === v),
    )?.[2];
}

describe('the figures for Prometheus', () => {
  test('stand side by side, from zero on, by arms of the scenario and nothing unbounded', async () => {
    const metrics = new LabMetrics(scenario);
    const before = await read(metrics);
    for (const { name: arm } of scenario.arms) {
      expect(before('runs_total', { arm, outcome: 'used' })).toBe(0);
      expect(before('latency_seconds_count', { arm, media: 'video' })).toBe(0);
    }
    const labels = new Set(samplesOf(await metrics.registry.metrics()).flatMap(([, has]) => Object.keys(has)));
    expect([...labels].sort()).toEqual(['arm', 'experiment', 'le', 'media', 'outcome']);
  });

  test('are those of the runs that count', async () => {
    const metrics = new LabMetrics(scenario);
    metrics.observe(ended({ arm: 'relay', latencyMs: 230, lossShare: 0.02, frozenFromS: 4, frozenToS: 5 }));
    metrics.observe(ended({ arm: 'relay', latencyMs: 900, invalidBecause: ['the machine was the bottleneck'] }));
    const now = await read(metrics);
    expect(now('runs_total', { arm: 'relay', outcome: 'used' })).toBe(1);
    expect(now('runs_total', { arm: 'relay', outcome: 'refused' })).toBe(1);
    expect(now('measured_seconds_total', { arm: 'relay' })).toBe(10);
    // All of its pictures took 230 ms.
    const count = now('latency_seconds_count', { arm: 'relay', media: 'video' });
    expect(count).toBeGreaterThan(300);
    expect(now('latency_seconds_bucket', { arm: 'relay', media: 'video', le: '0.225' })).toBe(0);
    expect(now('latency_seconds_bucket', { arm: 'relay', media: 'video', le: '0.25' })).toBe(count);
    expect(now('loss_ratio', { arm: 'relay' })).toBeCloseTo(0.02);
    // Both directions.
    expect(now('freezes_total', { arm: 'relay' })).toBe(2);
    expect(now('frozen_seconds_total', { arm: 'relay' })).toBeCloseTo(2, 0);
    expect(now('leg_seconds', { arm: 'relay', leg: 'relay' })).toBeCloseTo(0.02);
    expect(now('latency_seconds_count', { arm: 'far-node', media: 'video' })).toBe(0);
  });

  test('say which arm is under way', async () => {
    const metrics = new LabMetrics(scenario);
    metrics.observe(begins('relay'));
    metrics.observe(begins('far-node'));
    expect([
      (await read(metrics))('running', { arm: 'relay' }),
      (await read(metrics))('running', { arm: 'far-node' }),
    ]).toEqual([0, 1]);
    metrics.observe(ended({ arm: 'far-node', latencyMs: 1 }));
    expect((await read(metrics))('running', { arm: 'far-node' })).toBe(0);
  });
});

describe('the page of the figures', () => {
  const { registry } = new LabMetrics(scenario);
  const open = () => MetricsServer.start({ registry, host: '127.0.0.1', port: 0 });
  const never = new AbortController().signal;

  test('is served until its last state has been fetched by whoever fetched it before', async () => {
    const server = await open();
    const url = `http://127.0.0.1:${server.port}`;
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('meridian_lab_runs_total');
    expect((await fetch(`${url}/`)).status).toBe(404);
    let over = false;
    const finished = server.finish(never).then(() => {
      over = true;
    });
    expect(over).toBe(false);
    expect((await fetch(`${url}/metrics`)).ok).toBe(true);
    await finished;
    await expect(fetch(`${url}/metrics`)).rejects.toThrow();
  });

  test('is closed at once where nobody ever came, or when that is asked for', async () => {
    await (await open()).finish(never);
    const server = await open();
    await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
    const stop = new AbortController();
    const finished = server.finish(stop.signal);
    stop.abort();
    await finished;
  });

  test('has an address that is checked', async () => {
    expect(parseListenAddress('9464')).toEqual({ host: '127.0.0.1', port: 9_464 });
    expect(parseListenAddress('0.0.0.0:9464')).toEqual({ host: '0.0.0.0', port: 9_464 });
    expect(() => parseListenAddress('here')).toThrow('--metrics must be [HOST:]PORT');
    const server = await open();
    await expect(MetricsServer.start({ registry, host: '127.0.0.1', port: server.port })).rejects.toThrow('EADDRINUSE');
    await server.finish(never);
  });
});
