import { ConsumerId, SessionId } from '@meridian/protocol';
import { describe, expect, test } from 'vitest';
import { encodeNotification, Outbox } from '../../src/signalling/outbox.ts';
import { FakeSocket } from '../support/fake-socket.ts';

function outbox(limits: { soft: number; hard: number }) {
  const socket = new FakeSocket();
  const dropped: string[] = [];
  let slow = 0;
  const box = new Outbox({
    socket,
    softLimitBytes: limits.soft,
    hardLimitBytes: limits.hard,
    onSlowReader: () => {
      slow += 1;
    },
    onDropped: (event) => dropped.push(event),
  });
  return { socket, box, dropped, slow: () => slow };
}

const left = (name: string) =>
  encodeNotification('participant-left', { sessionId: SessionId.parse(name), reason: 'left' });
const score = (name: string, value: number) =>
  encodeNotification('consumer-score', { consumerId: ConsumerId.parse(name), score: value, producerScore: 10 });

describe('the outbox', () => {
  test('numbers notifications, not replies', () => {
    const { box, socket } = outbox({ soft: 1_000, hard: 10_000 });
    box.notify(left('a'));
    box.reply({ t: 'pong', id: 4 });
    box.notify(left('b'));
    expect(socket.frames).toEqual([
      { t: 'ntf', seq: 1, event: 'participant-left', data: { sessionId: 'a', reason: 'left' } },
      { t: 'pong', id: 4 },
      { t: 'ntf', seq: 2, event: 'participant-left', data: { sessionId: 'b', reason: 'left' } },
    ]);
  });

  test('holds back what may be dropped while the reader is slow: the newest of each goes when there is room', () => {
    const { box, socket, dropped } = outbox({ soft: 50, hard: 100_000 });
    socket.stopped = true;
    box.notify(left('a'));
    box.notify(score('x', 1));
    box.notify(score('x', 2));
    box.notify(score('y', 7));
    box.notify(left('b'));

    socket.drain();

    expect(dropped).toEqual(['consumer-score']);
    const heard = socket.frames as { seq: number; event: string; data: { score?: number } }[];
    expect(heard.map((one) => one.seq)).toEqual([1, 2, 3, 4]);
    expect(heard.map((one) => one.event)).toEqual([
      'participant-left',
      'participant-left',
      'consumer-score',
      'consumer-score',
    ]);
    expect(heard.slice(2).map((one) => one.data.score)).toEqual([2, 7]);
  });

  test('tells of a slow reader once the hard limit is passed, and sends nothing after it was closed', () => {
    const { box, socket, slow, dropped } = outbox({ soft: 50, hard: 200 });
    socket.stopped = true;
    for (const name of ['a', 'b', 'c']) box.notify(left(name));
    expect(slow()).toBeGreaterThan(0);
    box.notify(score('x', 1));

    box.close();
    box.notify(left('d'));
    socket.drain();

    expect(socket.frames).toHaveLength(3);
    expect(dropped).toEqual(['consumer-score']);
  });
});
