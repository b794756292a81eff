import { eventually } from '@meridian/harness';
import type { ChatMessage, ProducerId } from '@meridian/protocol';
import { expect, onTestFinished } from 'vitest';
import { opusParameters } from '../../../src/light/rtp-parameters.ts';
import type { TestCall } from './call.ts';
import { Peer } from './peer.ts';

/** What is done to Redis; the returned function undoes it. */
export type Fault = () => Promise<() => Promise<void>>;

/**
 * The call goes on while Redis is away: its media, and what people of one node do. Afterwards everything agrees with what
 * runs, and nobody was lost or doubled.
 */
export async function callGoesOn(call: TestCall, strike: Fault): Promise<void> {
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

  const done = await peopleGoOn(call);
  await eventually(
    'the nodes have dropped out',
    async () => {
      const states = [...call.cluster.nodes.values()].map(async ({ url }) => (await fetch(`${url}/readyz`)).status);
      expect(await Promise.all(states)).toEqual([503, 503]);
    },
    { withinMs: 15_000 },
  );
  expect(call.bob.all('chat')).toEqual([]);

  await undo();
  await allAgree(call, before, done);
}

/** The same where Redis mends itself: a failover. What its replica had not got yet is put back by the nodes. */
export async function callFindsItself(call: TestCall, strike: () => Promise<void>): Promise<void> {
  const before = await call.counts();
  await strike();
  await allAgree(call, before, await peopleGoOn(call));
}

interface Done {
  /** What Ann published meanwhile. */
  readonly second: ProducerId;
  /** What Cid wrote meanwhile. */
  readonly lines: readonly ChatMessage[];
}

async function peopleGoOn(call: TestCall): Promise<Done> {
  const { ann, cid, mics } = call;
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
  const lines: ChatMessage[] = [];
  for (const text of ['one', 'two', 'three']) {
    lines.push((await cid.request('send-chat', { text })).message);
    await ann.until('chat', ({ message }) => message.text === text);
  }
  return { second, lines };
}

async function allAgree(call: TestCall, before: Awaited<ReturnType<TestCall['counts']>>, done: Done): Promise<void> {
  const { ann, bob, mics } = call;
  const { second, lines } = done;
  // And when Redis is itself again, everything is announced anew and agrees with what runs
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
}
