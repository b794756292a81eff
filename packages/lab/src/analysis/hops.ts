import type { RecordedRun } from '../experiment/record/run.ts';
import type { StatsReport } from '../experiment/record/schema.ts';
import type { Window } from './frames.ts';
import { median } from './quantile.ts';
import { numberOf, ratio, rise, textOf } from './stats-series.ts';

/** Where the latency of a picture comes from, milliseconds; one way counts as half a measured round trip. */
export interface Hops {
  /** Encoding and waiting to be sent. */
  readonly send: number | undefined;
  readonly clientUp: number | undefined;
  /** Between the two nodes; 0 where both are on one. */
  readonly relay: number | undefined;
  readonly clientDown: number | undefined;
  /** Waiting in the receiver's jitter buffer. */
  readonly buffer: number | undefined;
  readonly decode: number | undefined;
  /** What is left of the measured glass-to-glass latency: nodes, capture, rendering, and what halves of round trips miss. */
  readonly rest: number | undefined;
  /** Round trip along the whole way. */
  readonly pathRttMs: number | undefined;
}

export const HOP_NAMES = ['send', 'clientUp', 'relay', 'clientDown', 'buffer', 'decode', 'rest'] as const;
export type HopName = (typeof HOP_NAMES)[number];

export const HOP_TITLES: Readonly<Record<HopName, string>> = {
  send: 'encode and send',
  clientUp: 'sender to node',
  relay: 'node to node',
  clientDown: 'node to receiver',
  buffer: 'jitter buffer',
  decode: 'decode',
  rest: 'nodes, capture, render, rest',
};

/** Undefined where nothing at all was measured. */
export function hopsOf(
  run: RecordedRun,
  { fromMs, toMs }: Window,
  pair: { readonly receiver: string; readonly sender: string; readonly latencyMs: number | undefined },
): Hops | undefined {
  const { receiver, sender, latencyMs } = pair;
  const inside = ({ atMs }: { atMs: number }) => atMs >= fromMs && atMs <= toMs;
  const looksOf = (client: string) => run.of('stats').filter((line) => line.client === client && inside(line));
  const sent = looksOf(sender);
  const received = looksOf(receiver);
  const arm = run.header.scenario.arms.find(({ name }) => name === run.header.arm);
  const from = arm?.at[sender];
  const to = arm?.at[receiver];
  const upRtt = legRtt(sent.flatMap(({ reports }) => reports));
  const downRtt = legRtt(received.flatMap(({ reports }) => reports));
  const relayRtts = run
    .of('node-stats')
    .filter((line) => line.client === receiver && inside(line))
    .flatMap(({ relays }) => relays.filter(({ node }) => node === from))
    .flatMap(({ rttMs }) => (rttMs === null ? [] : [rttMs]));
  const relayRtt = from === to ? 0 : middleOf(relayRtts);
  const outgoing = (report: StatsReport) => report.type === 'outbound-rtp' && textOf(report, 'kind') === 'video';
  const incoming = (report: StatsReport) =>
    report.type === 'inbound-rtp' && textOf(report, 'kind') === 'video' && textOf(report, 'sender') === sender;
  const each = (looks: typeof sent, match: (report: StatsReport) => boolean, time: string, count: string) => {
    const seconds = ratio(rise(looks, match, time), rise(looks, match, count));
    return seconds === undefined ? undefined : 1_000 * seconds;
  };
  const encode = each(sent, outgoing, 'totalEncodeTime', 'framesEncoded');
  const pacing = each(sent, outgoing, 'totalPacketSendDelay', 'packetsSent');
  const known = {
    send: encode === undefined && pacing === undefined ? undefined : (encode ?? 0) + (pacing ?? 0),
    clientUp: half(upRtt),
    relay: half(relayRtt),
    clientDown: half(downRtt),
    buffer: each(received, incoming, 'jitterBufferDelay', 'jitterBufferEmittedCount'),
    decode: each(received, incoming, 'totalDecodeTime', 'framesDecoded'),
  };
  if (latencyMs === undefined && Object.values(known).every((value) => value === undefined)) return undefined;
  const explained = Object.values(known).reduce<number>((sum, value) => sum + (value ?? 0), 0);
  return {
    ...known,
    rest: latencyMs === undefined ? undefined : latencyMs - explained,
    pathRttMs:
      upRtt === undefined || downRtt === undefined || relayRtt === undefined ? undefined : upRtt + relayRtt + downRtt,
  };
}

const half = (value: number | undefined): number | undefined => (value === undefined ? undefined : value / 2);
const middleOf = (values: readonly number[]): number | undefined => (values.length === 0 ? undefined : median(values));

/** Round trip between a client and its node by ICE's checks, milliseconds. */
function legRtt(reports: readonly StatsReport[]): number | undefined {
  return middleOf(
    reports.flatMap((report) => {
      const seconds = report.type === 'candidate-pair' ? numberOf(report, 'currentRoundTripTime') : undefined;
      return seconds === undefined || report.nominated === false ? [] : [1_000 * seconds];
    }),
  );
}
