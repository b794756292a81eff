import { ProducerId } from '@meridian/protocol';
import { describe, expect, test } from 'vitest';
import { dataItem } from '../../src/relay/relay-item.ts';
import { ORIGIN, outcome, PULLER, RelayWorld, ROOM } from '../support/relay-world.ts';

describe('a relay link', () => {
  test('opens once for everything that is wanted in the same turn, with one message', async () => {
    const world = await RelayWorld.start();
    const [a, b, c] = [await world.publish(), await world.publish('camera'), await world.publish('screen')];

    const pulls = [a, b, c, a].map((id) => world.pull(id));
    await world.clock.pass(50);

    expect(await Promise.all(pulls.map((pull) => outcome(pull.ready)))).toEqual(['ready', 'ready', 'ready', 'ready']);
    expect(world.sent('relay.open')).toBe(1);
    expect(world.sent('relay.pull')).toBe(0);
    expect(world.media.origin.relayEnds).toHaveLength(1);
    expect(world.media.puller.relayEnds).toHaveLength(1);
    expect([a, b, c].every((id) => world.pullerRoom.hasProducer(id))).toBe(true);
  });

  test('takes what is wanted while it opens with the next message, not with a second link', async () => {
    const world = await RelayWorld.start({ delayMs: () => 10 });
    const [a, b] = [await world.publish(), await world.publish('camera')];

    const first = world.pull(a);
    // This half is up (two steps), the origin has been asked.
    await world.clock.pass(25);
    expect(world.sent('relay.open')).toBe(1);
    const second = world.pull(b);
    await world.clock.pass(200);

    expect([await outcome(first.ready), await outcome(second.ready)]).toEqual(['ready', 'ready']);
    expect(world.sent('relay.open')).toBe(1);
    expect(world.sent('relay.pull')).toBe(1);
  });

  test('lets a stream go after the grace when its last claim is released, and keeps the others', async () => {
    const world = await RelayWorld.start();
    const [a, b] = [await world.publish(), await world.publish('camera')];
    const [one, two, other] = [world.pull(a), world.pull(a), world.pull(b)];
    await world.clock.pass(50);

    one.release();
    one.release();
    await world.clock.pass(500);
    expect(world.pullerRoom.hasProducer(a)).toBe(true);

    two.release();
    await world.clock.pass(50);
    expect(world.pullerRoom.hasProducer(a)).toBe(true);
    await world.clock.pass(100);
    expect(world.pullerRoom.hasProducer(a)).toBe(false);
    expect(world.media.origin.relayEnds[0]?.producerIds).toEqual([b]);

    other.release();
    await world.clock.pass(200);
    expect(world.media.origin.relayEnds).toEqual([]);
    expect(world.media.puller.relayEnds).toEqual([]);
    expect(world.ended.sort()).toEqual(['origin: peer-closed', 'puller: unwanted']);
  });

  test('serves a claim that comes within the grace without a message', async () => {
    const world = await RelayWorld.start();
    const a = await world.publish();
    const first = world.pull(a);
    await world.clock.pass(50);
    first.release();
    await world.clock.pass(50);
    const sentBefore = world.bus.sent.length;

    const again = world.pull(a);

    expect(await outcome(again.ready)).toBe('ready');
    await world.clock.pass(1_000);
    expect(world.bus.sent.length).toBe(sentBefore);
    expect(world.pullerRoom.hasProducer(a)).toBe(true);
  });

  test('refuses what the origin does not have, and serves the rest', async () => {
    const world = await RelayWorld.start();
    const a = await world.publish();

    const [there, gone] = [world.pull(a), world.pull(ProducerId.parse('gone'))];
    await world.clock.pass(50);

    expect([await outcome(there.ready), await outcome(gone.ready)]).toEqual(['ready', 'producer-not-found']);
    expect(world.sent('relay.open')).toBe(1);
  });

  test('carries data producers', async () => {
    const world = await RelayWorld.start();
    const id = await world.publishData('reactions');

    const pull = world.relays.puller.pull(ROOM, ORIGIN, dataItem(id));
    await world.clock.pass(50);

    expect(await outcome(pull.ready)).toBe('ready');
    expect(world.pullerRoom.hasDataProducer(id)).toBe(true);
    world.publisher.closeDataProducer(id);
    await world.clock.pass(50);
    expect(world.pullerRoom.hasDataProducer(id)).toBe(false);
  });
});

describe('letting go', () => {
  test('is said again until the origin has heard it', async () => {
    let deaf = true;
    const world = await RelayWorld.start({
      fate: (method) => (deaf && method === 'relay.unpull' ? 'request-lost' : 'arrives'),
    });
    const [a, b] = [await world.publish(), await world.publish('camera')];
    const pull = world.pull(a);
    world.pull(b);
    await world.clock.pass(50);

    pull.release();
    await world.clock.pass(1_000);
    expect(world.pullerRoom.hasProducer(a)).toBe(false);
    expect(world.media.origin.relayEnds[0]?.producerIds).toEqual([a, b]);

    deaf = false;
    await world.clock.pass(10_000);
    expect(world.media.origin.relayEnds[0]?.producerIds).toEqual([b]);
  });

  test('and wanting again before it has happened finds the stream where it was', async () => {
    const world = await RelayWorld.start({ delayMs: () => 10 });
    const [a, b, c] = [await world.publish(), await world.publish('camera'), await world.publish('screen')];
    const pull = world.pull(a);
    world.pull(b);
    await world.clock.pass(200);

    // The grace of one ends while the other is being pulled: the loop has not come to it yet.
    pull.release();
    await world.clock.pass(95);
    world.pull(c);
    await world.clock.pass(10);
    const again = world.pull(a);

    expect(await outcome(again.ready)).toBe('ready');
    await world.clock.pass(1_000);
    expect(world.sent('relay.unpull')).toBe(0);
    expect(world.pullerRoom.hasProducer(a)).toBe(true);
  });
});

describe('what happens at the origin', () => {
  test('pause and resume are mirrored, also when the notice is lost', async () => {
    let deaf = false;
    const world = await RelayWorld.start({ fate: () => (deaf ? 'request-lost' : 'arrives') });
    const a = await world.publish();
    world.pull(a);
    await world.clock.pass(50);
    const end = world.media.puller.relayEnds[0];

    await Promise.all([world.publisher.pauseProducer(a), world.clock.pass(20)]);
    expect(end?.pausedOf(a)).toBe(true);

    deaf = true;
    await Promise.all([world.publisher.resumeProducer(a), world.clock.pass(20)]);
    expect(end?.pausedOf(a)).toBe(true);
    // The room's events say the same.
    world.relays.puller.producerPaused(ROOM, a, false);
    await world.clock.pass(20);
    expect(end?.pausedOf(a)).toBe(false);
  });

  test('a producer that pauses while it is being relayed arrives paused', async () => {
    const world = await RelayWorld.start({ delayMs: () => 10 });
    const a = await world.publish();
    world.pull(a);

    // The offer has been made; the answer is on its way.
    await world.clock.pass(45);
    await Promise.all([world.publisher.pauseProducer(a), world.clock.pass(300)]);

    expect(world.media.puller.relayEnds[0]?.pausedOf(a)).toBe(true);
  });

  test('a producer that closes is closed here and its claim is void', async () => {
    const world = await RelayWorld.start();
    const [a, b] = [await world.publish(), await world.publish('camera')];
    world.pull(a);
    world.pull(b);
    await world.clock.pass(50);

    world.publisher.closeProducer(a);
    await world.clock.pass(50);
    expect(world.pullerRoom.hasProducer(a)).toBe(false);
    expect(world.pullerRoom.hasProducer(b)).toBe(true);

    // The same by the room's events alone.
    world.relays.puller.producerClosed(ROOM, b);
    await world.clock.pass(50);
    expect(world.pullerRoom.hasProducer(b)).toBe(false);
    await world.clock.pass(1_000);
    expect(world.media.puller.relayEnds).toEqual([]);
    expect(world.media.origin.relayEnds).toEqual([]);
  });

  test('links end when a node has nobody in the room any more', async () => {
    const world = await RelayWorld.start();
    world.pull(await world.publish());
    await world.clock.pass(50);

    world.relays.origin.nodeLeftRoom(ROOM, PULLER);
    world.relays.puller.nodeLeftRoom(ROOM, ORIGIN);
    await world.clock.pass(50);

    expect([...world.media.origin.relayEnds, ...world.media.puller.relayEnds]).toEqual([]);
  });

  test('only the two nodes of a link may speak of it', async () => {
    const world = await RelayWorld.start();
    const a = await world.publish();
    world.pull(a);
    await world.clock.pass(50);
    const linkId = world.media.origin.relayEnds[0]?.linkId;
    if (linkId === undefined) throw new Error('no link');
    const stranger = world.bus.inbox('stranger');

    const asked = Promise.all([
      stranger.request(ORIGIN, 'relay.close', { linkId, reason: 'malice' }),
      stranger.request(ORIGIN, 'relay.unpull', { linkId, producerIds: [a], dataProducerIds: [] }),
      stranger.request(ORIGIN, 'relay.check', { linkIds: [linkId] }),
      stranger
        .request(ORIGIN, 'relay.pull', { roomId: ROOM, linkId, producerIds: [a], dataProducerIds: [] })
        .catch((error: unknown) => error),
    ]);
    await world.clock.pass(50);
    const [, , checked, pulled] = await asked;

    expect(checked.unknown).toEqual([linkId]);
    expect(pulled).toMatchObject({ code: 'not-found' });
    expect(world.media.origin.relayEnds[0]?.producerIds).toEqual([a]);
  });

  test('relay.list tells operators of both kinds of links', async () => {
    const world = await RelayWorld.start();
    world.pull(await world.publish());
    await world.clock.pass(50);
    const operator = world.bus.inbox('operator');

    const asked = Promise.all([operator.request(ORIGIN, 'relay.list', {}), operator.request(PULLER, 'relay.list', {})]);
    await world.clock.pass(50);
    const [atOrigin, atPuller] = await asked;

    expect(atOrigin.links).toMatchObject([{ role: 'origin', remoteNodeId: 'puller', producers: 1, rttMs: 20 }]);
    expect(atPuller.links).toMatchObject([{ role: 'puller', remoteNodeId: 'origin', producers: 1, rttMs: 20 }]);
  });
});
