import type { RequestMethod } from '@meridian/protocol';
import { MeridianError, MessageId, RoomId, SessionId, UserId } from '@meridian/protocol';
import { describe, expect, test } from 'vitest';
import { Dialogue, type PreparedRequest } from '../../src/signalling/dialogue.ts';
import type { OutboxLine } from '../../src/signalling/outbox.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { welcome } from '../support/welcome.ts';

interface Frame {
  readonly t: string;
  readonly id?: number;
  readonly seq?: number;
  readonly event?: string;
  readonly data?: unknown;
  readonly error?: { code: string };
}

class Line implements OutboxLine {
  readonly frames: Frame[] = [];
  readonly congested = false;

  send(text: string): void {
    this.frames.push(JSON.parse(text));
  }

  of(t: string): Frame[] {
    return this.frames.filter((one) => one.t === t);
  }
}

/** A dialogue whose requests run until the test lets them end; `runs` says how often each was run. */
function dialogue(options: { maxInFlight?: number; keepBytes?: number } = {}) {
  const runs: string[] = [];
  const gates: PromiseWithResolvers<unknown>[] = [];
  const prepare = (method: RequestMethod): PreparedRequest => ({
    order: { kind: 'free' },
    run: () => {
      runs.push(method);
      const gate = Promise.withResolvers<unknown>();
      gates.push(gate);
      return gate.promise;
    },
  });
  const one = new Dialogue({
    clock: new FakeClock(),
    limits: { maxInFlight: options.maxInFlight ?? 10, keepBytes: options.keepBytes ?? 10_000 },
    observer: { frame: () => {}, request: () => {}, dropped: () => {}, rateLimited: () => {} },
    prepare,
    onFailure: () => {},
  });
  const line = new Line();
  one.begin(line, welcome(100));
  return { one, line, runs, gates };
}

const chat = (text: string) => ({
  message: {
    id: MessageId.parse('m'),
    roomId: RoomId.parse('r'),
    sessionId: SessionId.parse('s'),
    userId: UserId.parse('u'),
    name: 'Ann',
    text,
    sentAtMs: 0,
  },
});

describe('a dialogue', () => {
  test('begins with the welcome, number 1', () => {
    const { line } = dialogue();
    expect(line.frames).toMatchObject([{ t: 'ntf', seq: 1, event: 'welcome' }]);
  });

  test('goes on with the number that the client has, and what it missed', () => {
    const { one, line } = dialogue();
    for (const text of ['a', 'b', 'c']) one.notify('chat', chat(text));
    one.disconnect(line);
    one.notify('chat', chat('d'));

    const next = new Line();
    one.resume(next, 2, welcome(101));
    one.notify('chat', chat('e'));

    expect(next.frames.map(({ seq, event }) => `${seq} ${event}`)).toEqual([
      '2 welcome',
      '3 chat',
      '4 chat',
      '5 chat',
      '6 chat',
    ]);
  });

  test('knows its connections by their epochs, and whether the client has answered on the last', () => {
    const { one, line } = dialogue();
    expect([99, 100, 101].map((epoch) => one.covers(welcome(epoch).epoch))).toEqual([false, true, false]);
    expect(one.unheard).toBe(true);
    one.heard(line);
    expect(one.unheard).toBe(false);

    const next = new Line();
    one.resume(next, 1, welcome(101));
    one.heard(line);

    expect([99, 100, 101].map((epoch) => one.covers(welcome(epoch).epoch))).toEqual([false, true, true]);
    expect(one.unheard).toBe(true);
  });

  test('a request that is sent again while it runs is run once, and answered where the client is', async () => {
    const { one, line, runs, gates } = dialogue();
    void one.request(7, 'send-chat', {});
    await settle();
    one.disconnect(line);
    const next = new Line();
    one.resume(next, 1, welcome(101));
    void one.request(7, 'send-chat', {});
    await settle();
    gates[0]?.resolve({ done: true });
    await settle();

    expect(runs).toEqual(['send-chat']);
    expect(line.of('res')).toEqual([]);
    expect(next.of('res')).toEqual([{ t: 'res', id: 7, ok: true, data: { done: true } }]);
  });

  test('a request whose answer was lost is answered again, well or not', async () => {
    const { one, line, runs, gates } = dialogue();
    void one.request(7, 'send-chat', {});
    void one.request(8, 'kick', {});
    await settle();
    one.disconnect(line);
    gates[0]?.resolve({ done: true });
    gates[1]?.reject(new MeridianError('forbidden'));
    await settle();

    const next = new Line();
    one.resume(next, 1, welcome(101));
    for (const id of [7, 8]) void one.request(id, 'send-chat', {});
    await settle();

    expect(runs).toEqual(['send-chat', 'kick']);
    expect(next.of('res')).toMatchObject([{ id: 7, data: { done: true } }]);
    expect(next.of('err')).toMatchObject([{ id: 8, error: { code: 'forbidden' } }]);
  });

  test('answers are forgotten once a later notification is acknowledged, and not run again', async () => {
    const { one, line, runs, gates } = dialogue();
    void one.request(7, 'send-chat', {});
    await settle();
    gates[0]?.resolve({});
    await settle();
    // The client has what came before the answer: it may still lack the answer.
    one.acknowledge(1);
    void one.request(7, 'send-chat', {});
    await settle();
    expect(line.of('res')).toHaveLength(2);

    one.notify('chat', chat('later'));
    one.acknowledge(2);
    void one.request(7, 'send-chat', {});
    await settle();

    expect(runs).toEqual(['send-chat']);
    expect(line.of('res')).toHaveLength(2);
    expect(line.of('err')).toMatchObject([{ id: 7, error: { code: 'bad-request' } }]);
  });

  test('notifications that are sent again after a break do not vouch for answers that were lost with it', async () => {
    const { one, line, runs, gates } = dialogue();
    void one.request(7, 'send-chat', {});
    await settle();
    gates[0]?.resolve({});
    await settle();
    one.notify('chat', chat('later'));
    one.disconnect(line);
    const next = new Line();
    one.resume(next, 1, welcome(101));
    one.acknowledge(2);
    void one.request(7, 'send-chat', {});
    await settle();
    expect(runs).toEqual(['send-chat']);
    expect(next.of('res')).toMatchObject([{ id: 7 }]);
  });

  test('remembers a bounded number of answers; what is forgotten is refused, not run', async () => {
    const { one, line, runs, gates } = dialogue({ maxInFlight: 2 });
    for (let id = 1; id <= 10; id++) {
      void one.request(id, 'send-chat', {});
      await settle();
      gates[id - 1]?.resolve({});
      await settle();
    }
    void one.request(1, 'send-chat', {});
    void one.request(10, 'send-chat', {});
    await settle();
    expect(runs).toHaveLength(10);
    expect(line.of('err')).toMatchObject([{ id: 1, error: { code: 'bad-request' } }]);
    expect(line.of('res').at(-1)).toMatchObject({ id: 10 });
  });

  test('a request that was refused because of too many others may come again', async () => {
    const { one, line, runs, gates } = dialogue({ maxInFlight: 1 });
    void one.request(1, 'send-chat', {});
    void one.request(2, 'send-chat', {});
    await settle();
    expect(line.of('err')).toMatchObject([{ id: 2, error: { code: 'rate-limited' } }]);
    gates[0]?.resolve({});
    await settle();
    void one.request(2, 'send-chat', {});
    await settle();
    expect(runs).toHaveLength(2);
  });

  test('what runs or was answered is no further request, however many are under way', async () => {
    const { one, line, runs, gates } = dialogue({ maxInFlight: 1 });
    void one.request(1, 'send-chat', {});
    await settle();
    gates[0]?.resolve({});
    await settle();
    void one.request(2, 'send-chat', {});
    void one.request(2, 'send-chat', {});
    void one.request(1, 'send-chat', {});
    await settle();
    expect(line.of('err')).toEqual([]);
    expect(line.of('res').map((frame) => frame.id)).toEqual([1, 1]);
    expect(runs).toHaveLength(2);
  });

  test('a closed one says nothing and runs nothing', async () => {
    const { one, line, runs } = dialogue();
    one.close();
    one.notify('chat', chat('x'));
    await one.request(1, 'send-chat', {});
    expect(runs).toEqual([]);
    expect(line.frames).toHaveLength(1);
    expect(one.canReplay(1)).toBe(false);
  });
});
