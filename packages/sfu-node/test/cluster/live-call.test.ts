import { eventually } from '@meridian/harness';
import { createMediaEngine, type MediasoupEngine } from '@meridian/media';
import { NodeId } from '@meridian/protocol';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callFrom, receive } from '../support/callers.ts';
import { Samples } from '../support/samples.ts';
import { roomId, TestCluster } from '../support/test-cluster.ts';

let cluster: TestCluster;
let nodes: { ams: SfuNode; sin: SfuNode };
let engines: { ams: MediasoupEngine; sin: MediasoupEngine };

const engine = () =>
  createMediaEngine({
    workers: 1,
    webRtcServer: { listenIp: '127.0.0.1', port: 0 },
    pipe: { listenIp: '127.0.0.1', portRange: { min: 27_000, max: 29_000 } },
  });

beforeAll(async () => {
  cluster = await TestCluster.start();
  engines = { ams: await engine(), sin: await engine() };
  nodes = {
    ams: await cluster.startNode('ams-1', { media: engines.ams }),
    sin: await cluster.startNode('sin-1', { media: engines.sin }),
  };
});

afterAll(async () => {
  await cluster.stop();
});

const scrape = async (node: SfuNode) => new Samples(await (await fetch(`${node.url}/metrics`)).text());

/** What the workers themselves count, over all routers. */
async function held(of: MediasoupEngine): Promise<{ transports: number; consumers: number }> {
  const { workers } = await of.dump();
  const routers = workers.flatMap((worker) => worker.perRouter);
  return {
    transports: routers.reduce((sum, router) => sum + router.transports, 0),
    consumers: routers.reduce((sum, router) => sum + router.consumers, 0),
  };
}

describe('a call over two nodes, with real packets', () => {
  test('is seen in the metrics of both nodes as it is: packet by packet, leg by leg', async () => {
    // Given Ann in Amsterdam, whom Bob in Singapore sees and hears
    const room = roomId('live');
    const ann = await cluster.join(nodes.ams, 'ams-1', room);
    const bob = await cluster.join(nodes.sin, 'sin-1', room);
    const call = await callFrom(ann);
    const heard = await bob.client.until('consumer-opened', (one) => one.producerId === call.audioId);
    const seen = await bob.client.until('consumer-opened', (one) => one.producerId === call.videoId);
    const viewer = await receive(bob, [heard, seen]);
    for (const { consumerId } of [heard, seen]) await bob.client.request('resume-consumer', { consumerId });

    // When she has talked for a while and falls silent
    call.start();
    await eventually('much has arrived', () => viewer.received('audio') > 200 && viewer.received('video') > 150);
    await bob.client.request('request-keyframe', { consumerId: seen.consumerId });
    const during = await bob.client.request('get-stats', {});
    call.stop();
    const counts = async (node: SfuNode, leg: string, kind: string) =>
      (await scrape(node)).value('meridian_media_packets_total', { leg, kind }) ?? 0;
    await eventually('every packet of hers has been counted', async () => {
      return (await counts(nodes.ams, 'client-up', 'audio')) === call.sent;
    });

    // Then each leg has carried what the one before it has carried
    const [ams, sin] = [await scrape(nodes.ams), await scrape(nodes.sin)];
    const packets = (of: Samples, leg: string, kind: string) =>
      of.value('meridian_media_packets_total', { leg, kind }) ?? 0;
    for (const kind of ['audio', 'video'] as const) {
      expect(packets(ams, 'client-up', kind)).toBe(call.sent);
      // The consumer on the relay begins where Bob's interest began: from then on nothing is lost on loopback.
      expect(packets(ams, 'relay-out', kind)).toBeLessThanOrEqual(call.sent);
      expect(packets(sin, 'relay-in', kind)).toBe(packets(ams, 'relay-out', kind));
      expect(packets(sin, 'client-down', kind)).toBeLessThanOrEqual(packets(sin, 'relay-in', kind));
      await eventually(
        'Bob has what was sent to him',
        () => viewer.received(kind) >= packets(sin, 'client-down', kind) * 0.98,
      );
      expect(packets(sin, 'client-down', kind)).toBeGreaterThan(150);
    }
    expect(packets(ams, 'relay-in', 'audio')).toBe(0);
    const bytesOut = ams.value('meridian_relay_bytes_total', {
      direction: 'out',
      remote_node: 'sin-1',
      remote_region: 'region-of-sin-1',
    });
    const bytesIn = sin.value('meridian_relay_bytes_total', {
      direction: 'in',
      remote_node: 'ams-1',
      remote_region: 'region-of-ams-1',
    });
    expect(bytesOut).toBeGreaterThan(100_000);
    expect(bytesIn).toBe(bytesOut);

    // And the transports themselves say the same (they count headers of SRTP and RTCP as well)
    const operator = await cluster.cluster.inbox(NodeId.parse('operator'));
    const { links } = await operator.request(NodeId.parse('sin-1'), 'relay.list', {});
    expect(links).toMatchObject([{ role: 'puller', remoteNodeId: 'ams-1', producers: 2 }]);
    const received = links[0]?.bytesReceived ?? 0;
    expect(received).toBeGreaterThanOrEqual(bytesIn ?? 0);
    expect(received).toBeLessThan((bytesIn ?? 0) * 1.3);

    // And what is open is counted as the worker counts it
    for (const [samples, of] of [
      [ams, engines.ams],
      [sin, engines.sin],
    ] as const) {
      const inWorker = await held(of);
      expect(samples.value('meridian_consumers')).toBe(inWorker.consumers);
      expect(samples.value('meridian_transports')).toBe(inWorker.transports);
      expect(samples.value('meridian_participants')).toBe(1);
      expect(samples.value('meridian_sessions')).toBe(1);
      expect(samples.value('meridian_rooms')).toBe(1);
      expect(samples.value('meridian_connections')).toBe(1);
      expect(samples.value('meridian_worker_cpu_seconds_total', { worker: '0' })).toBeGreaterThan(0);
      expect(samples.value('meridian_worker_resident_memory_bytes', { worker: '0' })).toBeGreaterThan(1_000_000);
    }
    expect(
      ams.value('meridian_relay_links', { role: 'origin', remote_node: 'sin-1', remote_region: 'region-of-sin-1' }),
    ).toBe(1);
    expect(sin.value('meridian_relay_links', { role: 'puller', remote_node: 'ams-1' })).toBe(1);
    expect(sin.value('meridian_relay_setup_seconds_count', { outcome: 'opened' })).toBe(1);

    // And the qualities are measured
    expect(ams.value('meridian_leg_jitter_seconds_count', { leg: 'client-up', kind: 'video' })).toBeGreaterThan(0);
    expect(sin.value('meridian_leg_loss_ratio_count', { leg: 'relay-in' })).toBeGreaterThan(0);
    // Bob's wish for a key frame went over the relay to Ann.
    for (const [samples, leg] of [
      [sin, 'relay-in'],
      [ams, 'relay-out'],
    ] as const) {
      expect(samples.value('meridian_media_plis_total', { leg, kind: 'video' }), leg).toBeGreaterThan(0);
    }
    expect(ams.value('meridian_media_plis_total', { leg: 'client-up', kind: 'video' })).toBeGreaterThan(0);
    expect(ams.value('meridian_media_key_frames_total', { leg: 'client-up', kind: 'video' })).toBeGreaterThan(0);
    for (const step of ['verify', 'confirm', 'media', 'total']) {
      expect(sin.value('meridian_join_seconds_count', { step }), step).toBe(1);
    }
    expect(sin.value('meridian_join_seconds_count', { step: 'first-consumer' })).toBe(1);
    expect(sin.value('meridian_bus_request_seconds_count', { method: 'relay.open', outcome: 'ok' })).toBe(1);
    expect(sin.value('meridian_redis_command_seconds_count', { command: 'rooms.confirm' })).toBe(1);
    expect(sin.value('meridian_redis_failures_total')).toBeUndefined();
    expect(sin.value('meridian_event_loop_delay_seconds', { quantile: '0.99' })).toBeGreaterThan(0);
    expect(during.down.bitrate).toBeGreaterThan(0);
    expect(during.relays).toMatchObject([{ nodeId: 'ams-1' }]);

    viewer.close();
    call.close();
    await Promise.all([ann.client.close(), bob.client.close()]);
    await eventually('both nodes are empty', async () => {
      const [after, far] = [await scrape(nodes.ams), await scrape(nodes.sin)];
      return [after, far].every(
        (of) =>
          of.value('meridian_participants') === 0 &&
          of.value('meridian_transports') === 0 &&
          of.value('meridian_relay_links') === undefined &&
          // By the WebSocket's end or by DTLS's, whichever came first.
          of.value('meridian_session_ends_total') === 1,
      );
    });
  });

  test('a dead worker takes the media of its room: its people are told, join again, and are received again', async () => {
    const room = roomId('dead-worker');
    const ann = await cluster.join(nodes.ams, 'ams-1', room);
    const bob = await cluster.join(nodes.sin, 'sin-1', room);
    const before = await callFrom(ann);
    before.start();
    await bob.client.until('consumer-opened', (one) => one.producerId === before.videoId);
    const [worker] = (await engines.ams.collect()).workers;
    if (worker === undefined) throw new Error('no worker');

    process.kill(worker.pid, 'SIGKILL');

    await ann.client.until('media-lost', (one) => one.reason === 'worker-died');
    before.close();
    await bob.client.until('participant-left', (one) => one.reason === 'worker-died');
    expect(bob.client.all('media-lost')).toEqual([]);
    await eventually('a worker is there again', () => engines.ams.load().workers === 1);
    const roomToken = await cluster.roomToken(ann, room);
    const joined = await ann.client.request('join', {
      roomToken,
      rtpCapabilities: ann.welcome.routerRtpCapabilities,
    });
    const again = await callFrom({ ...ann, joined });
    again.start();
    const opened = await bob.client.until('consumer-opened', (one) => one.producerId === again.audioId);
    const viewer = await receive(bob, [opened]);
    await bob.client.request('resume-consumer', { consumerId: opened.consumerId });
    await eventually('she is heard again', () => viewer.received('audio') > 20);
    expect((await scrape(nodes.ams)).value('meridian_worker_deaths_total')).toBe(1);

    again.close();
    viewer.close();
    await Promise.all([ann.client.close(), bob.client.close()]);
  });
});
