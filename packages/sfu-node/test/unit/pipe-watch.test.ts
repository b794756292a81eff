import { LinkId, NodeId, RoomId } from '@meridian/protocol';
import { describe, expect, test } from 'vitest';
import { PipeWatch } from '../../src/relay/pipe-watch.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { ORIGIN, RelayWorld } from '../support/relay-world.ts';

const ROOM = RoomId.parse('room');
const FAR = NodeId.parse('far-1');
const where = { roomId: ROOM, remoteNodeId: FAR };

/** One link whose two counters a test moves by hand. */
function world() {
  const clock = new FakeClock();
  const pipe = { linkId: LinkId.parse('link-1'), received: 0, sent: 0, answers: true, exists: true };
  const told: string[] = [];
  const watch = new PipeWatch({
    clock,
    links: () => (pipe.exists ? [{ ...where, linkId: pipe.linkId, received: async () => pipe.received }] : []),
    askSent: async () => {
      if (!pipe.answers) throw new Error('nobody answers');
      return new Map([[pipe.linkId, pipe.sent]]);
    },
    onDown: () => told.push('down'),
    onUp: () => told.push('up'),
    onReopen: () => told.push('reopen'),
  });
  /** Each second the origin sends and, if it comes through, the puller receives. */
  const seconds = async (count: number, flow: { sends: boolean; arrives: boolean }) => {
    for (let second = 0; second < count; second += 1) {
      if (flow.sends) pipe.sent += 1_000;
      if (flow.arrives) pipe.received += 1_000;
      await clock.pass(1_000);
    }
  };
  return { pipe, told, watch, seconds };
}

describe('a relay link through which nothing comes', () => {
  test('is down when the origin goes on sending, and up with the first that comes', async () => {
    const { told, watch, seconds } = world();
    await seconds(5, { sends: true, arrives: true });
    expect(told).toEqual([]);

    await seconds(12, { sends: true, arrives: false });
    expect(told).toEqual(['down']);
    expect(watch.isDown(where)).toBe(true);

    await seconds(3, { sends: true, arrives: true });
    expect(told).toEqual(['down', 'up']);
    expect(watch.isDown(where)).toBe(false);
  });

  test('is not down while nobody sends', async () => {
    const { told, seconds } = world();
    await seconds(5, { sends: true, arrives: true });

    await seconds(120, { sends: false, arrives: false });

    expect(told).toEqual([]);
  });

  test('is not down when what the origin has sent was only on its way', async () => {
    const { pipe, told, seconds } = world();
    await seconds(5, { sends: true, arrives: true });

    for (let report = 0; report < 10; report += 1) {
      // Seldom reports, each seen at the origin before it is seen here.
      pipe.sent += 60;
      await seconds(1, { sends: false, arrives: false });
      pipe.received += 60;
      await seconds(5, { sends: false, arrives: false });
    }

    expect(told).toEqual([]);
  });

  test('is down when the origin does not answer either', async () => {
    const { pipe, told, seconds } = world();
    await seconds(5, { sends: true, arrives: true });

    pipe.answers = false;
    await seconds(10, { sends: false, arrives: false });
    expect(told).toEqual(['down']);

    pipe.answers = true;
    await seconds(4, { sends: true, arrives: true });
    expect(told).toEqual(['down', 'up']);
  });

  test('is opened anew with growing pauses, and stays down over that', async () => {
    const { pipe, told, watch, seconds } = world();
    await seconds(5, { sends: true, arrives: true });

    for (let second = 0; second < 180; second += 1) {
      await seconds(1, { sends: true, arrives: false });
      if (told.at(-1) === 'reopen' && pipe.received > 0) Object.assign(pipe, { received: 0, sent: 0 });
    }
    expect(told.filter((one) => one === 'down')).toHaveLength(1);
    const reopened = told.filter((one) => one === 'reopen').length;
    expect(reopened).toBeGreaterThan(1);
    expect(reopened).toBeLessThan(6);

    // when the new link has another id and carries something
    Object.assign(pipe, { linkId: LinkId.parse('link-2'), received: 0 });
    await seconds(2, { sends: true, arrives: false });
    expect(watch.isDown(where)).toBe(true);
    await seconds(2, { sends: true, arrives: true });
    expect(watch.isDown(where)).toBe(false);
  });

  test('is forgotten when it ends', async () => {
    const { pipe, watch, seconds } = world();
    await seconds(5, { sends: true, arrives: true });
    await seconds(12, { sends: true, arrives: false });
    expect(watch.isDown(where)).toBe(true);

    pipe.exists = false;
    await seconds(2, { sends: false, arrives: false });

    expect(watch.isDown(where)).toBe(false);
  });

  test('is told to those who receive over it, shown to operators, and replaced', async () => {
    const world = await RelayWorld.start();
    world.pull(await world.publish());
    await world.clock.pass(50);
    const first = world.media.puller.relayEnds[0];
    if (first === undefined) throw new Error('no link');
    first.carried.bytesReceived = 1;
    first.flows = false;

    for (let second = 0; second < 12; second += 1) {
      for (const end of world.media.origin.relayEnds) end.carried.bytesSent += 1_000;
      await world.clock.pass(1_000);
    }
    expect(world.troubles).toEqual(['relay-silent']);
    expect(world.relays.puller.links()).toMatchObject([{ remoteNodeId: ORIGIN, down: true }]);

    for (let second = 0; second < 12; second += 1) {
      for (const end of world.media.origin.relayEnds) end.carried.bytesSent += 1_000;
      await world.clock.pass(1_000);
    }
    const second = world.media.puller.relayEnds[0];
    expect(first.closed).toBe(true);
    expect(second?.linkId).not.toBe(first.linkId);
    // This one carries what is sent.
    await world.clock.pass(3_000);
    expect(world.relays.puller.links()).toMatchObject([{ down: false }]);
    expect(world.media.origin.relayEnds).toHaveLength(1);
  });
});
