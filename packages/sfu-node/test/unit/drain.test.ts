import type { DrainProgress, NodeState } from '@meridian/protocol';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { Drain, type Guest, spreadOf } from '../../src/drain/drain.ts';
import { FakeClock } from '../support/fake-clock.ts';

class TestGuest implements Guest {
  readonly joined: object | undefined;
  hasMoved = false;
  readonly askedAt: number[] = [];
  endedAt: number | undefined;
  readonly #clock: FakeClock;
  readonly #startMs: number;

  constructor(clock: FakeClock, joined: object | undefined = {}) {
    this.#clock = clock;
    this.#startMs = clock.now();
    this.joined = joined;
  }

  ask(): void {
    this.askedAt.push(Math.round(this.#clock.now() - this.#startMs));
  }

  end(): void {
    this.endedAt = Math.round(this.#clock.now() - this.#startMs);
  }
}

function world({
  guests = 4,
  elsewhere = async () => true,
}: {
  guests?: number;
  elsewhere?: () => Promise<boolean>;
} = {}) {
  const clock = new FakeClock();
  const here = Array.from({ length: guests }, () => new TestGuest(clock));
  const told: { state: NodeState; drain: DrainProgress | undefined }[] = [];
  const drain = new Drain({
    clock,
    log: pino({ level: 'silent' }),
    guests: () => here.filter(({ endedAt }) => endedAt === undefined),
    hasElsewhere: () => elsewhere(),
    tell: async (state, progress) => {
      told.push({ state, drain: progress });
    },
    deadlineMs: 30_000,
  });
  const go = (guest: TestGuest | undefined) => {
    if (guest?.joined === undefined) throw new Error('nobody');
    drain.movedAway(guest.joined);
    here.splice(here.indexOf(guest), 1);
    drain.left();
  };
  return { clock, here, told, drain, go };
}

describe('a drain', () => {
  test('asks one after another, from the start to the end of the spread', async () => {
    const { clock, here, drain, told } = world({ guests: 5 });
    drain.start({ deadlineMs: 10_000, spreadMs: 4_000 });
    expect(told[0]).toMatchObject({ state: 'draining', drain: { sessions: 5, asked: 0, left: 5 } });
    await clock.pass(9_000);
    expect(here.map(({ askedAt }) => askedAt)).toEqual([[0], [1_000], [2_000], [3_000], [4_000]]);
    expect(drain.progress).toMatchObject({ asked: 5, moved: 0, left: 5 });
  });

  test('asks all at once where there is no spread', async () => {
    const { clock, here, drain } = world({ guests: 5 });
    drain.start({ spreadMs: 0 });
    await clock.pass(0);
    expect(here.map(({ askedAt }) => askedAt)).toEqual([[0], [0], [0], [0], [0]]);
  });

  test('leaves time to move for who is asked last, and asks more people in more time', () => {
    expect(spreadOf({}, 0, 30_000)).toBe(0);
    expect(spreadOf({}, 1, 30_000)).toBe(0);
    expect(spreadOf({}, 3, 30_000)).toBe(16_000);
    expect(spreadOf({}, 1_000, 30_000)).toBe(18_000);
    expect(spreadOf({ spreadMs: 60_000 }, 10, 30_000)).toBe(18_000);
  });

  test('lets one move come to its end before the next one begins, where there are few and nobody is in a hurry', async () => {
    const { clock, here, drain } = world({ guests: 3 });
    drain.start({ deadlineMs: 30_000 });
    await clock.pass(20_000);
    expect(here.map(({ askedAt }) => askedAt)).toEqual([[0], [8_000], [16_000]]);
  });

  test('is over as soon as nobody is left, and says who moved', async () => {
    const { clock, here, drain, go } = world({ guests: 2 });
    drain.start({ spreadMs: 0, deadlineMs: 10_000 });
    await clock.pass(0);
    const [ann, bob] = here;
    go(ann);
    await clock.pass(100);
    expect(drain.progress).toMatchObject({ moved: 1, left: 1 });
    go(bob);
    await clock.pass(0);
    expect(await drain.finished).toMatchObject({ sessions: 2, asked: 2, moved: 2, left: 0 });
    expect(drain.active).toBe(true);
  });

  test('tells the rest to go at the deadline', async () => {
    const { clock, here, drain, go } = world({ guests: 2 });
    drain.start({ spreadMs: 0, deadlineMs: 3_000 });
    await clock.pass(0);
    const [ann, bob] = here;
    go(ann);
    await clock.pass(2_999);
    expect(bob?.endedAt).toBeUndefined();
    await clock.pass(1);
    expect(bob?.endedAt).toBe(3_000);
    expect(await drain.finished).toMatchObject({ moved: 1, left: 1 });
  });

  test('asks who joins in the middle of it, and not who has not joined', async () => {
    const { clock, here, drain } = world({ guests: 1 });
    const waiting = new TestGuest(clock, undefined);
    const late = new TestGuest(clock);
    here.push(Object.assign(waiting, { joined: undefined }));
    drain.start({ spreadMs: 0 });
    await clock.pass(1_000);
    here.push(late);
    await clock.pass(300);
    expect(late.askedAt).toHaveLength(1);
    expect(waiting.askedAt).toEqual([]);
    await clock.pass(30_000);
    expect(waiting.endedAt).toBe(30_000);
  });

  test('asks again who came back', async () => {
    const { clock, here, drain } = world({ guests: 1 });
    const [ann] = here;
    drain.start({ spreadMs: 0 });
    await clock.pass(0);
    drain.movedAway(ann?.joined ?? {});
    expect(drain.progress?.moved).toBe(1);
    drain.cameBack(ann?.joined ?? {});
    await clock.pass(300);
    expect(drain.progress?.moved).toBe(0);
    expect(ann?.askedAt).toHaveLength(2);
  });

  test('does not wait until the deadline where nobody could go', async () => {
    const { clock, here, drain } = world({ guests: 2, elsewhere: async () => false });
    drain.start({});
    await clock.pass(2_900);
    expect(here.map(({ endedAt }) => endedAt)).toEqual([undefined, undefined]);
    await clock.pass(100);
    expect(here.map(({ askedAt, endedAt }) => [askedAt.length, endedAt])).toEqual([
      [0, 3_000],
      [0, 3_000],
    ]);
    expect(await drain.finished).toBeDefined();
  });

  test('cuts no call when the other nodes are not to be seen for a moment, as after Redis came back empty', async () => {
    let seen = false;
    const { clock, here, drain } = world({ guests: 1, elsewhere: async () => seen });
    drain.start({ spreadMs: 0 });
    await clock.pass(2_000);
    seen = true;
    await clock.pass(4_000);
    expect(here[0]?.askedAt).toHaveLength(1);
    expect(here[0]?.endedAt).toBeUndefined();
  });

  test('asks nobody while Redis is away, since nobody could move, and ends all the same', async () => {
    let away = true;
    const { clock, here, drain } = world({
      guests: 1,
      elsewhere: async () => {
        if (away) throw new Error('Redis is away');
        return true;
      },
    });
    drain.start({ spreadMs: 0, deadlineMs: 5_000 });
    await clock.pass(2_000);
    expect(here[0]?.askedAt).toEqual([]);
    away = false;
    await clock.pass(300);
    expect(here[0]?.askedAt).toHaveLength(1);
    away = true;
    await clock.pass(3_000);
    expect(here[0]?.endedAt).toBe(5_000);
  });

  test('hangs on nobody who does not answer: neither the other nodes nor the cluster', async () => {
    const { clock, here, drain } = world({ guests: 1, elsewhere: () => new Promise(() => {}) });
    drain.start({ deadlineMs: 1_000 });
    await clock.pass(1_000);
    expect(here[0]?.endedAt).toBe(1_000);
    expect(await drain.finished).toBeDefined();
  });

  test('is taken back: nobody else is asked, nobody is ended, new sessions come again', async () => {
    const { clock, here, drain, told } = world({ guests: 3 });
    drain.start({ spreadMs: 2_000, deadlineMs: 5_000 });
    await clock.pass(100);
    drain.cancel();
    await clock.pass(20_000);
    expect(here.map(({ askedAt, endedAt }) => [askedAt.length, endedAt])).toEqual([
      [1, undefined],
      [0, undefined],
      [0, undefined],
    ]);
    expect(drain.active).toBe(false);
    expect(told.at(-1)).toEqual({ state: 'ready', drain: undefined });
    expect(clock.pending).toBe(0);
  });

  test('that the process ends with cannot be taken back, and takes a running one over with the earlier end', async () => {
    const { clock, here, drain } = world({ guests: 1 });
    drain.start({ spreadMs: 0, deadlineMs: 60_000 });
    await clock.pass(1_000);
    drain.start({ deadlineMs: 5_000 }, { forGood: true });
    expect(() => drain.cancel()).toThrow('ending');
    await clock.pass(5_000);
    expect(here[0]?.askedAt).toHaveLength(1);
    expect(here[0]?.endedAt).toBe(6_000);
  });

  test('is hurried', async () => {
    const { clock, here, drain } = world({ guests: 1 });
    drain.start({ deadlineMs: 60_000 });
    await clock.pass(0);
    drain.hurry();
    expect(here[0]?.endedAt).toBe(0);
    expect(await drain.finished).toMatchObject({ left: 1 });
    expect(clock.pending).toBe(0);
  });
});
