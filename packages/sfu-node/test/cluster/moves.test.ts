import { eventually } from '@meridian/harness';
import { createMediaEngine } from '@meridian/media';
import { MeridianError, type NotificationName, type ProducerId, type RoomId } from '@meridian/protocol';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { callFrom, type Receiver, receive } from '../support/callers.ts';
import { Samples } from '../support/samples.ts';
import { type Joined, roomId, TestCluster } from '../support/test-cluster.ts';

let cluster: TestCluster;
let nodes: { ams: SfuNode; sin: SfuNode; nyc: SfuNode };
const idOf = { ams: 'ams-1', sin: 'sin-1', nyc: 'nyc-1' } as const;
type Name = keyof typeof idOf;

const engine = () =>
  createMediaEngine({
    workers: 1,
    webRtcServer: { listenIp: '127.0.0.1', port: 0 },
    pipe: { listenIp: '127.0.0.1', portRange: { min: 29_001, max: 31_000 } },
  });

const start = async (name: Name, env: Record<string, string> = {}) =>
  await cluster.startNode(idOf[name], { media: await engine(), env });

beforeAll(async () => {
  cluster = await TestCluster.start();
  nodes = {
    ams: await start('ams'),
    sin: await start('sin'),
    nyc: await start('nyc', { MERIDIAN_MOVE_TIMEOUT_MS: '400' }),
  };
});

afterAll(async () => {
  await cluster.stop();
});

const scrape = async (name: Name) => new Samples(await (await fetch(`${nodes[name].url}/metrics`)).text());
const join = (name: Name, room: RoomId) => cluster.join(nodes[name], idOf[name], room);
/** The second attachment of the same session, on another node. */
const move = (who: Joined, to: Name, room: RoomId) =>
  cluster.join(nodes[to], idOf[to], room, { sessionId: who.sessionId, handover: true });

/** What somebody was told that concerns who is in the room. */
const comings = ({ client }: Joined): NotificationName[] =>
  client.heard
    .map(({ event }) => event)
    .filter((event) => event === 'participant-joined' || event === 'participant-left');

/** Bob, who watches: takes every consumer that opens for him. */
async function watch(who: Joined): Promise<Receiver> {
  const first = await eventually('microphone and camera', () => {
    const opened = who.client.all('consumer-opened');
    return opened.length >= 2 ? { opened } : false;
  });
  const receiver = await receive(who, first.opened);
  for (const { consumerId } of first.opened) await who.client.request('resume-consumer', { consumerId });
  return receiver;
}

async function alsoWatch(who: Joined, receiver: Receiver, producerIds: readonly ProducerId[]): Promise<void> {
  for (const producerId of producerIds) {
    const opened = await who.client.until('consumer-opened', (one) => one.producerId === producerId);
    await receiver.add([opened]);
    await who.client.request('resume-consumer', { consumerId: opened.consumerId });
  }
}

describe('a move to another node, with real packets', () => {
  test.for([
    ['to the node of the one who watches', 'ams', 'sin', 'sin'],
    ['away from the node of the one who watches', 'ams', 'sin', 'ams'],
    ['between two nodes that are not his', 'ams', 'sin', 'nyc'],
  ] as const)('%s: she is one participant all the time, and never unseen', async ([_, from, to, watching]) => {
    // Given Ann, whom Bob sees and hears
    const room = roomId('move');
    const bob = await join(watching, room);
    const ann = await join(from, room);
    const call = await callFrom(ann);
    call.start();
    const viewer = await watch(bob);
    await eventually('she is seen', () => viewer.received('video') > 30);
    const before = bob.client.all('participant-joined').at(-1)?.participant;

    // When she moves: attached, joined with handover, published with `replaces`, seen, and only then gone from the former
    const moved = await move(ann, to, room);
    expect(moved.joined.self).toMatchObject({ sessionId: ann.sessionId, nodeId: idOf[to] });
    expect(moved.joined.self.joinedAtMs).toBe(ann.joined.self.joinedAtMs);
    expect(moved.joined.producers.map(({ nodeId }) => nodeId)).toEqual([idOf[from], idOf[from]]);
    const next = await callFrom(moved, { replaces: { audio: call.audioId, video: call.videoId } });
    next.start();
    await alsoWatch(bob, viewer, [next.audioId, next.videoId]);
    const replaced = bob.client.all('producer-opened').map(({ producer }) => producer.replaces);
    expect(replaced).toEqual([undefined, undefined, call.audioId, call.videoId]);
    const seen = viewer.receivedOf(next.videoId);
    await eventually('she is seen by the new way', () => viewer.receivedOf(next.videoId) > seen + 30);
    // The former way carries media as well, to the last.
    const formerly = viewer.receivedOf(call.videoId);
    await eventually('she is seen by the former way too', () => viewer.receivedOf(call.videoId) > formerly + 10);
    await ann.client.request('leave', {});
    expect(await ann.client.closed).toEqual({ code: 1_000, reason: 'left' });
    call.close();

    // Then Bob has seen her all the time and was told of no coming and going
    await bob.client.until('producer-closed', (one) => one.producerId === call.videoId);
    const after = viewer.receivedOf(next.videoId);
    await eventually('she is seen still', () => viewer.receivedOf(next.videoId) > after + 30);
    expect(comings(bob)).toEqual(['participant-joined']);
    expect(before).toMatchObject({ nodeId: idOf[from] });
    expect(bob.client.all('participant-updated')).toMatchObject([{ participant: { nodeId: idOf[to] } }]);
    expect(
      bob.client
        .all('producer-closed')
        .map(({ producerId }) => producerId)
        .sort(),
    ).toEqual([call.audioId, call.videoId].sort());
    const gap = viewer.longestGapMs('video');
    process.stdout.write(
      `${from} -> ${to}, watched on ${watching}: longest gap between video packets ${gap.toFixed(0)} ms\n`,
    );
    next.close();
    viewer.close();
    await Promise.all([moved.client.close(), bob.client.close()]);
    await eventually('nothing is left of it', async () => {
      const samples = await Promise.all([scrape('ams'), scrape('sin'), scrape('nyc')]);
      return samples.every(
        (of) => of.value('meridian_transports') === 0 && of.value('meridian_relay_links') === undefined,
      );
    });
    expect((await scrape(to)).value('meridian_moves_total', { outcome: 'arrived' })).toBeGreaterThan(0);
    expect((await scrape(from)).value('meridian_moves_total', { outcome: 'left' })).toBeGreaterThan(0);
  });
});

describe('a move that goes wrong', () => {
  test('is over when the client never leaves the former node: that half ends by itself, as moved', async () => {
    const room = roomId('lazy');
    const bob = await join('ams', room);
    const ann = await join('nyc', room);
    const moved = await move(ann, 'sin', room);
    expect(await ann.client.closed).toMatchObject({ code: 1_000 });
    expect(comings(bob)).toEqual(['participant-joined']);
    expect((await scrape('nyc')).value('meridian_moves_total', { outcome: 'timed-out' })).toBe(1);
    expect(await cluster.cluster.rooms.nodesOf(room)).not.toContain(idOf.nyc);
    await Promise.all([moved.client.close(), bob.client.close()]);
  });

  test('goes back to the former node when the new one is lost before the former was left', async () => {
    const room = roomId('back');
    const bob = await join('sin', room);
    const ann = await join('ams', room);
    const call = await callFrom(ann);
    call.start();
    const viewer = await watch(bob);
    const fourth = await cluster.startNode('lon-1', { media: await engine() });
    const moved = await cluster.join(fourth, 'lon-1', room, { sessionId: ann.sessionId, handover: true });
    await bob.client.until('participant-updated', ({ participant }) => participant.nodeId === 'lon-1');

    await fourth.close();

    await bob.client.until('participant-updated', ({ participant }) => participant.nodeId === idOf.ams);
    const seen = viewer.receivedOf(call.videoId);
    await eventually('she is seen as before', () => viewer.receivedOf(call.videoId) > seen + 20);
    expect(comings(bob)).toEqual(['participant-joined']);
    expect((await scrape('ams')).value('meridian_moves_total', { outcome: 'returned' })).toBe(1);
    expect(ann.client.closeInfo).toBeUndefined();
    expect((await moved.client.closed).code).toBe(4_501);
    // And whoever means her by the name that everybody knows her by, means her.
    const host = await cluster.join(nodes.sin, idOf.sin, room, {
      grants: { publish: true, subscribe: true, chat: true, moderate: true },
    });
    await host.client.request('kick', { sessionId: ann.sessionId });
    expect((await ann.client.closed).reason).toBe('session-kicked');
    await bob.client.until('participant-left', ({ reason }) => reason === 'kicked');
    call.close();
    viewer.close();
    await Promise.all([bob.client.close(), host.client.close()]);
  });

  test('is given up by the client: the participant is back where it was, at once', async () => {
    const room = roomId('given-up');
    const bob = await join('sin', room);
    const ann = await join('ams', room);
    const moved = await move(ann, 'sin', room);
    await bob.client.until('participant-updated', ({ participant }) => participant.nodeId === idOf.sin);
    await moved.client.request('leave', { back: true });
    expect(await moved.client.closed).toMatchObject({ code: 1_000 });
    await bob.client.until('participant-updated', ({ participant }) => participant.nodeId === idOf.ams);
    expect(comings(bob)).toEqual(['participant-joined']);
    // And may be moved again.
    const again = await move(ann, 'sin', room);
    await ann.client.request('leave', {});
    await again.client.request('leave', { back: true });
    await bob.client.until('participant-left', ({ reason }) => reason === 'moved');
    await bob.client.close();
  });

  test('ends with the participant, on both nodes', async () => {
    const room = roomId('both');
    const bob = await join('ams', room);
    const ann = await join('sin', room);
    const moved = await move(ann, 'ams', room);
    await moved.client.request('leave', {});
    expect(await ann.client.closed).toMatchObject({ code: 1_000 });
    await bob.client.until('participant-left', ({ reason }) => reason === 'left');
    expect(comings(bob)).toEqual(['participant-joined', 'participant-left']);
    await bob.client.close();
  });

  test('replaces only what is the same session’s and of the same source', async () => {
    const room = roomId('replaces');
    const [ann, bob] = [await join('ams', room), await join('sin', room)];
    const hers = await callFrom(ann);
    await bob.client.until('producer-opened', ({ producer }) => producer.producerId === hers.audioId);
    await expect(callFrom(bob, { replaces: { audio: hers.audioId } })).rejects.toMatchObject({ code: 'bad-request' });
    await expect(callFrom(bob, { replaces: { audio: hers.videoId } })).rejects.toBeInstanceOf(MeridianError);
    hers.close();
    await Promise.all([ann.client.close(), bob.client.close()]);
  });
});
