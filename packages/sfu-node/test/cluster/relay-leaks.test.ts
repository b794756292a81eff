import { eventually } from '@meridian/harness';
import { createMediaEngine, type MediasoupEngine } from '@meridian/media';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { opusParameters, vp8Parameters } from '../support/rtp.ts';
import { roomId, TestCluster } from '../support/test-cluster.ts';

const CYCLES = 1_000;

let cluster: TestCluster;
let nodes: { ams: SfuNode; sin: SfuNode };
let engines: { ams: MediasoupEngine; sin: MediasoupEngine };

/** Far fewer pipe ports than cycles: a port that is not given back would be missed soon. */
const engine = (min: number) =>
  createMediaEngine({
    workers: 1,
    webRtcServer: { listenIp: '127.0.0.1', port: 0 },
    pipe: { listenIp: '127.0.0.1', portRange: { min, max: min + 40 } },
  });

beforeAll(async () => {
  cluster = await TestCluster.start();
  engines = { ams: await engine(33_000), sin: await engine(33_100) };
  // Every last release ends the link at once; nothing is refused for coming too fast.
  const env = {
    MERIDIAN_RELAY_GRACE_MS: '0',
    MERIDIAN_REQUESTS_PER_SECOND: '100000',
    MERIDIAN_REQUEST_BURST: '100000',
  };
  nodes = {
    ams: await cluster.startNode('ams-1', { media: engines.ams, env }),
    sin: await cluster.startNode('sin-1', { media: engines.sin, env }),
  };
});

afterAll(async () => {
  await cluster.stop();
});

/** Everything that the workers hold, as they themselves say. */
async function heldByWorkers(): Promise<unknown> {
  const dumps = await Promise.all([engines.ams.dump(), engines.sin.dump()]);
  return dumps.map(({ workers }) =>
    workers.map(({ requestHandlers, notificationHandlers, webRtcTransports, perRouter }) => ({
      requestHandlers,
      notificationHandlers,
      webRtcTransports,
      perRouter: perRouter.map(({ routerId: _, roomId: __, ...counts }) => counts),
    })),
  );
}

describe('relay links that are opened and closed again and again', () => {
  test(`leave nothing behind in the workers after ${CYCLES} times`, async () => {
    const room = roomId('cycles');
    const ann = await cluster.join(nodes.ams, 'ams-1', room);
    const bob = await cluster.join(nodes.sin, 'sin-1', room, { autoSubscribe: false });
    const publish = (kind: 'audio' | 'video') =>
      ann.client.request('publish', {
        transportId: ann.joined.sendTransport.id,
        kind,
        source: kind === 'audio' ? 'microphone' : 'camera',
        rtpParameters: kind === 'audio' ? opusParameters() : vp8Parameters(),
      });
    const producers = [await publish('audio'), await publish('video')];
    await eventually('Bob knows of both', () => bob.client.all('producer-opened').length === 2);
    const cycle = async () => {
      const consumers = await Promise.all(
        producers.map(({ producerId }) => bob.client.request('subscribe', { producerId })),
      );
      await Promise.all(consumers.map(({ consumerId }) => bob.client.request('unsubscribe', { consumerId })));
      await eventually('the link is gone', () => engines.sin.load().relayEnds === 0, { everyMs: 1 });
    };
    // The first time makes what stays with the room: the detection of speakers.
    await cycle();
    await eventually('the origin has closed its half too', () => engines.ams.load().relayEnds === 0);
    const before = await heldByWorkers();

    for (let count = 0; count < CYCLES; count++) await cycle();

    await eventually('the workers hold what they held before', async () =>
      expect(await heldByWorkers()).toEqual(before),
    );
    const metrics = await (await fetch(`${nodes.sin.url}/metrics`)).text();
    const opened = /meridian_relay_links_opened_total\{role="puller".*\} (\d+)/.exec(metrics)?.[1];
    expect(Number(opened)).toBe(CYCLES + 1);
    expect(metrics).not.toMatch(/meridian_relay_setup_seconds_count\{outcome="failed"/);
    await Promise.all([ann.client.close(), bob.client.close()]);
  });
});
