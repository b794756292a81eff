import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually } from '@meridian/harness';
import { describe, expect, onTestFinished, test } from 'vitest';
import { metricOf } from '../../src/faults/agreement.ts';
import { createRoom } from '../../src/light/api.ts';
import { startCall, startCluster } from './outages/call.ts';
import { Peer } from './outages/peer.ts';

const run = promisify(execFile);
const AHEAD_MS = 300_000;
const SHIFTED = {
  NODE_OPTIONS: `--import=${fileURLToPath(new URL('../../src/faults/clock-shift.ts', import.meta.url))}`,
  LAB_CLOCK_AHEAD_MS: String(AHEAD_MS),
};

/** Milliseconds, as the metrics say it. */
async function offsetOf(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return metricOf(text, 'meridian_clock_offset_seconds') * 1_000;
}

describe('a clock that is five minutes ahead', () => {
  test.each(['sin-1', 'session-api'])('of %s: tokens and leases work all the same, and it is reported', async (odd) => {
    const cluster = await startCluster({
      ...(odd === 'session-api' ? { sessionApiEnv: SHIFTED } : {}),
      nodeEnvOf: async ({ nodeId }) => (nodeId === odd ? SHIFTED : {}),
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
    // A node whose clock is fast does not outlive its lease or lose it.
    cluster.node('sin-1').child.signal('SIGKILL');
    await eventually('its people are swept', async () => {
      const { participants } = await call.state.rooms.snapshot(call.roomId);
      return participants.every(({ nodeId }) => nodeId !== 'sin-1');
    });
    const again = await cluster.restartNode('sin-1');

    const url = odd === 'sin-1' ? again.url : cluster.url;
    await eventually('it is reported', async () => {
      expect(Math.abs((await offsetOf(url)) + AHEAD_MS)).toBeLessThan(2_000);
      expect(await (await fetch(`${url}/readyz`)).json()).toMatchObject({ clockOffsetMs: expect.any(Number) });
      const nodes = await call.state.registry.list();
      const offsets = nodes.map(({ record }) => [record.nodeId, Math.round((record.clockOffsetMs ?? 0) / 60_000)]);
      expect(Object.fromEntries(offsets)).toEqual({ 'ams-1': 0, 'sin-1': odd === 'sin-1' ? -5 : 0 });
    });
  });
});

/** What becomes of a connection that asks for something. */
function answerTo(port: number): Promise<'answered' | 'refused'> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => socket.write('GET /probe HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n'));
    socket.once('data', () => resolve('answered'));
    socket.on('error', () => resolve('refused'));
    socket.once('close', () => resolve('refused'));
  });
}

describe('a node without file descriptors', () => {
  test('refuses whoever is new, keeps its call, and takes people again afterwards', async () => {
    const cluster = await startCluster();
    onTestFinished(() => cluster.remove());
    const call = await startCall(cluster);
    onTestFinished(() => call.end());
    const { child, url } = cluster.node('ams-1');
    const limit = (nofile: string) => run('prlimit', ['--pid', String(child.pid), `--nofile=${nofile}:`]);
    const { stdout } = await run('prlimit', ['--pid', String(child.pid), '--nofile', '--noheadings', '-o', 'SOFT']);
    const open = (await readdir(`/proc/${child.pid}/fd`)).length;

    await limit(String(open + 2));
    const idle: Socket[] = [];
    const letGo = () => {
      for (const socket of idle.splice(0)) socket.destroy();
    };
    onTestFinished(letGo);
    const port = Number(new URL(url).port);
    await eventually('whoever is new is refused', async () => {
      const silent = connect(port, '127.0.0.1').on('error', () => {});
      idle.push(silent);
      return (await answerTo(port)) === 'refused';
    });
    expect(child.running).toBe(true);
    await call.mediaFlows();
    const { message } = await call.cid.request('send-chat', { text: 'still here' });
    await call.bob.until('chat', (one) => one.message.id === message.id);

    letGo();
    await limit(stdout.trim());
    const eve = await eventually(
      'a newcomer gets in',
      () => Peer.join({ url: call.url, room: call.room, name: 'Eve', region: 'eu-west' }),
      { withinMs: 20_000, everyMs: 250 },
    );
    expect(eve.nodeId).toBe('ams-1');
    await eve.leave();
    call.expectNobodyLeft();
  });
});

describe('a node without ports for relays', () => {
  test('tells those whom it concerns, leaves the others alone, and goes on when a port is free', async () => {
    const cluster = await startCluster({
      nodeEnvOf: async ({ nodeId, httpPort }) => {
        // Two ports: one relay link each way.
        const min = 30_000 + (httpPort % 1_000) * 2;
        return nodeId === 'sin-1'
          ? { MERIDIAN_PIPE_PORT_MIN: String(min), MERIDIAN_PIPE_PORT_MAX: String(min + 1) }
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
