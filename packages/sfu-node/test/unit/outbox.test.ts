import { ConsumerId, SessionId } from '@meridian/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeNotification, Outbox, type OutboxLine } from '../../src/signalling/outbox.ts';

interface Frame {
  readonly seq: number;
  readonly event: string;
  readonly data: { readonly sessionId?: string; readonly score?: number };
}

/** A connection that may be slow; what was sent over it arrived, unless it is cut. */
class Line implements OutboxLine {
  readonly frames: Frame[] = [];
  congested = false;

  send(text: string): void {
    this.frames.push(JSON.parse(text));
  }

  get seqs(): number[] {
    return this.frames.map((one) => one.seq);
  }
}

function outbox(keepBytes = 10_000) {
  const dropped: string[] = [];
  const box = new Outbox({ keepBytes, onDropped: (event) => dropped.push(event) });
  const line = new Line();
  box.connect(line, 0);
  return { box, line, dropped };
}

const left = (name: string) =>
  encodeNotification('participant-left', { sessionId: SessionId.parse(name), reason: 'left' });
const score = (name: string, value: number) =>
  encodeNotification('consumer-score', { consumerId: ConsumerId.parse(name), score: value, producerScore: 10 });
const closed = (name: string) => encodeNotification('consumer-closed', { consumerId: ConsumerId.parse(name) });

describe('the outbox', () => {
  test('numbers notifications from 1', () => {
    const { box, line } = outbox();
    box.notify(left('a'));
    box.notify(left('b'));
    expect(line.frames).toEqual([
      { t: 'ntf', seq: 1, event: 'participant-left', data: { sessionId: 'a', reason: 'left' } },
      { t: 'ntf', seq: 2, event: 'participant-left', data: { sessionId: 'b', reason: 'left' } },
    ]);
  });

  test('holds back what may be dropped while the reader is slow: the newest of each goes when there is room', () => {
    const { box, line, dropped } = outbox();
    line.congested = true;
    box.notify(left('a'));
    box.notify(score('x', 1));
    box.notify(score('x', 2));
    box.notify(score('y', 7));
    box.notify(left('b'));

    line.congested = false;
    box.flush();

    expect(dropped).toEqual(['consumer-score']);
    expect(line.frames.map((one) => [one.seq, one.event, one.data.score])).toEqual([
      [1, 'participant-left', undefined],
      [2, 'participant-left', undefined],
      [3, 'consumer-score', 2],
      [4, 'consumer-score', 7],
    ]);
  });

  test('does not tell the score of a consumer that was closed meanwhile', () => {
    const { box, line, dropped } = outbox();
    line.congested = true;
    box.notify(score('x', 1));
    box.notify(closed('x'));
    line.congested = false;
    box.flush();
    expect(line.frames.map((one) => one.event)).toEqual(['consumer-closed']);
    expect(dropped).toEqual(['consumer-score']);
  });

  test('sends the next connection what the last one swallowed, under the same numbers', () => {
    const { box, line } = outbox();
    for (const name of ['a', 'b', 'c']) box.notify(left(name));
    box.disconnect(line);
    box.notify(left('d'));

    const next = new Line();
    expect(box.canReplay(1)).toBe(true);
    box.connect(next, 1);
    box.notify(left('e'));

    expect(next.frames.map((one) => [one.seq, one.data.sessionId])).toEqual([
      [2, 'b'],
      [3, 'c'],
      [4, 'd'],
      [5, 'e'],
    ]);
    expect(line.seqs).toEqual([1, 2, 3]);
  });

  test('what may be dropped waits for the next connection, newer in place of older', () => {
    const { box, line, dropped } = outbox();
    box.disconnect(line);
    for (const value of [1, 2, 3]) box.notify(score('x', value));
    const next = new Line();
    box.connect(next, 0);
    expect(next.frames.map((one) => one.data.score)).toEqual([3]);
    expect(dropped).toHaveLength(2);
  });

  test('keeps no more than its bound: who is further behind cannot be served', () => {
    const { box, line } = outbox(1_000);
    box.disconnect(line);
    for (let index = 0; index < 100; index++) box.notify(left(`p${index}`));
    expect(box.keptBytes).toBeLessThanOrEqual(1_000);
    expect(box.canReplay(0)).toBe(false);
    expect(box.canReplay(99)).toBe(true);
    expect(box.canReplay(100)).toBe(true);
    expect(box.canReplay(101)).toBe(false);
  });

  test('forgets what the client has', () => {
    const { box } = outbox();
    for (const name of ['a', 'b', 'c']) box.notify(left(name));
    box.acknowledge(2);
    expect(box.canReplay(1)).toBe(false);
    expect(box.canReplay(2)).toBe(true);
    // A number that was never given says nothing.
    box.acknowledge(1_000);
    expect(box.canReplay(2)).toBe(true);
    box.acknowledge(3);
    expect(box.keptBytes).toBe(0);
  });

  test('a connection that is not its own any more does not cut it off', () => {
    const { box, line } = outbox();
    const next = new Line();
    box.connect(next, 0);
    box.disconnect(line);
    box.notify(left('a'));
    expect(next.seqs).toEqual([1]);
    expect(line.seqs).toEqual([]);
  });

  test('sends nothing after it was closed', () => {
    const { box, line, dropped } = outbox();
    line.congested = true;
    box.notify(score('x', 1));
    box.close();
    box.notify(left('d'));
    line.congested = false;
    box.flush();
    expect(line.frames).toEqual([]);
    expect(dropped).toEqual(['consumer-score']);
  });

  test('loses and doubles nothing over any breaks, acknowledgements and slow readers', () => {
    type Op =
      | { kind: 'tell' }
      | { kind: 'score' }
      | { kind: 'ack' }
      | { kind: 'slow'; on: boolean }
      | { kind: 'break'; lost: number };
    const op: fc.Arbitrary<Op> = fc.oneof(
      { weight: 5, arbitrary: fc.constant({ kind: 'tell' as const }) },
      { weight: 2, arbitrary: fc.constant({ kind: 'score' as const }) },
      { weight: 2, arbitrary: fc.constant({ kind: 'ack' as const }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('slow' as const), on: fc.boolean() }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('break' as const), lost: fc.nat(5) }) },
    );
    fc.assert(
      fc.property(fc.array(op, { maxLength: 60 }), (ops) => {
        const { box } = outbox(1_000_000);
        const heard: Frame[] = [];
        let line = new Line();
        box.connect(line, 0);
        let told = 0;
        let scored = 0;
        // The client takes what came over the line; the last few frames of a line that breaks are lost.
        const take = (lost = 0) => heard.push(...line.frames.splice(0, Math.max(0, line.frames.length - lost)));
        for (const one of ops) {
          switch (one.kind) {
            case 'tell':
              told += 1;
              box.notify(left(`p${told}`));
              break;
            case 'score':
              scored += 1;
              box.notify(score('x', scored));
              break;
            case 'ack':
              take();
              box.acknowledge(heard.at(-1)?.seq ?? 0);
              break;
            case 'slow':
              line.congested = one.on;
              box.flush();
              break;
            case 'break':
              take(one.lost);
              box.disconnect(line);
              line = new Line();
              expect(box.canReplay(heard.at(-1)?.seq ?? 0)).toBe(true);
              box.connect(line, heard.at(-1)?.seq ?? 0);
              break;
          }
        }
        line.congested = false;
        box.flush();
        take();
        expect(heard.map((frame) => frame.seq)).toEqual(heard.map((_, index) => index + 1));
        const names = heard.flatMap((frame) => frame.data.sessionId ?? []);
        expect(names).toEqual(Array.from({ length: told }, (_, index) => `p${index + 1}`));
        const scores = heard.flatMap((frame) => frame.data.score ?? []);
        expect(scores).toEqual([...scores].sort((a, b) => a - b));
        expect(scores.at(-1)).toBe(scored === 0 ? undefined : scored);
      }),
    );
  });
});
