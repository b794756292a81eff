import { MeridianError, NodeId, SessionId } from '@meridian/protocol';
import { describe, expect, test } from 'vitest';
import type { Pull } from '../../src/relay/wants.ts';
import { type Published, Subscriptions } from '../../src/rooms/subscriptions.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';

interface Opened {
  readonly id: string;
  readonly number: number;
}

function world({ most }: { most?: number } = {}) {
  const clock = new FakeClock();
  const published = new Map<string, Published>();
  const announced: string[] = [];
  const closed: string[] = [];
  const failures: string[] = [];
  const pulls: { id: string; released: boolean; gate: PromiseWithResolvers<void> }[] = [];
  let opened = 0;
  let consume = async (id: string): Promise<Opened> => ({ id, number: ++opened });
  const subscriptions = new Subscriptions<string, Published, Opened>({
    clock,
    random: () => 0.5,
    ...(most === undefined ? {} : { most }),
    onFailure: (id, error) => failures.push(`${id}: ${MeridianError.from(error).code}`),
    source: {
      find: (id) => published.get(id),
      isLocal: ({ nodeId }) => nodeId === 'here',
      pull: (id): Pull => {
        const pull = { id, released: false, gate: Promise.withResolvers<void>() };
        pull.gate.promise.catch(() => {});
        pulls.push(pull);
        return {
          ready: pull.gate.promise,
          release: () => {
            pull.released = true;
          },
        };
      },
      consume: (id) => consume(id),
      close: (one) => closed.push(`${one.id}#${one.number}`),
      announce: (one) => announced.push(`${one.id}#${one.number}`),
    },
  });
  return {
    clock,
    subscriptions,
    announced,
    closed,
    failures,
    pulls,
    publish: (id: string, nodeId = 'here') =>
      published.set(id, { sessionId: SessionId.parse('ann'), nodeId: NodeId.parse(nodeId) }),
    unpublish: (id: string) => published.delete(id),
    whenConsuming: (how: (id: string) => Promise<Opened>) => {
      consume = how;
    },
    next: () => ++opened,
  };
}

const codeOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => 'ok',
    (error: unknown) => MeridianError.from(error).code,
  );

describe('a subscription', () => {
  test('is one consumer, however often it is asked for', async () => {
    const { subscriptions, publish } = world();
    publish('mic');
    const [first, second] = await Promise.all([subscriptions.subscribe('mic'), subscriptions.subscribe('mic')]);
    expect(first).toBe(second);
    expect(await subscriptions.subscribe('mic')).toBe(first);
    expect(subscriptions.find((one) => one.number === first.number)).toEqual({ id: 'mic', opened: first });
  });

  test('of what nobody publishes is refused', async () => {
    const { subscriptions } = world();
    expect(await codeOf(subscriptions.subscribe('mic'))).toBe('producer-not-found');
  });

  test('of another node holds a claim on the relay for as long as it lives', async () => {
    const { subscriptions, publish, pulls, closed } = world();
    publish('cam', 'there');
    const subscribed = subscriptions.subscribe('cam');
    await settle();
    expect(pulls).toMatchObject([{ id: 'cam', released: false }]);
    pulls[0]?.gate.resolve();
    await subscribed;

    subscriptions.forget('cam');
    expect(pulls).toMatchObject([{ released: true }]);
    expect(closed).toEqual(['cam#1']);
  });

  test('that is given up while the relay is being made leaves nothing behind', async () => {
    const { subscriptions, publish, pulls, announced } = world();
    publish('cam', 'there');
    const subscribed = codeOf(subscriptions.subscribe('cam'));
    await settle();
    subscriptions.forget('cam');
    expect(await subscribed).toBe('closed');
    pulls[0]?.gate.resolve();
    await settle();
    expect(pulls).toMatchObject([{ released: true }]);
    expect(announced).toEqual([]);
  });

  test('that is given up while it is being opened is closed as soon as it is open', async () => {
    const { subscriptions, publish, whenConsuming, closed } = world();
    publish('mic');
    const gate = Promise.withResolvers<void>();
    whenConsuming(async (id) => {
      await gate.promise;
      return { id, number: 1 };
    });
    const subscribed = codeOf(subscriptions.subscribe('mic'));
    subscriptions.forget('mic');
    gate.resolve();
    expect(await subscribed).toBe('closed');
    expect(closed).toEqual(['mic#1']);
  });
});

describe('a subscription that is followed', () => {
  test('is announced, and opened and announced again when its consumer closes', async () => {
    const { subscriptions, publish, announced, clock, closed } = world();
    publish('mic');
    subscriptions.follow('mic');
    subscriptions.follow('mic');
    await settle();
    expect(announced).toEqual(['mic#1']);

    subscriptions.consumerClosed('mic', (one) => one.number === 1);
    await clock.pass(1_000);
    expect(announced).toEqual(['mic#1', 'mic#2']);
    expect(closed).toEqual([]);
    // A late word about the old one does not end the new one.
    subscriptions.consumerClosed('mic', (one) => one.number === 1);
    await clock.pass(1_000);
    expect(announced).toHaveLength(2);
  });

  test('is tried again until it works, and not for what is not published any more', async () => {
    const { subscriptions, publish, unpublish, announced, clock, whenConsuming, next, failures } = world();
    publish('mic');
    let broken = true;
    whenConsuming(async (id) => {
      if (broken) throw new MeridianError('worker-died');
      return { id, number: next() };
    });
    subscriptions.follow('mic');
    await clock.pass(3_000);
    expect(announced).toEqual([]);
    expect(failures.length).toBeGreaterThan(2);
    broken = false;
    await clock.pass(10_000);
    expect(announced).toEqual(['mic#1']);

    unpublish('mic');
    subscriptions.consumerClosed('mic', () => true);
    await clock.pass(60_000);
    expect(announced).toHaveLength(1);
    publish('mic');
    subscriptions.follow('mic');
    await settle();
    expect(announced).toEqual(['mic#1', 'mic#2']);
  });

  test('is given up where the device has no codec for it', async () => {
    const { subscriptions, publish, clock, whenConsuming, failures } = world();
    publish('cam');
    whenConsuming(() => Promise.reject(new MeridianError('cannot-consume')));
    subscriptions.follow('cam');
    await clock.pass(60_000);
    expect(failures).toEqual(['cam: cannot-consume']);
  });

  test('ends with the participant, and nothing is opened afterwards', async () => {
    const { subscriptions, publish, clock, pulls, announced, closed } = world();
    publish('mic');
    publish('cam', 'there');
    subscriptions.follow('mic');
    subscriptions.follow('cam');
    await settle();

    subscriptions.close();
    pulls[0]?.gate.resolve();
    await clock.pass(60_000);

    expect(announced).toEqual(['mic#1']);
    expect(closed).toEqual(['mic#1']);
    expect(pulls).toMatchObject([{ released: true }]);
    expect(clock.pending).toBe(0);
    expect(await codeOf(subscriptions.subscribe('mic'))).toBe('closed');
    subscriptions.follow('mic');
    await clock.pass(1_000);
    expect(announced).toHaveLength(1);
  });
});

describe('more than may be received at once', () => {
  test('is refused where it is asked for, and waits where it is followed', async () => {
    const { subscriptions, clock, publish, announced } = world({ most: 2 });
    for (const id of ['a', 'b', 'c']) publish(id);
    await subscriptions.subscribe('a');
    await subscriptions.subscribe('b');
    await expect(subscriptions.subscribe('c')).rejects.toMatchObject({ code: 'too-many-consumers' });
    // The one that is open already is no further one.
    await subscriptions.subscribe('a');

    subscriptions.follow('c');
    await settle();
    expect(announced).toEqual([]);
    subscriptions.forget('a');
    await clock.pass(10_000);
    expect(announced).toEqual(['c#3']);
  });
});
