import { eventually } from '@meridian/harness';
import { createMediaEngine, type MediasoupEngine } from '@meridian/media';
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
    pipe: { listenIp: '127.0.0.1', portRange: { min: 29_000, max: 31_000 } },
  });

beforeAll(async () => {
  cluster = await TestCluster.start();
  engines = { ams: await engine(), sin: await engine() };
  const env = { MERIDIAN_RESUME_WINDOW_MS: '15000' };
  nodes = {
    ams: await cluster.startNode('ams-1', { media: engines.ams, env }),
    sin: await cluster.startNode('sin-1', { media: engines.sin, env }),
  };
});

afterAll(async () => {
  await cluster.stop();
});

/** What the workers themselves count, router by router. */
async function held(of: MediasoupEngine): Promise<unknown> {
  const { workers } = await of.dump();
  return workers.map((worker) => worker.perRouter);
}

const suspended = async (node: SfuNode) =>
  new Samples(await (await fetch(`${node.url}/metrics`)).text()).value('meridian_participants_suspended');

describe('a call over two nodes, with real packets', () => {
  test('goes on while the connections of both people are lost, and they come back to the same media', async () => {
    // Given Ann in Amsterdam, whom Bob in Singapore sees and hears
    const room = roomId('live-resume');
    const ann = await cluster.join(nodes.ams, 'ams-1', room);
    const bob = await cluster.join(nodes.sin, 'sin-1', room);
    const call = await callFrom(ann);
    const heard = await bob.client.until('consumer-opened', (one) => one.producerId === call.audioId);
    const seen = await bob.client.until('consumer-opened', (one) => one.producerId === call.videoId);
    const viewer = await receive(bob, [heard, seen]);
    for (const { consumerId } of [heard, seen]) await bob.client.request('resume-consumer', { consumerId });
    call.start();
    await eventually('both kinds arrive', () => viewer.received('audio') > 50 && viewer.received('video') > 50);
    const before = { ams: await held(engines.ams), sin: await held(engines.sin) };

    // When the WebSockets of both break
    for (const { client } of [ann, bob]) {
      client.socket.terminate();
      await client.closed;
    }
    await eventually('both are suspended', async () => {
      return (await suspended(nodes.ams)) === 1 && (await suspended(nodes.sin)) === 1;
    });

    // Then the packets go on
    const soFar = { audio: viewer.received('audio'), video: viewer.received('video') };
    await eventually(
      'much more arrives',
      () => viewer.received('audio') > soFar.audio + 100 && viewer.received('video') > soFar.video + 100,
    );

    // And both come back to what they had: nothing was made anew
    const backs = [await cluster.resume(nodes.ams, ann), await cluster.resume(nodes.sin, bob)] as const;
    for (const back of backs) expect(await back.until('welcome')).toMatchObject({ resumed: true });
    expect({ ams: await held(engines.ams), sin: await held(engines.sin) }).toEqual(before);
    await backs[1].request('request-keyframe', { consumerId: seen.consumerId });
    await backs[0].request('pause-producer', { producerId: call.audioId });
    await backs[1].until('consumer-updated', (one) => one.consumerId === heard.consumerId && one.producerPaused);
    for (const back of backs) {
      const events = back.heard.map((one) => one.event);
      expect(events).not.toContain('consumer-closed');
      expect(events).not.toContain('consumer-opened');
      expect(events).not.toContain('participant-left');
    }
    const later = viewer.received('video');
    await eventually('the video still arrives', () => viewer.received('video') > later + 50);

    call.close();
    viewer.close();
    await Promise.all(backs.map((back) => back.request('leave', {})));
  });
});
