import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually } from '@meridian/harness';
import { MessagesReply, parseOrThrow } from '@meridian/protocol';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { metricOf } from '../../src/faults/agreement.ts';
import { createRoom, enterAsGuest } from '../../src/light/api.ts';
import { startCall, startCluster } from './outages/call.ts';
import { Peer } from './outages/peer.ts';

const run = promisify(execFile);
const FIVE_MINUTES_MS = 300_000;
const clockOff = (byMs: number) => ({
  NODE_OPTIONS: `--import=${fileURLToPath(new URL('../../src/faults/clock-shift.ts', import.meta.url))}`,
  LAB_CLOCK_AHEAD_MS: String(byMs),
});

/** Milliseconds, as the metrics say it. */
async function offsetOf(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return metricOf(text, 'meridian_clock_offset_seconds') * 1_000;
}

describe('a clock that is five minutes off', () => {
  test.each([
    ['sin-1', 'ahead', FIVE_MINUTES_MS],
    ['sin-1', 'behind', -FIVE_MINUTES_MS],
    ['session-api', 'ahead', FIVE_MINUTES_MS],
    ['session-api', 'behind', -FIVE_MINUTES_MS],
  ])('of %s, %s: tokens and leases work all the same, and it is reported', async (odd, _way, aheadMs) => {
    const shifted = clockOff(aheadMs);
    const cluster = await startCluster({
      ...(odd === 'session-api' ? { sessionApiEnv: shifted } : {}),
      nodeEnvOf: async ({ nodeId }) => (nodeId === odd ? shifted : {}),
    });
    onTestFinished(() => cluster.remove());

    // Session tokens, room tokens and leases go both ways between those whose clocks differ.
    const call = await startCall(cluster);
    onTestFinished(() => call.end());
    const { ann, bob, mics } = call;
    const { message } = await bob.request('send-chat', { text: 'what time is it?' });
    await ann.until('chat', (one) => one.message.id === message.id);
    expect(Math.abs(message.sentAtMs - Date.now())).toBeLessThan(60_000);
    await call.expectState({ producers: Object.values(mics) });
    // A node whose clock is wrong does not outlive its lease or lose it.
    cluster.node('sin-1').child.signal('SIGKILL');
    await eventually('its people are swept', async () => {
      const { participants } = await call.state.rooms.snapshot(call.roomId);
      return participants.every(({ nodeId }) => nodeId !== 'sin-1');
    });
    const again = await cluster.restartNode('sin-1');

    const url = odd === 'sin-1' ? again.url : cluster.url;
    await eventually('it is reported', async () => {
      expect(Math.abs((await offsetOf(url)) + aheadMs)).toBeLessThan(2_000);
      expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({ clockOffsetMs: expect.any(Number) });
      const nodes = await call.state.registry.list();
      // Whole minutes; none of them is -0.
      const minutes = (ms: number) => Math.round(ms / 60_000) + 0;
      const offsets = nodes.map(({ record }) => [record.nodeId, minutes(record.clockOffsetMs ?? 0)]);
      expect(Object.fromEntries(offsets)).toEqual({ 'ams-1': 0, 'sin-1': odd === 'sin-1' ? -aheadMs / 60_000 : 0 });
    });
  });
});

/** What becomes of a connection that asks for something. */
function answerTo(port: number): Promise<'answered' | 'refused'> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => socket.write('GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n'));
    socket.once('data', () => resolve('answered'));
    socket.on('error', () => resolve('refused'));
    socket.once('close', () => resolve('refused'));
  });
}

/**
 * Takes all file descriptors from a process but those that it has open, and the rest by connections that say nothing.
 * Resolves when whoever is new is refused. @returns gives them back
 */
async function withoutDescriptors(pid: number, url: string): Promise<() => Promise<void>> {
  const limit = (nofile: string) => run('prlimit', ['--pid', String(pid), `--nofile=${nofile}:`]);
  const { stdout } = await run('prlimit', ['--pid', String(pid), '--nofile', '--noheadings', '-o', 'SOFT']);
  const open = (await readdir(`/proc/${pid}/fd`)).length;
  const idle: Socket[] = [];
  const letGo = () => {
    for (const socket of idle.splice(0)) socket.destroy();
  };
  onTestFinished(letGo);
  await limit(String(open + 2));
  const port = Number(new URL(url).port);
  await eventually('whoever is new is refused', async () => {
    idle.push(connect(port, '127.0.0.1').on('error', () => {}));
    return (await answerTo(port)) === 'refused';
  });
  return async () => {
    letGo();
    await limit(stdout.trim());
  };
}

describe('a process without file descriptors', () => {
  let cluster: Awaited<ReturnType<typeof startCluster>>;
  let call: Awaited<ReturnType<typeof startCall>>;
  beforeEach(async () => {
    cluster = await startCluster();
    call = await startCall(cluster);
  });
  afterEach(async () => {
    await call?.end();
    await cluster?.remove();
  });

  test('which is a node refuses whoever is new, keeps its call, and takes people again afterwards', async () => {
    const { child, url } = cluster.node('ams-1');
    const giveBack = await withoutDescriptors(child.pid, url);

    expect(child.running).toBe(true);
    await call.mediaFlows();
    const { message } = await call.cid.request('send-chat', { text: 'still here' });
    await call.bob.until('chat', (one) => one.message.id === message.id);

    await giveBack();
    const eve = await eventually(
      'a newcomer gets in',
      () => Peer.join({ url: call.url, room: call.room, name: 'Eve', region: 'eu-west' }),
      { withinMs: 20_000, everyMs: 250 },
    );
    expect(eve.nodeId).toBe('ams-1');
    await eve.leave();
    call.expectNobodyLeft();
  });

  test('which is the session service refuses whoever is new and takes people again; calls and resumes go on, no line is lost', async () => {
    const { sessionApi } = cluster;
    const { ann, bob, cid } = call;
    const giveBack = await withoutDescriptors(sessionApi.pid, cluster.url);

    expect(sessionApi.running).toBe(true);
    await call.mediaFlows();
    const { message } = await cid.request('send-chat', { text: 'still here' });
    await bob.until('chat', (one) => one.message.id === message.id);
    ann.cut();
    const welcome = await ann.resume({ epoch: ann.joined.self.epoch, seq: ann.lastSeq });
    expect(welcome).toMatchObject({ resumed: true, sessionId: ann.sessionId });

    await giveBack();
    const eve = await eventually(
      'a newcomer gets in',
      () => Peer.join({ url: call.url, room: call.room, name: 'Eve', region: 'eu-west' }),
      { withinMs: 20_000, everyMs: 250 },
    );
    expect(sessionApi.running).toBe(true);
    await eventually('the line is in the history', async () => {
      expect((await history(call.url, call.room)).map(({ id }) => id)).toContain(message.id);
    });
    await eve.leave();
    for (const one of [bob, cid]) {
      await one.until('participant-left', ({ sessionId }) => sessionId === eve.sessionId);
      expect(one.all('participant-left')).toHaveLength(1);
    }
  });
});

/** What was said in the room, as the service has stored it. */
async function history(url: string, room: string) {
  const headers = { authorization: `Bearer ${await enterAsGuest(url, 'Reader')}` };
  const response = await fetch(`${url}/v1/rooms/${room}/messages`, { headers, signal: AbortSignal.timeout(5_000) });
  return parseOrThrow(MessagesReply, await response.json()).messages;
}

describe('a node without ports for relays', () => {
  test('tells those whom it concerns, leaves the others alone, and goes on when a port is free', async () => {
    const cluster = await startCluster({
      nodeEnvOf: async ({ nodeId, httpPort }) => {
        // Two ports, one relay link each way, of an address where nobody else takes any.
        const min = 30_000 + (httpPort % 1_000) * 2;
        return nodeId === 'sin-1'
          ? {
              MERIDIAN_PIPE_LISTEN_IP: '127.0.83.1',
              MERIDIAN_PIPE_PORT_MIN: String(min),
              MERIDIAN_PIPE_PORT_MAX: String(min + 1),
            }
          : {};
      },
    });
    onTestFinished(() => cluster.remove());
    const call = await startCall(cluster);
    const room = await createRoom(call.url);
    const speaker = await Peer.join({ url: call.url, room, name: 'Speaker', region: 'eu-west' });
    onTestFinished(() => speaker.leave());
    const listener = await Peer.join({ url: call.url, room, name: 'Listener', region: 'ap-southeast' });
    onTestFinished(() => listener.leave());

    const producerId = await speaker.talk();
    const trouble = await listener.until('relay-trouble');
    expect(trouble).toEqual({ nodeId: 'ams-1', code: 'media-unavailable' });
    await call.mediaFlows();
    expect(call.bob.all('relay-trouble')).toEqual([]);
    expect(listener.all('consumer-opened')).toEqual([]);
    call.expectNobodyLeft();

    await call.end();
    await listener.until('consumer-opened', (one) => one.producerId === producerId);
    expect(listener.closed).toBeUndefined();
  });
});
