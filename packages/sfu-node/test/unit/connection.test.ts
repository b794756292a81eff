import { ERRORS, MeridianError, type RequestMethod } from '@meridian/protocol';
import { describe, expect, test } from 'vitest';
import { Connection } from '../../src/signalling/connection.ts';
import { Dialogue, type PreparedRequest } from '../../src/signalling/dialogue.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { FakeSocket } from '../support/fake-socket.ts';
import { welcome } from '../support/welcome.ts';

function connect(options: { prepare?: (method: RequestMethod, data: unknown) => PreparedRequest } = {}) {
  const clock = new FakeClock();
  const socket = new FakeSocket();
  const faults: string[] = [];
  const failures: unknown[] = [];
  const requests: string[] = [];
  const connection = new Connection({
    socket,
    clock,
    limits: {
      maxFrameBytes: 1_000,
      maxBufferedBytes: 4_000,
      frames: { perSecond: 10, burst: 20 },
      maxInFlight: 3,
      pingEveryMs: 3_000,
      deadAfterMs: 10_000,
    },
    observer: { frame: () => {}, rateLimited: () => {} },
    onFault: (fault, error) => faults.push(`${fault}: ${error.code}`),
  });
  const dialogue = new Dialogue({
    clock,
    limits: { maxInFlight: 3, keepBytes: 100_000 },
    observer: {
      frame: () => {},
      request: (method, outcome) => requests.push(`${method} ${outcome}`),
      dropped: () => {},
      rateLimited: () => {},
    },
    prepare: options.prepare ?? (() => ({ order: { kind: 'free' }, run: async () => ({ done: true }) })),
    onFailure: (_method, _code, error) => failures.push(error),
  });
  dialogue.begin(connection, welcome(1));
  connection.serve(dialogue);
  socket.frames.splice(0);
  const receive = (frame: unknown) => {
    const text = JSON.stringify(frame);
    connection.receive(text, text.length);
  };
  return { clock, socket, connection, dialogue, faults, failures, requests, receive };
}

const ask = (id: number, method = 'get-stats') => ({ t: 'req', id, method, data: {} });

describe('a connection', () => {
  test('answers each request under its id, with its result or its error', async () => {
    const { receive, socket, requests, failures } = connect({
      prepare: (method) => ({
        order: { kind: 'free' },
        run: async () => {
          if (method === 'leave') throw new MeridianError('not-joined');
          if (method === 'kick') throw new TypeError('a defect');
          return { method };
        },
      }),
    });
    receive(ask(1));
    receive(ask(2, 'leave'));
    receive(ask(3, 'kick'));
    await settle();

    expect(socket.frames).toMatchObject([
      { t: 'res', id: 1, ok: true, data: { method: 'get-stats' } },
      { t: 'err', id: 2, error: { code: 'not-joined' } },
      { t: 'err', id: 3, error: { code: 'internal' } },
    ]);
    // What went wrong inside is told to the log, not to the client.
    expect(JSON.stringify(socket.frames)).not.toContain('a defect');
    expect(failures).toHaveLength(1);
    expect(requests).toEqual(['get-stats ok', 'leave not-joined', 'kick internal']);
  });

  test('tells the client of a failure on our side no more than the table says, and the log everything', async () => {
    const outage = new MeridianError('cluster-unavailable', {
      message: 'Redis is out of reach (chat.append: connect ECONNREFUSED 10.0.0.7:6379)',
      details: { problem: 'ECONNREFUSED 10.0.0.7:6379' },
      retryAfterMs: 1_000,
    });
    const { receive, socket, failures } = connect({
      prepare: () => ({ order: { kind: 'free' }, run: () => Promise.reject(outage) }),
    });
    receive(ask(1, 'send-chat'));
    await settle();

    const error = {
      code: 'cluster-unavailable',
      message: ERRORS['cluster-unavailable'].message,
      retryAfterMs: 1_000,
    };
    expect(socket.frames).toEqual([{ t: 'err', id: 1, error }]);
    expect(failures).toEqual([outage]);
  });

  test('does what follows a reply after the reply', async () => {
    const order: string[] = [];
    const { receive, socket } = connect({
      prepare: () => ({
        order: { kind: 'free' },
        run: async (afterReply) => {
          afterReply(() => order.push(`after ${socket.frames.length} frame`));
          return {};
        },
      }),
    });
    receive(ask(1));
    await settle();
    expect(order).toEqual(['after 1 frame']);
  });

  test('asks for signs of life and is dead without them', async () => {
    const { clock, socket, faults, connection } = connect();
    await clock.pass(9_000);
    expect(socket.pings).toBe(3);
    connection.heard();
    await clock.pass(9_999);
    expect(faults).toEqual([]);
    await clock.pass(1);
    expect(faults).toEqual(['dead-peer: session-lost']);
    expect(socket.terminated).toBe(true);
    expect(clock.pending).toBeLessThanOrEqual(1);
  });

  test('finds a silent peer on the millisecond, whenever it fell silent between two pings', async () => {
    for (let silentFromMs = 0; silentFromMs < 3_000; silentFromMs += 250) {
      const { clock, faults, connection } = connect();
      await clock.pass(silentFromMs);
      connection.heard();
      await clock.pass(9_999);
      expect(faults).toEqual([]);
      await clock.pass(1);
      expect(faults).toEqual(['dead-peer: session-lost']);
    }
  });

  test('does not hold against its peers that the node itself stood still', async () => {
    const { clock, faults, connection } = connect();
    await clock.pass(8_000);
    clock.standStill(60_000);
    await clock.pass(0);
    // Nobody was asked meanwhile: now they are, and have the time of two pings to answer.
    expect(faults).toEqual([]);
    await clock.pass(5_999);
    expect(faults).toEqual([]);
    connection.heard();
    await clock.pass(9_999);
    expect(faults).toEqual([]);
    await clock.pass(1);
    expect(faults).toEqual(['dead-peer: session-lost']);
  });

  test('finds a peer that stopped in the middle of reading, however much waits for it', async () => {
    const { clock, socket, faults, dialogue, connection } = connect();
    await clock.pass(1_000);
    connection.heard();
    socket.stopped = true;
    dialogue.notify('media-lost', { reason: 'worker-died' });
    await clock.pass(10_000);
    expect(faults).toEqual(['dead-peer: session-lost']);
    expect(socket.terminated).toBe(true);
  });

  test('every frame is a sign of life', async () => {
    const { clock, faults, receive } = connect();
    for (let second = 0; second < 60; second += 5) {
      receive({ t: 'ping', id: second });
      await clock.pass(5_000);
    }
    expect(faults).toEqual([]);
  });

  test('closes once, with the code of the error as its reason, and ends it when the peer does not answer', async () => {
    const { connection, dialogue, socket, clock, receive } = connect();
    connection.close('room-ended');
    connection.close('session-kicked');
    receive(ask(1));
    dialogue.notify('media-lost', { reason: 'worker-died' });
    await settle();
    expect(socket.closed).toEqual({ code: 4_411, reason: 'room-ended' });
    expect(socket.frames).toEqual([]);
    expect(socket.terminated).toBe(false);
    await clock.pass(2_000);
    expect(socket.terminated).toBe(true);
  });

  test('a reader that is too slow is a fault', () => {
    const { dialogue, socket, faults } = connect();
    socket.stopped = true;
    for (let index = 0; index < 100; index++) dialogue.notify('media-lost', { reason: 'worker-died' });
    expect(faults).toEqual(['slow-reader: slow-reader']);
    expect(socket.closed).toEqual({ code: 4_430, reason: 'slow-reader' });
  });
});
