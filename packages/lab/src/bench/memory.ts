import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@meridian/harness';
import { createRoom } from '../light/api.ts';
import { opusParameters, vp8SimulcastParameters } from '../light/rtp-parameters.ts';
import { LightParticipant } from '../light/signalling-client.ts';
import { LOCAL_REGIONS, LocalCluster } from '../local-cluster/index.ts';
import type { BenchResult } from './result.ts';

const ROOM_SIZE = 6;
const WARM_UP_ROOMS = 3;
const ROOMS = 15;

/**
 * Memory of one participant: growth of the resident set (of the node's process and of its worker)
 * from a warmed-up node to one with 15 further rooms of six people, each publishing a microphone and a
 * three-layer camera and subscribed to all others. No media flows, so buffers are not in it.
 */
export async function run(): Promise<BenchResult> {
  const region = LOCAL_REGIONS[0];
  if (region === undefined) throw new Error('no region');
  const dataDir = await mkdtemp(join(tmpdir(), 'meridian-bench-'));
  const cluster = await LocalCluster.start({
    dataDir,
    regions: [region],
    nodeEnv: { MERIDIAN_MAX_SESSIONS: '1000' },
  });
  const people: LightParticipant[] = [];
  try {
    const pid = cluster.node(region.nodeId).child.pid;
    const [worker] = await childrenOf(pid);
    if (worker === undefined) throw new Error('the node has no worker process');
    const fill = async (rooms: number) => {
      for (let room = 0; room < rooms; room += 1) {
        const slug = await createRoom(cluster.url);
        const inRoom: LightParticipant[] = [];
        for (let index = 0; index < ROOM_SIZE; index += 1) {
          const person = await LightParticipant.join({ url: cluster.url, room: slug, name: `P${index}` });
          inRoom.push(person);
          people.push(person);
          const transportId = person.joined.sendTransport.id;
          const cname = person.joined.self.sessionId;
          await person.publish(transportId, 'audio', 'microphone', opusParameters(1_000 + index, cname));
          await person.publish(transportId, 'video', 'camera', vp8SimulcastParameters(cname));
        }
        await eventually('everybody is subscribed to everybody', () =>
          inRoom.every((person) => person.consumersOpened === 2 * (ROOM_SIZE - 1)),
        );
      }
    };
    await fill(WARM_UP_ROOMS);
    const before = { node: await rssBytes(pid), worker: await rssBytes(worker) };
    await fill(ROOMS);
    const after = { node: await rssBytes(pid), worker: await rssBytes(worker) };
    const participants = ROOMS * ROOM_SIZE;
    const kib = (from: number, to: number) => (to - from) / participants / 1_024;
    const node = kib(before.node, after.node);
    const inWorker = kib(before.worker, after.worker);
    return {
      name: 'memory per participant',
      lines: [
        `node process ${node.toFixed(0)} KiB, worker ${inWorker.toFixed(0)} KiB per participant`,
        `(${participants} people in rooms of ${ROOM_SIZE}, each 2 producers and ${2 * (ROOM_SIZE - 1)} consumers; no media flowing)`,
        `node ${(after.node / 2 ** 20).toFixed(0)} MiB, worker ${(after.worker / 2 ** 20).toFixed(0)} MiB resident in the end`,
      ],
      figures: { node_kib_per_participant: node, worker_kib_per_participant: inWorker },
    };
  } finally {
    await Promise.all(people.map((person) => person.leave()));
    await cluster.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

async function rssBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(status)?.[1];
  if (kib === undefined) throw new Error(`no resident set size for process ${pid}`);
  return Number(kib) * 1_024;
}
