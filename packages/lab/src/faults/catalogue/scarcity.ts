import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import { eventually } from '@meridian/harness';
import { createRoom } from '../../light/api.ts';
import { opusParameters } from '../../light/rtp-parameters.ts';
import { LightParticipant } from '../../light/signalling-client.ts';
import { metricOf } from '../agreement.ts';
import { type Call, NAMES, nowMs } from '../call.ts';
import { check, type Fault } from '../fault.ts';
import { newcomersGetIn, nodesAnswerTheirPages } from '../newcomer.ts';
import { CLOCK_AHEAD_MS, ODD_NODE } from '../stage.ts';

const run = promisify(execFile);
const ODD_REGION = 'ap-southeast';

/** Two people in a room of their own on two nodes, one of them publishing: one relay link. */
async function relayedPair(call: Call): Promise<{ listener: LightParticipant; end: () => Promise<void> }> {
  const { url } = call.stage.cluster;
  const room = await createRoom(url);
  const speaker = await LightParticipant.join({ url, room, name: 'Speaker', region: 'eu-west' });
  const listener = await LightParticipant.join({ url, room, name: 'Listener', region: ODD_REGION });
  await speaker.publish(speaker.joined.sendTransport.id, 'audio', 'microphone', opusParameters(1_111, 'speaker'));
  return { listener, end: async () => void (await Promise.all([speaker.leave(), listener.leave()])) };
}

const pipePorts: Fault = {
  id: 'pipe-ports',
  title: 'a node has no UDP port left for another relay',
  stage: 'few-pipes',
  media: 'kept',
  async strike(call) {
    const faultMs = nowMs();
    const pairs: Awaited<ReturnType<typeof relayedPair>>[] = [];
    const checks = [
      await check('a relay too many is refused, and those who wait for it are told', async () => {
        for (let count = 1; count <= 6; count += 1) {
          const pair = await relayedPair(call);
          pairs.push(pair);
          await eventually(
            'the relay comes, or is refused',
            () => pair.listener.consumersOpened > 0 || pair.listener.told('relay-trouble') > 0,
          );
          if (pair.listener.told('relay-trouble') > 0) return `the ${count}. further one was refused`;
        }
        throw new Error('six relays found a port among four');
      }),
      await check('the node runs on and answers', () => nodesAnswerTheirPages(call, NAMES)),
      await check('the waiting relay comes as soon as there is a port', async () => {
        const last = pairs.pop();
        for (const pair of pairs.splice(0)) await pair.end();
        try {
          await eventually('it comes', () => (last?.listener.consumersOpened ?? 0) > 0, { withinMs: 30_000 });
        } finally {
          await last?.end();
        }
      }),
    ];
    return { faultMs, mendedMs: nowMs(), victims: [], checks };
  },
};

const fileDescriptors: Fault = {
  id: 'file-descriptors',
  title: 'a node has no file descriptor left',
  stage: 'plain',
  media: 'kept',
  async strike(call) {
    const { url, nodes } = call.stage.cluster;
    const child = call.stage.cluster.node(ODD_NODE).child;
    const faultMs = nowMs();
    const open = (await readdir(`/proc/${child.pid}/fd`)).length;
    const guests: LightParticipant[] = [];
    const { stdout: before } = await run('prlimit', [
      '--pid',
      String(child.pid),
      '--nofile',
      '--noheadings',
      '-o',
      'SOFT',
    ]);
    await run('prlimit', ['--pid', String(child.pid), `--nofile=${open + 3}:`]);
    const checks = [
      await check('one connection too many is refused', async () => {
        for (let count = 1; count <= 12; count += 1) {
          try {
            guests.push(
              await LightParticipant.join({ url, room: call.slug, name: `Guest ${count}`, region: ODD_REGION }),
            );
          } catch (error) {
            return `the ${count}. newcomer: ${error instanceof Error ? error.message : String(error)}`;
          }
        }
        throw new Error('twelve connections found a descriptor among three');
      }),
      await check('the node runs on and answers', async () => {
        if (!child.running) throw new Error('it has ended');
        await nodesAnswerTheirPages(call, NAMES);
      }),
    ];
    await run('prlimit', ['--pid', String(child.pid), `--nofile=${before.trim()}:`]);
    await Promise.all(guests.map((guest) => guest.leave()));
    checks.push(
      await check('newcomers get in there afterwards', () => newcomersGetIn(call, { region: ODD_REGION })),
      await check('all nodes run', async () => {
        for (const [nodeId, node] of nodes) if (!node.child.running) throw new Error(`${nodeId} has ended`);
      }),
    );
    return { faultMs, mendedMs: nowMs(), victims: [], checks };
  },
};

const clockAhead: Fault = {
  id: 'clock-ahead',
  title: "a node's clock is five minutes ahead",
  stage: 'clock',
  media: 'kept',
  async strike(call) {
    // It has been ahead from the start: who is in the call came in like this.
    const faultMs = nowMs();
    const checks = [
      await check('somebody of the call is on that node', async () => {
        if ((await call.namesOn(ODD_NODE)).length === 0) throw new Error('nobody is');
      }),
      await check('newcomers get in there', () => newcomersGetIn(call, { region: ODD_REGION })),
      await check('newcomers get in elsewhere', () => newcomersGetIn(call, { region: 'eu-west' })),
      await check('the node stays in the cluster', async () => {
        // Longer than a lease.
        for (let second = 0; second < 7; second += 1) {
          const live = await call.stage.state.registry.list();
          if (!live.some(({ record }) => record.nodeId === ODD_NODE)) throw new Error('its entry is gone');
          await new Promise((resolve) => setTimeout(resolve, 1_000));
        }
      }),
      await check('it is reported', async () => {
        const text = await (await fetch(`${call.stage.cluster.node(ODD_NODE).url}/metrics`)).text();
        const seconds = metricOf(text, 'meridian_clock_offset_seconds');
        if (Math.abs(seconds * 1_000 + CLOCK_AHEAD_MS) > 1_000) throw new Error(`its metrics say ${seconds} s`);
        return `${seconds} s`;
      }),
    ];
    return { faultMs, mendedMs: nowMs(), victims: [], checks };
  },
};

export const scarcityFaults: readonly Fault[] = [pipePorts, fileDescriptors, clockAhead];
