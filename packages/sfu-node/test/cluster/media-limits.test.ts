import { eventually } from '@meridian/harness';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { callFrom } from '../support/callers.ts';
import { opusParameters } from '../support/rtp.ts';
import { roomId, TestCluster } from '../support/test-cluster.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start();
});
afterAll(async () => {
  await cluster.stop();
});

test('who sends more than is allowed, and goes on, is ended; who sends less is not', async () => {
  // Given a node on which 150 kbit/s are allowed, somebody who sends half a megabit, and somebody who sends nothing
  const node = await cluster.startNode('ams-1', {
    env: { MERIDIAN_MAX_INCOMING_BITRATE: '150000' },
    timing: { bitrateEveryMs: 300 },
  });
  const room = roomId('loud');
  const loud = await cluster.join(node, 'ams-1', room);
  const quiet = await cluster.join(node, 'ams-1', room);
  const call = await callFrom(loud);

  // When it flows
  call.start();

  // Then
  expect(await loud.client.closed).toEqual({ code: 4_432, reason: 'bitrate-exceeded' });
  expect(loud.client.all('session-ended')[0]?.error).toMatchObject({
    code: 'bitrate-exceeded',
    details: { limit: 150_000 },
  });
  call.close();
  await quiet.client.until('participant-left', ({ sessionId }) => sessionId === loud.sessionId);
  expect(quiet.client.closeInfo).toBeUndefined();
  expect(await (await fetch(`${node.url}/metrics`)).text()).toMatch(
    /^meridian_gate_refused_total\{code="bitrate-exceeded"[^}]*\} 1$/m,
  );
});

test('nobody receives more streams at once than is allowed, and a further one comes when there is room', async () => {
  const node = await cluster.startNode('sin-1', { env: { MERIDIAN_MAX_CONSUMERS: '2' } });
  const room = roomId('crowd');
  const viewer = await cluster.join(node, 'sin-1', room);
  const speakers = [];
  for (let i = 0; i < 3; i += 1) {
    const speaker = await cluster.join(node, 'sin-1', room, { autoSubscribe: false });
    const { producerId } = await speaker.client.request('publish', {
      transportId: speaker.joined.sendTransport.id,
      kind: 'audio',
      source: 'microphone',
      rtpParameters: opusParameters(),
    });
    speakers.push({ ...speaker, producerId });
  }
  await eventually('two are received', () => viewer.client.all('consumer-opened').length === 2);
  await eventually('all three are known', () => viewer.client.all('producer-opened').length === 3);
  const heard = new Set(viewer.client.all('consumer-opened').map(({ producerId }) => producerId));
  const third = speakers.find(({ producerId }) => !heard.has(producerId));
  const first = speakers.find(({ producerId }) => heard.has(producerId));
  await expect(viewer.client.request('subscribe', { producerId: third?.producerId ?? '' })).rejects.toMatchObject({
    code: 'too-many-consumers',
  });

  await first?.client.request('leave', {});

  await viewer.client.until('consumer-opened', ({ producerId }) => producerId === third?.producerId);
});
