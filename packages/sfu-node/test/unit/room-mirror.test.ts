import type { Participant, ProducerInfo, RoomEvent, RoomSnapshot } from '@meridian/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RoomMirror } from '../../src/rooms/room-mirror.ts';
import { participant, producer, ROOM, RoomLog } from '../support/room-log.ts';

const at = <T>(items: readonly T[], index: number): T => {
  const item = items[index];
  if (item === undefined) throw new Error(`nothing at ${index}`);
  return item;
};

const types = (changes: readonly RoomEvent[]) => changes.map((change) => change.type);

function primed(log: RoomLog): RoomMirror {
  const mirror = new RoomMirror();
  mirror.replace(log.snapshot());
  return mirror;
}

const byId = <T extends Participant | ProducerInfo>(items: readonly T[]) =>
  [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

function expectSame(mirror: RoomMirror, snapshot: RoomSnapshot): void {
  expect(byId(mirror.participants)).toEqual(byId(snapshot.participants));
  expect(byId(mirror.producers)).toEqual(byId(snapshot.producers));
}

describe('a mirror of a room', () => {
  test('holds events that come before the first snapshot, and takes those that are younger', () => {
    const log = new RoomLog();
    log.join('ann');
    const snapshot = log.snapshot();
    log.join('bob');
    const mirror = new RoomMirror();

    for (const event of log.events) expect(mirror.apply(event)).toEqual({ outcome: 'held', gap: false });
    expect(types(mirror.replace(snapshot))).toEqual(['participant-joined', 'participant-joined']);

    expectSame(mirror, log.snapshot());
    expect(mirror.revision).toBe(log.revision);
  });

  test('takes each event once', () => {
    const log = new RoomLog();
    const mirror = primed(log);
    log.join('ann');
    const [event] = log.events;

    expect(mirror.apply(at(log.events, 0)).outcome).toBe('applied');
    expect(mirror.apply(at(log.events, 0))).toEqual({ outcome: 'stale' });
    expect(event?.revision).toBe(mirror.revision);
  });

  test('shows no stream of somebody whose arrival it has not heard of', () => {
    // Given a subscription that stood still: what comes then is taken as it comes
    const log = new RoomLog();
    const mirror = primed(log);
    mirror.loosen();
    log.join('ann');
    log.publish('mic', 'ann');

    // When the arrival was lost
    expect(mirror.apply(at(log.events, 1))).toEqual({ outcome: 'applied', changes: [] });

    // Then both come with the next snapshot
    expect(types(mirror.replace(log.snapshot()))).toEqual(['participant-joined', 'producer-opened']);
  });

  test('says when an event is missing, and is whole again after a snapshot', () => {
    const log = new RoomLog();
    const mirror = primed(log);
    log.join('ann');
    log.join('bob');
    log.leave('ann');

    expect(mirror.apply(at(log.events, 0)).outcome).toBe('applied');
    expect(mirror.apply(at(log.events, 2))).toEqual({ outcome: 'held', gap: true });
    mirror.expectSnapshot();
    const changes = mirror.replace(log.snapshot());

    expect(changes).toMatchObject([
      { type: 'participant-left', sessionId: 'ann' },
      { type: 'participant-joined', participant: { sessionId: 'bob' } },
    ]);
    expect(mirror.hasGap).toBe(false);
  });

  test('closes what a participant published when it leaves or comes back anew, also where no event says so', () => {
    const mirror = new RoomMirror();
    mirror.replace({
      ...new RoomLog().snapshot(),
      participants: [participant('ann')],
      producers: [producer('mic', 'ann')],
    });

    const anew = mirror.apply({
      roomId: ROOM,
      revision: 101,
      event: { type: 'participant-joined', participant: participant('ann', 2) },
    });
    expect(anew).toMatchObject({
      changes: [{ type: 'producer-closed', producerId: 'mic' }, { type: 'participant-joined' }],
    });
    mirror.apply({ roomId: ROOM, revision: 102, event: { type: 'producer-opened', producer: producer('cam', 'ann') } });
    const left = mirror.apply({
      roomId: ROOM,
      revision: 103,
      event: {
        type: 'participant-left',
        sessionId: participant('ann').sessionId,
        epoch: participant('ann', 2).epoch,
        reason: 'left',
      },
    });
    expect(left).toMatchObject({
      changes: [{ type: 'producer-closed', producerId: 'cam' }, { type: 'participant-left' }],
    });
  });

  test('an older attachment neither leaves for a newer one nor takes its place', () => {
    const mirror = new RoomMirror();
    mirror.replace({ ...new RoomLog().snapshot(), participants: [participant('ann', 5)] });
    const { sessionId } = participant('ann');

    const left = mirror.apply({
      roomId: ROOM,
      revision: 101,
      event: { type: 'participant-left', sessionId, epoch: participant('ann', 4).epoch, reason: 'left' },
    });
    const joined = mirror.apply({
      roomId: ROOM,
      revision: 102,
      event: { type: 'participant-joined', participant: participant('ann', 3) },
    });

    expect([left, joined]).toMatchObject([{ changes: [] }, { changes: [] }]);
    expect(mirror.participant(sessionId)?.epoch).toBe(5);
  });

  test('somebody who was put back under an older epoch is known by it, also where nobody heard that they were out', () => {
    // Given Ann, who came back from a move: the room knows her under a newer epoch than her node does
    const mirror = new RoomMirror();
    const first = { ...new RoomLog().snapshot(), participants: [{ ...participant('ann', 5), joinedAtMs: 1 }] };
    mirror.replace(first);
    const putBack = { ...participant('ann', 4), joinedAtMs: 1 };

    // When her node was taken for dead (101, not heard) and has put her back
    const joined = mirror.apply({
      roomId: ROOM,
      revision: 102,
      event: { type: 'participant-joined', participant: putBack },
    });
    expect(joined).toEqual({ outcome: 'held', gap: true });

    // Then a snapshot from before that changes nothing
    mirror.expectSnapshot();
    expect(mirror.replace({ ...first, revision: 99, participants: [putBack] })).toEqual([]);
    expect(mirror.participants).toMatchObject([{ epoch: 5 }]);

    // And the one that was read after it is the truth
    mirror.expectSnapshot();
    expect(types(mirror.replace({ ...first, revision: 102, participants: [putBack] }))).toEqual([
      'participant-updated',
    ]);
    expect(mirror.participants).toEqual([putBack]);
  });

  test('keeps the streams of who moves to another node, and says from where to where', () => {
    const log = new RoomLog();
    log.join('ann');
    log.publish('cam', 'ann');
    const mirror = primed(log);
    const begin = log.events.length;
    log.move('ann', 'sin-1');
    log.publish('cam-2', 'ann');
    log.settle('ann');

    const changes = log.events.slice(begin).flatMap((event) => {
      const applied = mirror.apply(event);
      return applied.outcome === 'applied' ? applied.changes : [];
    });

    expect(types(changes)).toEqual(['participant-updated', 'producer-opened', 'producer-closed']);
    expect(mirror.takeMoves()).toEqual([{ sessionId: 'ann', from: 'ams-1', to: 'sin-1' }]);
    expect(mirror.takeMoves()).toEqual([]);
    expectSame(mirror, log.snapshot());
  });

  test('a snapshot from before the last event brings nobody back', () => {
    const log = new RoomLog();
    const mirror = primed(log);
    log.join('ann');
    const old = log.snapshot();
    log.leave('ann');
    for (const event of log.events) mirror.apply(event);

    expect(mirror.merge(old)).toEqual([]);
    expect(mirror.participants).toEqual([]);
  });

  test('in the loose mode it takes what comes and believes nobody to be gone, until it is told so', () => {
    const log = new RoomLog(100);
    log.join('ann');
    log.join('bob');
    const mirror = primed(log);

    // Redis was lost; its new life knows Ann only, Bob's node has not announced him yet.
    const anew = new RoomLog(900);
    anew.join('ann');
    mirror.loosen();
    for (const event of anew.events) mirror.apply(event);
    expect(types(mirror.merge(anew.snapshot()))).toEqual([]);
    expect(mirror.participants.map((one) => one.sessionId)).toEqual(['ann', 'bob']);

    mirror.expectSnapshot();
    const changes = mirror.replace(anew.snapshot());
    expect(changes).toMatchObject([{ type: 'participant-left', sessionId: 'bob' }]);
    expect(mirror.mode).toBe('exact');
    expect(mirror.hasGap).toBe(false);
  });
});

type Step =
  | { readonly kind: 'deliver' | 'lose'; readonly count: number }
  | { readonly kind: 'merge' | 'replace'; readonly back: number }
  | { readonly kind: 'loosen' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('deliver' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const), count: fc.integer({ min: 1, max: 2 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('merge' as const, 'replace' as const),
      back: fc.integer({ min: -3, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('loosen' as const) }) },
);

/** A random history of three people, their moves and their streams. */
function history(choices: readonly number[]): RoomLog {
  const log = new RoomLog();
  let published = 0;
  for (const choice of choices) {
    const name = at(['ann', 'bob', 'cid'], choice % 3);
    const action = Math.floor(choice / 3) % 7;
    if (action <= 1) log.join(name);
    else if (action === 2) log.leave(name);
    else if (action === 5) log.move(name, choice % 2 === 0 ? 'sin-1' : 'nyc-1');
    else if (action === 6) log.settle(name);
    else if (action === 3) log.publish(`p${published++}`, name);
    else log.pause(`p${Math.max(0, published - 1)}`, choice % 2 === 0);
  }
  return log;
}

/** Everything a listener knows who folds the changes. */
class Listener {
  readonly people = new Map<string, number>();
  readonly streams = new Map<string, boolean>();

  hear(changes: readonly RoomEvent[]): void {
    for (const change of changes) {
      switch (change.type) {
        case 'participant-joined': {
          const { sessionId, epoch } = change.participant;
          expect(this.people.get(sessionId) ?? -1, 'joined twice').toBeLessThan(epoch);
          this.people.set(sessionId, epoch);
          break;
        }
        case 'participant-updated':
          expect(this.people.has(change.participant.sessionId), 'updated without having been there').toBe(true);
          this.people.set(change.participant.sessionId, change.participant.epoch);
          break;
        case 'participant-left':
          expect(this.people.delete(change.sessionId), 'left without having been there').toBe(true);
          break;
        case 'producer-opened':
          expect(this.streams.has(change.producer.producerId), 'opened twice').toBe(false);
          this.streams.set(change.producer.producerId, change.producer.paused);
          break;
        case 'producer-updated':
          expect(this.streams.get(change.producerId), 'updated to what it was').toBe(!change.paused);
          this.streams.set(change.producerId, change.paused);
          break;
        case 'producer-closed':
          expect(this.streams.delete(change.producerId), 'closed twice').toBe(true);
          break;
        default:
          break;
      }
    }
  }
}

describe('a mirror under any order of events, losses and snapshots', () => {
  test('ends up as the room is, and tells every change once', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 41 }), { maxLength: 40 }),
        fc.array(step, { maxLength: 30 }),
        fc.nat({ max: 10 }),
        (choices, steps, primeAt) => {
          const log = history(choices);
          const mirror = new RoomMirror();
          const listener = new Listener();
          const start = Math.min(primeAt, log.events.length);
          let next = Math.max(0, start - 2);
          let read = start;
          const replace = (snapshot: RoomSnapshot) => {
            mirror.expectSnapshot();
            listener.hear(mirror.replace(snapshot));
          };
          const deliver = () => {
            const event = log.events[next++];
            if (event === undefined) return;
            const applied = mirror.apply(event);
            if (applied.outcome === 'applied') listener.hear(applied.changes);
            // A snapshot that is read because of a gap is at least as young as the event that showed it.
            if (applied.outcome === 'held' && applied.gap) replace(at(log.snapshots, next));
          };
          deliver();
          listener.hear(mirror.replace(at(log.snapshots, start)));
          for (const one of steps) {
            switch (one.kind) {
              case 'deliver':
                for (let i = 0; i < one.count; i++) deliver();
                break;
              case 'lose':
                next += one.count;
                break;
              case 'loosen':
                mirror.loosen();
                break;
              case 'merge': {
                const snapshot = log.snapshots[next + one.back];
                if (snapshot !== undefined) listener.hear(mirror.merge(snapshot));
                break;
              }
              case 'replace': {
                // Never older than what was heard: Redis has answered after it published.
                read = Math.max(read, next) + Math.abs(one.back);
                const snapshot = log.snapshots[read];
                if (snapshot !== undefined) replace(snapshot);
                break;
              }
            }
          }
          while (next < log.events.length) deliver();
          if (mirror.mode === 'loose' || mirror.revision < log.revision) replace(log.snapshot());

          expectSame(mirror, log.snapshot());
          expect([...listener.people].sort()).toEqual(
            log
              .snapshot()
              .participants.map((one) => [one.sessionId as string, one.epoch as number])
              .sort(),
          );
          expect([...listener.streams].sort()).toEqual(
            log
              .snapshot()
              .producers.map((one) => [one.producerId as string, one.paused])
              .sort(),
          );
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
