import { setTimeout as wait } from 'node:timers/promises';
import { median, quantile } from '../../analysis/quantile.ts';
import type { BenchResult } from '../result.ts';
import { cpuNs } from './cpu.ts';
import { LoadPublisher, openLoadViewer } from './load.ts';
import { type RemoteServer, startBareServer, startEngineServer } from './rpc.ts';
import type { ForwardingServer } from './server.ts';

const VIEWERS = 24;
const VIDEO_PER_SECOND = 800;
const AUDIO_PER_SECOND = 50;
const VIDEO_BYTES = 1_100;
const BLOCK_MS = 4_000;
/** Of each arm; the first of each only warms up. */
const BLOCKS = 13;

interface Arm {
  readonly remote: RemoteServer<ForwardingServer>;
  readonly workerPid: number;
  readonly publisher: LoadPublisher;
  close(): Promise<void>;
}

interface Block {
  /** CPU time per forwarded packet, microseconds: of the worker, of the node process, and of both. */
  readonly workerUs: number;
  readonly nodeUs: number;
  readonly usPerPacket: number;
  readonly packets: number;
}

/**
 * CPU time of worker and node process per forwarded packet, through the engine against a bare mediasoup
 * script that forwards the same: one publisher (800 video and 50 audio packets a second) to 24 viewers
 * over real ICE, DTLS and SRTP. Both run in processes of their own all the time; blocks of load go to
 * one and the other in turn (A B B A ...), and a ratio is taken of each neighbouring pair, so that what
 * else the machine does falls on both alike.
 */
export async function measure(): Promise<BenchResult> {
  const arms: Arm[] = [];
  try {
    const engine = await openArm(await startEngineServer());
    arms.push(engine);
    const bare = await openArm(await startBareServer());
    arms.push(bare);
    const blocks: { engine: Block; bare: Block }[] = [];
    for (let pair = 0; pair < BLOCKS; pair++) {
      const engineFirst = pair % 2 === 0;
      const first = await measureBlock(engineFirst ? engine : bare);
      const second = await measureBlock(engineFirst ? bare : engine);
      blocks.push(engineFirst ? { engine: first, bare: second } : { engine: second, bare: first });
    }
    return report(blocks.slice(1));
  } finally {
    for (const arm of arms) await arm.close();
  }
}

async function openArm(remote: RemoteServer<ForwardingServer>): Promise<Arm> {
  const { server } = remote;
  try {
    const publisher = await LoadPublisher.open(server);
    const viewers: Awaited<ReturnType<typeof openLoadViewer>>[] = [];
    for (let i = 0; i < VIEWERS; i++) viewers.push(await openLoadViewer(server));
    return {
      remote,
      workerPid: await server.workerPid(),
      publisher,
      async close() {
        publisher.close();
        for (const { peer } of viewers) peer.close();
        await remote.stop();
      },
    };
  } catch (error) {
    await remote.stop();
    throw error;
  }
}

async function measureBlock({ remote, workerPid, publisher }: Arm): Promise<Block> {
  const cpu = async () => ({ node: await cpuNs(remote.pid), worker: await cpuNs(workerPid) });
  const packetsBefore = await remote.server.forwarded();
  const before = await cpu();
  await load(publisher);
  const after = await cpu();
  const packets = (await remote.server.forwarded()) - packetsBefore;
  const workerUs = (after.worker - before.worker) / 1_000 / packets;
  const nodeUs = (after.node - before.node) / 1_000 / packets;
  return { packets, workerUs, nodeUs, usPerPacket: workerUs + nodeUs };
}

/** Sends at the two rates for one block, in steps as even as timers allow. */
async function load(publisher: LoadPublisher): Promise<void> {
  const video = 'v'.repeat(VIDEO_BYTES);
  const audio = Buffer.alloc(80, 'a');
  const startedMs = performance.now();
  let [videoSent, audioSent] = [0, 0];
  for (;;) {
    const elapsedMs = Math.min(BLOCK_MS, performance.now() - startedMs);
    for (; videoSent < (elapsedMs * VIDEO_PER_SECOND) / 1_000; videoSent++) publisher.sendVideo(video);
    for (; audioSent < (elapsedMs * AUDIO_PER_SECOND) / 1_000; audioSent++) publisher.sendAudio(audio);
    if (elapsedMs >= BLOCK_MS) return;
    await wait(2);
  }
}

function report(blocks: readonly { engine: Block; bare: Block }[]): BenchResult {
  const ratios = blocks.map(({ engine, bare }) => engine.usPerPacket / bare.usPerPacket);
  const us = (arm: 'engine' | 'bare', of: 'workerUs' | 'nodeUs') => median(blocks.map((block) => block[arm][of]));
  const figures = {
    ratioMedian: median(ratios),
    ratioP25: quantile(ratios, 0.25),
    ratioP75: quantile(ratios, 0.75),
    engineWorkerUs: us('engine', 'workerUs'),
    engineNodeUs: us('engine', 'nodeUs'),
    bareWorkerUs: us('bare', 'workerUs'),
    bareNodeUs: us('bare', 'nodeUs'),
    pairs: blocks.length,
    packets: blocks.reduce((sum, block) => sum + block.engine.packets + block.bare.packets, 0),
  };
  const { engineWorkerUs, engineNodeUs, bareWorkerUs, bareNodeUs } = figures;
  return {
    name: 'forwarding: CPU per forwarded packet, engine against bare mediasoup',
    lines: [
      `ratio ${figures.ratioMedian.toFixed(3)} (median of ${blocks.length} pairs; middle half ${figures.ratioP25.toFixed(3)} to ${figures.ratioP75.toFixed(3)}; goal <= 1.05)`,
      `CPU us per packet: engine ${engineWorkerUs.toFixed(2)} in the worker + ${engineNodeUs.toFixed(2)} in the node process, bare ${bareWorkerUs.toFixed(2)} + ${bareNodeUs.toFixed(2)}; ${figures.packets} packets forwarded`,
    ],
    figures,
  };
}
