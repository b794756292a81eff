import { describe, expect, test } from 'vitest';
import { outcome, RelayWorld } from '../support/relay-world.ts';

describe('a relay that cannot be had', () => {
  test('closes the half that came up, tells of the trouble, and comes as soon as it can', async () => {
    let broken = true;
    const world = await RelayWorld.start({ fate: () => (broken ? 'redis-down' : 'arrives') });
    const a = await world.publish();

    const pull = world.pull(a);
    await world.clock.pass(100);
    expect(await outcome(pull.ready)).toBe('pending');
    expect(world.media.puller.relayEnds).toEqual([]);
    expect(world.troubles).toEqual(['cluster-unavailable']);

    broken = false;
    await world.clock.pass(1_000);
    expect(await outcome(pull.ready)).toBe('ready');
    expect(world.troubles).toHaveLength(1);
  });

  test('is tried less and less often, and not at all when nobody wants it', async () => {
    const world = await RelayWorld.start({ fate: () => 'redis-down' });
    const a = await world.publish();
    const pull = world.pull(a);

    await world.clock.pass(60_000);
    const attempts = world.sent('relay.open');
    expect(attempts).toBeGreaterThan(5);
    expect(attempts).toBeLessThan(20);

    pull.release();
    await world.clock.pass(20_000);
    const after = world.sent('relay.open');
    await world.clock.pass(60_000);
    expect(world.sent('relay.open')).toBe(after);
    expect(world.media.puller.relayEnds).toEqual([]);
  });

  test('when the answer is lost, the origin does not keep its half', async () => {
    let lose = true;
    const world = await RelayWorld.start({
      fate: (method) => (lose && method === 'relay.open' ? 'reply-lost' : 'arrives'),
    });
    const a = await world.publish();

    const pull = world.pull(a);
    await world.clock.pass(500);
    expect(world.media.origin.relayEnds).toHaveLength(1);
    lose = false;
    await world.clock.pass(5_000);

    expect(await outcome(pull.ready)).toBe('ready');
    expect(world.media.origin.relayEnds).toHaveLength(1);
    expect(world.media.puller.relayEnds).toHaveLength(1);
    expect(world.media.origin.relayEnds[0]?.linkId).toBe(world.media.puller.relayEnds[0]?.linkId);
  });

  test('when neither the answer nor the goodbye gets through, the next link takes the place of what was left', async () => {
    let lose = true;
    const world = await RelayWorld.start({
      fate: (method) =>
        lose && method === 'relay.open' ? 'reply-lost' : method === 'relay.close' ? 'request-lost' : 'arrives',
    });
    const a = await world.publish();
    world.pull(a);
    await world.clock.pass(500);
    lose = false;
    await world.clock.pass(3_500);

    expect(world.media.origin.relayEnds.map((end) => end.linkId)).toEqual([world.media.puller.relayEnds[0]?.linkId]);
  });

  test('when the origin cannot open its half, nothing stays on either side', async () => {
    let fails = true;
    const world = await RelayWorld.start({ fails: (what) => fails && what === 'connect' });
    const a = await world.publish();

    const pull = world.pull(a);
    await world.clock.pass(100);
    expect(world.media.origin.relayEnds).toEqual([]);
    expect(world.media.puller.relayEnds).toEqual([]);

    fails = false;
    await world.clock.pass(2_000);
    expect(await outcome(pull.ready)).toBe('ready');
  });
});

describe('a relay that breaks', () => {
  test('is opened anew when this half dies, while somebody wants it', async () => {
    const world = await RelayWorld.start();
    const a = await world.publish();
    world.pull(a);
    await world.clock.pass(50);
    const before = world.media.puller.relayEnds[0]?.linkId;

    world.media.puller.relayEnds[0]?.close();
    const late = world.pull(a);
    expect(await outcome(late.ready)).toBe('pending');
    await world.clock.pass(1_000);
    expect(await outcome(late.ready)).toBe('ready');

    expect(world.media.puller.relayEnds).toHaveLength(1);
    expect(world.media.origin.relayEnds).toHaveLength(1);
    expect(world.media.puller.relayEnds[0]?.linkId).not.toBe(before);
    expect(world.pullerRoom.hasProducer(a)).toBe(true);
  });

  test('is opened anew when the other half dies', async () => {
    const world = await RelayWorld.start();
    const a = await world.publish();
    world.pull(a);
    await world.clock.pass(50);

    world.media.origin.relayEnds[0]?.close();
    await world.clock.pass(1_000);

    expect(world.media.puller.relayEnds).toHaveLength(1);
    expect(world.media.origin.relayEnds).toHaveLength(1);
    expect(world.pullerRoom.hasProducer(a)).toBe(true);
    expect(world.ended).toContain('origin: media-closed');
  });

  test('an orphan whose other half does not know it is found and closed', async () => {
    let deaf = false;
    const world = await RelayWorld.start({
      fate: (method) => (deaf && method === 'relay.close' ? 'request-lost' : 'arrives'),
    });
    const a = await world.publish();
    const pull = world.pull(a);
    await world.clock.pass(50);

    // The puller lets go, but the origin never hears of it.
    deaf = true;
    pull.release();
    await world.clock.pass(1_000);
    expect(world.media.puller.relayEnds).toEqual([]);
    expect(world.media.origin.relayEnds).toHaveLength(1);

    await world.clock.pass(6_000);
    expect(world.media.origin.relayEnds).toEqual([]);
    expect(world.ended).toContain('origin: peer-forgot');
  });

  test('the origin closes its half when nobody listens where the puller was', async () => {
    const world = await RelayWorld.start();
    const a = await world.publish();
    world.pull(a);
    await world.clock.pass(50);

    world.bus.kill('puller');
    await world.clock.pass(11_000);
    expect(world.media.origin.relayEnds).toHaveLength(1);
    await world.clock.pass(10_000);

    expect(world.media.origin.relayEnds).toEqual([]);
    expect(world.ended).toContain('origin: peer-gone');
  });

  test('runs on when Redis does not answer', async () => {
    let down = false;
    const world = await RelayWorld.start({ fate: () => (down ? 'redis-down' : 'arrives') });
    const [a, b] = [await world.publish(), await world.publish('camera')];
    world.pull(a);
    await world.clock.pass(50);

    down = true;
    const late = world.pull(b);
    await world.clock.pass(60_000);
    expect(world.media.puller.relayEnds).toHaveLength(1);
    expect(world.pullerRoom.hasProducer(a)).toBe(true);
    expect(world.ended).toEqual([]);

    down = false;
    await world.clock.pass(10_000);
    expect(await outcome(late.ready)).toBe('ready');
    expect(world.sent('relay.open')).toBe(1);
  });
});

describe('a stream that cannot be relayed', () => {
  test.each(['offer', 'accept'])('takes nothing from those that run, and comes when it can: %s', async (step) => {
    // Given one stream over a link
    let fails = false;
    const world = await RelayWorld.start({ fails: (what) => fails && what === step });
    const [a, b] = [await world.publish('microphone'), await world.publish('camera')];
    world.pull(a);
    await world.clock.pass(50);
    const linkId = world.media.puller.relayEnds[0]?.linkId;

    // When another one cannot be put onto it, or taken off it
    fails = true;
    const pull = world.pull(b);
    await world.clock.pass(2_000);

    // Then the first one runs on over the same link, nobody is told of trouble, and the other one is tried now and then
    expect(await outcome(pull.ready)).toBe('pending');
    expect(world.pullerRoom.hasProducer(a)).toBe(true);
    expect(world.pullerRoom.hasProducer(b)).toBe(false);
    expect(world.media.puller.relayEnds.map((end) => end.linkId)).toEqual([linkId]);
    expect(world.ended).toEqual([]);
    expect(world.troubles).toEqual([]);
    expect(world.sent('relay.pull')).toBeGreaterThan(1);
    expect(world.sent('relay.pull')).toBeLessThan(10);

    // And once it can be had, it comes
    fails = false;
    await world.clock.pass(9_000);
    expect(await outcome(pull.ready)).toBe('ready');
    expect(world.pullerRoom.hasProducer(b)).toBe(true);
    expect(world.sent('relay.open')).toBe(1);
  });

  test('is tried no more when nobody wants it, and the origin does not send it for nobody', async () => {
    let fails = false;
    const world = await RelayWorld.start({ fails: (what) => fails && what === 'accept' });
    const [a, b] = [await world.publish('microphone'), await world.publish('camera')];
    world.pull(a);
    await world.clock.pass(50);
    fails = true;
    const pull = world.pull(b);
    await world.clock.pass(500);

    pull.release();
    await world.clock.pass(1_000);
    const asked = world.sent('relay.pull');
    await world.clock.pass(20_000);

    expect(world.sent('relay.pull')).toBe(asked);
    expect(world.media.origin.relayEnds[0]?.producerIds).toEqual([a]);
  });

  test('because it ends on its way, takes nothing from those that run', async () => {
    // Given one stream over a link, and another one that is being taken off it
    const world = await RelayWorld.start();
    const [a, b] = [await world.publish('microphone'), await world.publish('camera')];
    world.pull(a);
    await world.clock.pass(50);
    const end = world.media.puller.relayEnds[0];
    const accepted = end?.slowAccept();
    const pull = world.pull(b);
    await world.clock.pass(50);

    // When it closes at its origin before it is here
    world.publisher.closeProducer(b);
    await world.clock.pass(50);
    accepted?.resolve();
    await world.clock.pass(1_000);

    // Then its claim is void, and the first one runs on over the same link
    expect(await outcome(pull.ready)).toBe('producer-not-found');
    expect(world.media.puller.relayEnds).toEqual([end]);
    expect(world.pullerRoom.hasProducer(a)).toBe(true);
    expect(world.pullerRoom.hasProducer(b)).toBe(false);
    expect(world.ended).toEqual([]);
  });
});
