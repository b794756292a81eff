import { isMeridianError } from '@meridian/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import type { SdkError } from '../../src/index.ts';
import { type Notification, SignallingConnection } from '../../src/signalling/connection.ts';
import { FakeCluster } from '../support/fake-cluster.ts';
import { FakeRuntime, settle } from '../support/fake-runtime.ts';

let runtime: FakeRuntime;
let cluster: FakeCluster;
beforeEach(() => {
  runtime = new FakeRuntime();
  cluster = new FakeCluster();
  cluster.serve(runtime);
});

const open = (signal?: AbortSignal) =>
  SignallingConnection.open({ runtime, wsUrl: 'wss://ams-1.example.org/ws', sessionToken: 'token1.s-1', signal });

interface Opened {
  connection: SignallingConnection;
  notifications: Notification[];
  lost: SdkError[];
}

async function opened(): Promise<Opened> {
  const connection = await open();
  const notifications: Notification[] = [];
  const lost: SdkError[] = [];
  connection.receive({
    notification: (notification) => notifications.push(notification),
    closed: (error) => lost.push(error),
  });
  return { connection, notifications, lost };
}

describe('opening', () => {
  it('ends with the welcome', async () => {
    const { connection } = await opened();
    expect(connection.welcome).toMatchObject({ nodeId: 'ams-1', sessionId: 's-1' });
  });

  it('fails with node-unreachable when nobody answers in time', async () => {
    runtime.onSocket = () => ({ send() {}, close() {} });
    const failure = expect(open()).rejects.toMatchObject({ code: 'node-unreachable' });
    await runtime.advance(6_000);
    await failure;
    expect(runtime.pending).toBe(0);
  });

  it('fails with bad-reply when something else than a welcome comes first', async () => {
    runtime.onSocket = (_url, _protocols, events) => {
      queueMicrotask(() => events.message('{"t":"pong","id":1}'));
      return { send() {}, close() {} };
    };
    await expect(open()).rejects.toMatchObject({ code: 'bad-reply' });
  });
});

describe('requests', () => {
  it('get their own answers, in whatever order these come', async () => {
    cluster.holdAnswers = true;
    const { connection } = await opened();
    const leave = connection.request('leave', {});
    const stats = connection.request('get-stats', {}).catch((error: unknown) => error);
    cluster.connection.release('get-stats', 'leave');
    expect(await leave).toEqual({});
    // The answer of the fake says nothing: it is checked like everything else that comes in.
    expect(await stats).toSatisfy((error) => isMeridianError(error, 'bad-request'));
  });

  it('fail with what the node reports', async () => {
    cluster.refuse('end-room', 'forbidden');
    const { connection } = await opened();
    await expect(connection.request('end-room', {})).rejects.toSatisfy((error) => isMeridianError(error, 'forbidden'));
    await expect(connection.request('leave', {})).resolves.toEqual({});
  });

  it('fail after a deadline, and a late answer does no harm', async () => {
    cluster.holdAnswers = true;
    const { connection, lost } = await opened();
    const failure = expect(connection.request('leave', {}, { withinMs: 500 })).rejects.toMatchObject({
      code: 'deadline-exceeded',
    });
    await runtime.advance(500);
    await failure;
    cluster.connection.release('leave');
    await settle();
    expect(lost).toEqual([]);
  });

  it('fail when the connection ends, then and later', async () => {
    cluster.holdAnswers = true;
    const { connection } = await opened();
    const failure = expect(connection.request('leave', {})).rejects.toMatchObject({ code: 'node-shutdown' });
    cluster.connection.end(4501, 'node-shutdown');
    await failure;
    await expect(connection.request('leave', {})).rejects.toMatchObject({ code: 'node-shutdown' });
    expect(runtime.pending).toBe(0);
  });

  it('too large for the node are not sent at all', async () => {
    const { connection } = await opened();
    await expect(connection.request('send-chat', { text: 'ü'.repeat(40_000) })).rejects.toMatchObject({
      code: 'payload-too-large',
    });
    expect(cluster.connection.requests).toEqual([]);
    expect(connection.isOpen).toBe(true);
  });
});

describe('notifications', () => {
  it('that came before anybody listened are delivered in order', async () => {
    const connection = await open();
    cluster.connection.notify('consumer-closed', { consumerId: 'c1' });
    cluster.connection.notify('consumer-closed', { consumerId: 'c2' });
    const seen: unknown[] = [];
    connection.receive({ notification: ({ data }) => seen.push(data), closed: () => {} });
    expect(seen).toEqual([{ consumerId: 'c1' }, { consumerId: 'c2' }]);
  });

  it('of a newer node that this client does not know are passed over', async () => {
    const { notifications, lost } = await opened();
    cluster.connection.notify('something-new', { x: 1 });
    cluster.connection.notify('consumer-closed', { consumerId: 'c1' });
    expect(notifications).toHaveLength(1);
    expect(lost).toEqual([]);
  });

  it.each([
    ['a number is missing', () => cluster.connection.skipNumbers(1)],
    ['a frame is not JSON', () => cluster.connection.raw('{"t":')],
    ['a frame is of no known form', () => cluster.connection.raw({ t: 'hello' })],
  ])('break the connection off when %s', async (_what, breakIt) => {
    const { connection, lost } = await opened();
    breakIt();
    cluster.connection.notify('consumer-closed', { consumerId: 'c1' });
    await settle();
    expect(lost).toMatchObject([{ code: 'connection-lost' }]);
    expect(connection.isOpen).toBe(false);
    expect(cluster.connection.closedByClient?.code).toBe(1000);
  });

  it('with wrong contents break it off, too', async () => {
    const { lost } = await opened();
    cluster.connection.notify('consumer-closed', { consumerId: 17 });
    expect(lost).toMatchObject([{ code: 'connection-lost' }]);
  });
});

describe('signs of life', () => {
  it('are given as often as the node wants, and measure the round trip', async () => {
    const { connection } = await opened();
    await runtime.advance(20_000);
    expect(cluster.connection.pings).toBe(5);
    expect(connection.rttMs).toBe(0);
    expect(connection.isOpen).toBe(true);
  });

  it('that stay away end the connection', async () => {
    const { lost } = await opened();
    await runtime.advance(5_000);
    cluster.connection.deaf = true;
    await runtime.advance(20_000);
    expect(lost).toMatchObject([{ code: 'connection-lost', details: { why: expect.stringContaining('silent') } }]);
    expect(runtime.pending).toBe(0);
  });

  it('are anything that comes in, not answers to pings alone', async () => {
    const { lost } = await opened();
    cluster.connection.deaf = true;
    for (let second = 0; second < 30; second += 1) {
      await runtime.advance(1_000);
      cluster.connection.notify('active-speakers', { speakers: [], dominant: null });
    }
    expect(lost).toEqual([]);
  });
});

describe('closing', () => {
  it('is silent, final and may be repeated', async () => {
    const { connection, lost } = await opened();
    connection.close();
    connection.close();
    await settle();
    expect(lost).toEqual([]);
    expect(cluster.connection.closedByClient?.code).toBe(1000);
    await expect(connection.request('leave', {})).rejects.toMatchObject({ code: 'room-left' });
    expect(runtime.pending).toBe(0);
  });
});
