import { eventually } from '@meridian/harness';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { opusParameters } from '../../src/light/rtp-parameters.ts';
import { startCall, startCluster, type TestCall } from './outages/call.ts';
import { Peer } from './outages/peer.ts';

let cluster: Awaited<ReturnType<typeof startCluster>>;
let call: TestCall;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster?.remove());
beforeEach(async () => {
  call = await startCall(cluster);
});
afterEach(() => call?.end());

/** What is done to Redis; the returned function undoes it. */
type Fault = () => Promise<() => Promise<void>>;

const FAULTS: readonly (readonly [string, Fault])[] = [
  [
    'killed and started again empty',
    async () => {
      await cluster.redis.kill();
      return () => cluster.redis.startAgain();
    },
  ],
  [
    'frozen for longer than a lease',
    async () => {
      await cluster.redis.freeze();
      return async () => cluster.redis.thaw();
    },
  ],
  ['out of memory', () => cluster.redis.refuseWrites('oom')],
  ['unable to save its data', () => cluster.redis.refuseWrites('misconf')],
  ['a replica that takes no writes', () => cluster.redis.refuseWrites('readonly')],
  [
    'reading its data from disk',
    async () => {
      const { done } = await cluster.redis.load(6_000);
      return () => done;
    },
  ],
];

describe('a call over two nodes while Redis is', () => {
  test.each(FAULTS)('%s', async (_what, strike) => {
    const { ann, bob, cid, mics } = call;
    const before = await call.counts();

    // When it happens
    const undone = await strike();
    let isUndone = false;
    const undo = async () => {
      if (!isUndone) await undone();
      isUndone = true;
    };
    onTestFinished(undo);
    await eventually(
      'newcomers are asked to come back, with a time',
      async () => {
        const refusal = await call.refusal();
        expect(refusal).toMatchObject({ status: 503, code: 'cluster-unavailable' });
        expect(refusal?.retryAfterS).toBeGreaterThan(0);
      },
      { withinMs: 15_000 },
    );

    // Then the call goes on: its media
    await call.mediaFlows();
    // and what people of one node do: they mute, publish, stop publishing, and write to each other
    await ann.request('pause-producer', { producerId: mics.ann });
    await cid.until('producer-updated', ({ producerId, paused }) => producerId === mics.ann && paused);
    await ann.request('resume-producer', { producerId: mics.ann });
    await cid.until('producer-updated', ({ producerId, paused }) => producerId === mics.ann && !paused);
    const { producerId: second } = await ann.request('publish', {
      transportId: ann.joined.sendTransport.id,
      kind: 'audio',
      source: 'screen-audio',
      rtpParameters: { ...opusParameters(77, 'second'), mid: '7' },
    });
    await cid.until('consumer-opened', ({ producerId }) => producerId === second);
    const lines = [];
    for (const text of ['one', 'two', 'three']) {
      lines.push((await cid.request('send-chat', { text })).message);
      await ann.until('chat', ({ message }) => message.text === text);
    }
    await eventually(
      'the nodes have dropped out',
      async () => {
        const states = [...cluster.nodes.values()].map(async ({ url }) => (await fetch(`${url}/readyz`)).status);
        expect(await Promise.all(states)).toEqual([503, 503]);
      },
      { withinMs: 15_000 },
    );
    expect(bob.all('chat')).toEqual([]);

    // And when Redis is itself again, everything is announced anew and agrees with what runs
    await undo();
    await call.expectState({ producers: [...Object.values(mics), second] });
    await bob.until('consumer-opened', ({ producerId }) => producerId === second);
    await bob.until('chat', ({ message }) => message.text === 'three');
    expect(bob.all('chat').map(({ message }) => message)).toEqual(lines);
    await call.mediaFlows();
    await ann.request('unpublish', { producerId: second });
    await call.expectState({ producers: Object.values(mics) });
    await call.expectCounts(before);
    call.expectNobodyLeft();

    // And people get in and out again
    const eve = await eventually(
      'a newcomer gets in',
      () => Peer.join({ url: call.url, room: call.room, name: 'Eve', region: 'ap-southeast' }),
      { withinMs: 20_000, everyMs: 250 },
    );
    await ann.until('participant-joined', ({ participant }) => participant.sessionId === eve.sessionId);
    expect(eve.joined.participants).toHaveLength(4);
    await eve.leave();
    await ann.until('participant-left', ({ sessionId }) => sessionId === eve.sessionId);
    await call.expectCounts(before);
  });
});
