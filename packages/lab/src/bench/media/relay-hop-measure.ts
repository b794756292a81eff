import { setTimeout as wait } from 'node:timers/promises';
import type { MediaSection, ReceivingPeer } from '@meridian/harness/webrtc';
import { type BenchResult, quantile } from '../result.ts';
import { LoadPublisher, openLoadViewer } from './load.ts';
import { type RemoteServer, startEngineServer } from './rpc.ts';
import type { RelayingServer } from './server.ts';

const PACKETS = 6_000;
const EVERY_MS = 5;
/** Not measured: DTLS, pages and caches are warm after them. */
const WARM_UP = 400;

/**
 * What a relay hop adds to the way of a packet: one publisher, one viewer on the same node and one on
 * another node behind a relay link, all on loopback. Each packet carries the time at which it was sent;
 * publisher and viewers are one process, so there is one clock. The two ways are compared packet by packet.
 */
export async function measure(): Promise<BenchResult> {
  const nodes: RemoteServer<RelayingServer>[] = [];
  const closing: (() => void)[] = [];
  try {
    const origin = await startEngineServer();
    nodes.push(origin);
    const puller = await startEngineServer();
    nodes.push(puller);
    const publisher = await LoadPublisher.open(origin.server);
    closing.push(() => publisher.close());
    await connect(origin.server, puller.server, publisher);
    const [near, far] = [await openLoadViewer(origin.server), await openLoadViewer(puller.server)];
    closing.push(
      () => near.peer.close(),
      () => far.peer.close(),
    );
    const [direct, relayed] = [arrivals(near), arrivals(far)];
    const sentAtMs: number[] = [];
    for (let number = 0; number < PACKETS + WARM_UP; number++) {
      sentAtMs.push(performance.now());
      publisher.sendAudio(Buffer.from(`<${number}>${'a'.repeat(80)}`));
      await wait(EVERY_MS);
    }
    await wait(500);
    return report(sentAtMs, direct, relayed);
  } finally {
    for (const close of closing) close();
    for (const node of nodes) await node.stop();
  }
}

async function connect(origin: RelayingServer, puller: RelayingServer, publisher: LoadPublisher): Promise<void> {
  const [pullerEndpoint, originEndpoint] = [await puller.openRelayEnd('puller'), await origin.openRelayEnd('origin')];
  await origin.connectRelay(pullerEndpoint);
  await puller.connectRelay(originEndpoint);
  for (const producerId of publisher.producerIds) await puller.accept(await origin.offer(producerId));
}

/** When each numbered audio packet arrived, milliseconds. */
function arrivals({ peer, sections }: { peer: ReceivingPeer; sections: readonly MediaSection[] }): Map<number, number> {
  const at = new Map<number, number>();
  const audio = sections.find(({ kind }) => kind === 'audio');
  if (audio === undefined) throw new Error('no audio section');
  peer.onRtp(audio.mid, (packet) => {
    const nowMs = performance.now();
    const number = /<(\d+)>/.exec(packet.toString('latin1'))?.[1];
    if (number !== undefined && !at.has(Number(number))) at.set(Number(number), nowMs);
  });
  return at;
}

function report(
  sentAtMs: readonly number[],
  direct: ReadonlyMap<number, number>,
  relayed: ReadonlyMap<number, number>,
): BenchResult {
  const ways = { direct: [] as number[], relayed: [] as number[], added: [] as number[] };
  sentAtMs.forEach((atMs, number) => {
    const [near, far] = [direct.get(number), relayed.get(number)];
    if (number < WARM_UP || near === undefined || far === undefined) return;
    ways.direct.push(near - atMs);
    ways.relayed.push(far - atMs);
    ways.added.push(far - near);
  });
  const at = (values: readonly number[]) => ({ p50: quantile(values, 0.5), p99: quantile(values, 0.99) });
  const [near, far, added] = [at(ways.direct), at(ways.relayed), at(ways.added)];
  const ms = (value: number) => `${value.toFixed(3)} ms`;
  return {
    name: 'relay hop: latency added on loopback',
    lines: [
      `added p50 ${ms(far.p50 - near.p50)}, p99 ${ms(far.p99 - near.p99)} (goal <= 1 ms p99); packet by packet p50 ${ms(added.p50)}, p99 ${ms(added.p99)}`,
      `same node p50 ${ms(near.p50)}, p99 ${ms(near.p99)}; over the relay p50 ${ms(far.p50)}, p99 ${ms(far.p99)}; ${ways.added.length} packets`,
    ],
    figures: {
      addedP50Ms: far.p50 - near.p50,
      addedP99Ms: far.p99 - near.p99,
      pairedP50Ms: added.p50,
      pairedP99Ms: added.p99,
      sameNodeP50Ms: near.p50,
      sameNodeP99Ms: near.p99,
      relayedP50Ms: far.p50,
      relayedP99Ms: far.p99,
      packets: ways.added.length,
    },
  };
}
