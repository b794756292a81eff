import type { MediaReport } from '@meridian/media';
import { LinkId, NodeId, Region } from '@meridian/protocol';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { MediaMeter } from '../../src/metrics/media-meter.ts';
import { NodeMetrics } from '../../src/metrics/node-metrics.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { Samples } from '../support/samples.ts';

const LINK = LinkId.parse('link-1');

function report(of: Partial<MediaReport>): MediaReport {
  return { workers: [], samples: [], totals: [], load: new FakeMediaEngine().load(), ...of };
}

const worker = (pid: number, cpuSeconds: number) => ({
  index: 0,
  pid,
  cpuSeconds,
  rssBytes: 5_000,
  routers: 2,
  consumers: 7,
});

function total(leg: 'relay-in' | 'client-up', bytes: number, linkId?: LinkId) {
  return {
    leg,
    kind: 'video' as const,
    ...(linkId === undefined ? {} : { linkId }),
    bytes,
    packets: bytes / 100,
    packetsLost: 1,
    retransmitted: 2,
    nacks: 3,
    plis: 4,
    firs: 5,
    keyFrames: 6,
  };
}

function make() {
  const metrics = new NodeMetrics({ nodeId: NodeId.parse('ams-1'), region: Region.parse('eu-west'), version: '1.2.3' });
  const media = new FakeMediaEngine();
  const clock = new FakeClock();
  const meter = new MediaMeter({
    media,
    metrics,
    clock,
    log: pino({ level: 'silent' }),
    everyMs: 5_000,
    remoteOf: (linkId) => (linkId === LINK ? { node: NodeId.parse('sin-1'), region: 'ap-southeast' } : undefined),
  });
  const read = async () => new Samples(await metrics.text());
  return { metrics, media, meter, clock, read };
}

describe('the media in the metrics', () => {
  test('grows by what each report says, by leg, and by the node at the other end of a relay', async () => {
    const { meter, read } = make();
    meter.record(report({ totals: [total('client-up', 1_000), total('relay-in', 500, LINK), total('relay-in', 300)] }));
    meter.record(report({ totals: [total('client-up', 200)] }));

    const now = await read();
    expect(now.value('meridian_media_bytes_total', { leg: 'client-up', kind: 'video' })).toBe(1_200);
    expect(now.value('meridian_media_bytes_total', { leg: 'relay-in' })).toBe(800);
    expect(
      now.value('meridian_relay_bytes_total', { direction: 'in', remote_node: 'sin-1', remote_region: 'ap-southeast' }),
    ).toBe(500);
    expect(now.value('meridian_media_plis_total', { leg: 'client-up' })).toBe(8);
    expect(now.value('meridian_media_key_frames_total', { leg: 'client-up' })).toBe(12);
  });

  test('puts delays and losses into histograms in seconds and shares', async () => {
    const { meter, read } = make();
    meter.record(
      report({
        samples: [
          { leg: 'relay-in', kind: 'audio', linkId: LINK, rttMs: 181, jitterMs: 3, lossFraction: 0.008 },
          { leg: 'client-down', kind: 'audio', rttMs: 40 },
        ],
      }),
    );
    const now = await read();
    expect(now.value('meridian_relay_rtt_seconds_sum', { remote_region: 'ap-southeast' })).toBeCloseTo(0.181);
    expect(now.value('meridian_leg_rtt_seconds_count', { leg: 'client-down', kind: 'audio' })).toBe(1);
    expect(now.value('meridian_leg_jitter_seconds_count', { leg: 'client-down' })).toBeUndefined();
    expect(now.value('meridian_leg_loss_ratio_bucket', { leg: 'relay-in', le: '0.005' })).toBe(0);
    expect(now.value('meridian_leg_loss_ratio_bucket', { leg: 'relay-in', le: '0.012' })).toBe(1);
  });

  test('counts the CPU of a worker that took the place of a dead one from its own zero', async () => {
    const { meter, read } = make();
    meter.record(report({ workers: [worker(10, 4)] }));
    meter.record(report({ workers: [worker(10, 6)] }));
    meter.record(report({ workers: [worker(11, 1)] }));
    const now = await read();
    expect(now.value('meridian_worker_cpu_seconds_total', { worker: '0' })).toBe(7);
    expect(now.value('meridian_worker_resident_memory_bytes', { worker: '0' })).toBe(5_000);
    expect(now.value('meridian_worker_consumers', { worker: '0' })).toBe(7);
  });

  test('is read every few seconds by itself, and a failing reading does no harm', async () => {
    const { media, clock, meter, read } = make();
    media.report = report({ totals: [total('client-up', 100)] });
    await clock.pass(10_000);
    media.collect = () => Promise.reject(new Error('the worker is gone'));
    await clock.pass(5_000);
    expect((await read()).value('meridian_media_bytes_total', { leg: 'client-up' })).toBe(200);
    await meter.close();
    expect(clock.pending).toBe(0);
  });
});

describe('every metric', () => {
  test('has a help text, our prefix and no label that grows with the calls', async () => {
    const { metrics } = make();
    for (const { name, help } of await metrics.registry.getMetricsAsJSON()) {
      expect(name).toMatch(/^meridian_/);
      expect(help.length, name).toBeGreaterThan(10);
    }
    const labels = (await metrics.registry.getMetricsAsArray()).flatMap((one) =>
      'labelNames' in one && Array.isArray(one.labelNames) ? one.labelNames : [],
    );
    expect(labels.filter((label) => /room|session|user|participant|link/.test(String(label)))).toEqual([]);
  });

  test("with closes of codes that are nobody's counts them as other", async () => {
    const { metrics, read } = make();
    for (const code of [1_000, 4_412, 3_333, 4_999]) metrics.closed(code);
    const now = await read();
    expect(now.value('meridian_ws_closes_total', { code: '4412' })).toBe(1);
    expect(now.value('meridian_ws_closes_total', { code: 'other' })).toBe(2);
  });
});
