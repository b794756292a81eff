import { setTimeout as wait } from 'node:timers/promises';
import type { MediaSection, ReceivingPeer } from '@meridian/harness/webrtc';
import { median, quantile } from '../../analysis/quantile.ts';
import type { BenchResult } from '../result.ts';
import { LoadPublisher, openLoadViewer } from './load.ts';
import { type RemoteServer, startEngineServer } from './rpc.ts';
import type { RelayingServer } from './server.ts';

const ROUNDS = 8;
const PACKETS_PER_ROUND = 1_000;
const EVERY_MS = 5;
/** Not measured: DTLS, pages and caches are warm after them. */
const WARM_UP = 400;
/** For the last packets to arrive, milliseconds. */
const SETTLE_MS = 500;

/** When each numbered packet arrived, milliseconds. */
type Arrivals = ReadonlyMap<number, number>;

/** Of one round, milliseconds. */
interface Round {
  readonly near: Spread;
  readonly far: Spread;
  /** Packet by packet: how much later the far viewer had it than the near one. */
  readonly paired: Spread;
  /** Packet by packet between two viewers of the same node: what this machine's noise alone does. */
  readonly control: Spread;
  readonly packets: number;
}

interface Spread {
  readonly p50: number;
  readonly p99: number;
}

/**
 * What a relay hop adds to the way of a packet: one publisher, viewers on the same node and one on
 * another node behind a relay link, all on loopback. Each packet carries its number; publisher and
 * viewers are one process, so there is one clock. In rounds, so that a moment in which the machine does
 * something else spoils one of them and not the figure.
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
    const viewers = {
      near: await openLoadViewer(origin.server),
      control: await openLoadViewer(origin.server),
      far: await openLoadViewer(puller.server),
    };
    for (const { peer } of Object.values(viewers)) closing.push(() => peer.close());
    const ways = { near: arrivals(viewers.near), control: arrivals(viewers.control), far: arrivals(viewers.far) };
    const sentAtMs: number[] = [];
    for (let number = 0; number < WARM_UP + ROUNDS * PACKETS_PER_ROUND; number++) {
      sentAtMs.push(performance.now());
      publisher.sendAudio(Buffer.from(`<${number}>${'a'.repeat(80)}`));
      await wait(EVERY_MS);
    }
    await wait(SETTLE_MS);
    return report(Array.from({ length: ROUNDS }, (_, round) => roundOf(round, sentAtMs, ways)));
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

function arrivals({ peer, sections }: { peer: ReceivingPeer; sections: readonly MediaSection[] }): Arrivals {
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

function roundOf(
  round: number,
  sentAtMs: readonly number[],
  ways: { near: Arrivals; far: Arrivals; control: Arrivals },
): Round {
  const samples = { near: [] as number[], far: [] as number[], paired: [] as number[], control: [] as number[] };
  const first = WARM_UP + round * PACKETS_PER_ROUND;
  for (let number = first; number < first + PACKETS_PER_ROUND; number++) {
    const [sent, near, far] = [sentAtMs[number], ways.near.get(number), ways.far.get(number)];
    const control = ways.control.get(number);
    if (sent === undefined || near === undefined || far === undefined || control === undefined) continue;
    samples.near.push(near - sent);
    samples.far.push(far - sent);
    samples.paired.push(far - near);
    samples.control.push(Math.abs(control - near));
  }
  const spread = (values: readonly number[]): Spread => ({ p50: quantile(values, 0.5), p99: quantile(values, 0.99) });
  return {
    near: spread(samples.near),
    far: spread(samples.far),
    paired: spread(samples.paired),
    control: spread(samples.control),
    packets: samples.near.length,
  };
}

function report(rounds: readonly Round[]): BenchResult {
  const of = (value: (round: Round) => number) => median(rounds.map(value));
  const addedP99 = rounds.map((round) => round.far.p99 - round.near.p99);
  const figures = {
    addedP50Ms: of((round) => round.far.p50 - round.near.p50),
    addedP99Ms: median(addedP99),
    addedP99LeastMs: Math.min(...addedP99),
    addedP99MostMs: Math.max(...addedP99),
    pairedP50Ms: of((round) => round.paired.p50),
    pairedP99Ms: of((round) => round.paired.p99),
    controlP99Ms: of((round) => round.control.p99),
    sameNodeP50Ms: of((round) => round.near.p50),
    sameNodeP99Ms: of((round) => round.near.p99),
    relayedP50Ms: of((round) => round.far.p50),
    relayedP99Ms: of((round) => round.far.p99),
    rounds: rounds.length,
    packets: rounds.reduce((sum, round) => sum + round.packets, 0),
  };
  const ms = (value: number) => value.toFixed(3);
  return {
    name: 'relay hop: latency added on loopback',
    lines: [
      `added p50 ${ms(figures.addedP50Ms)} ms, p99 ${ms(figures.addedP99Ms)} ms (median of ${rounds.length} rounds, ${ms(figures.addedP99LeastMs)} to ${ms(figures.addedP99MostMs)}; goal <= 1 ms p99)`,
      `same node p50 ${ms(figures.sameNodeP50Ms)}, p99 ${ms(figures.sameNodeP99Ms)} ms; over the relay p50 ${ms(figures.relayedP50Ms)}, p99 ${ms(figures.relayedP99Ms)} ms; ${figures.packets} packets`,
      `packet by packet p50 ${ms(figures.pairedP50Ms)}, p99 ${ms(figures.pairedP99Ms)} ms; between two viewers of one node (noise of this machine) p99 ${ms(figures.controlP99Ms)} ms`,
    ],
    figures,
  };
}
