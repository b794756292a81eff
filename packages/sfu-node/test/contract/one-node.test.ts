import { eventually } from '@meridian/harness';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { opusParameters, vp8Parameters } from '../support/rtp.ts';
import { roomId, TestCluster } from '../support/test-cluster.ts';

let cluster: TestCluster;
let node: SfuNode;

beforeAll(async () => {
  cluster = await TestCluster.start();
  node = await cluster.startNode('ams-1');
});

afterAll(async () => {
  await cluster.stop();
});

describe('two participants on one node, with real media workers', () => {
  test('the second receives what the first publishes, without asking', async () => {
    const room = roomId('call');
    const ann = await cluster.join(node, 'ams-1', room, { sessionId: 'ann' });
    const microphone = await ann.client.request('publish', {
      transportId: ann.joined.sendTransport.id,
      kind: 'audio',
      source: 'microphone',
      rtpParameters: opusParameters(),
    });

    const bob = await cluster.join(node, 'ams-1', room, { sessionId: 'bob' });

    expect(bob.joined.producers.map((one) => one.producerId)).toEqual([microphone.producerId]);
    expect(bob.joined.participants.map((one) => one.sessionId).sort()).toEqual(['ann', 'bob']);
    const heard = await bob.client.until('consumer-opened');
    expect(heard).toMatchObject({ producerId: microphone.producerId, sessionId: 'ann', source: 'microphone' });
    await bob.client.request('resume-consumer', { consumerId: heard.consumerId });
    await ann.client.until('participant-joined', ({ participant }) => participant.sessionId === 'bob');

    const camera = await ann.client.request('publish', {
      transportId: ann.joined.sendTransport.id,
      kind: 'video',
      source: 'camera',
      rtpParameters: vp8Parameters(),
    });
    await bob.client.until('producer-opened', ({ producer }) => producer.producerId === camera.producerId);
    await bob.client.until('consumer-opened', ({ producerId }) => producerId === camera.producerId);

    await ann.client.close();
    await bob.client.until('participant-left', ({ sessionId }) => sessionId === 'ann');
    await eventually('both consumers are closed', () => bob.client.all('consumer-closed').length === 2);
    await bob.client.close();
  });
});
