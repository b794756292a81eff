import type { RecordedRun } from '../record/run.ts';
import type { CrossCheck, StatsReport } from '../record/schema.ts';
import { sentBy } from '../scenario/schema.ts';
import { increaseOf, numberIn, seriesOf } from './interpolate.ts';
import { Series } from './series.ts';

/** Share by which two figures of the same thing may differ. */
const TOLERANCE = 0.05;
/** A page's figures are read with so much play, ms; a node's with the time its scrape took. */
const PLAY_MS = 200;
/** Below this many bytes in the window nothing can be said. */
const LEAST_BYTES = 10_000;

/** mediasoup's own stream for probing the bandwidth is no media of anybody. */
const isInbound = ({ type, trackIdentifier }: StatsReport): boolean =>
  type === 'inbound-rtp' && trackIdentifier !== 'probator';
const isOutbound = ({ type }: StatsReport): boolean => type === 'outbound-rtp';
/** RTP packets with their headers, as the nodes count them. */
const received = (report: StatsReport) =>
  plus(numberIn(report, 'bytesReceived'), numberIn(report, 'headerBytesReceived'));
const sent = (report: StatsReport) => plus(numberIn(report, 'bytesSent'), numberIn(report, 'headerBytesSent'));
const plus = (a: number | undefined, b: number | undefined) => (a === undefined ? undefined : a + (b ?? 0));

/**
 * Holds what the pages measured, what the nodes told Prometheus and what the emulator counted against each other, over the
 * measured time. What the emulator dropped between two of them is allowed for.
 */
export function crossCheck(run: RecordedRun): CrossCheck[] {
  const { window } = run;
  if (window === undefined) return [];
  const series = new Series(run.of('scrape'));
  const arm = run.header.scenario.arms.find(({ name }) => name === run.header.arm);
  const clientsAt = (node: string) =>
    Object.entries(arm?.at ?? {}).flatMap(([client, at]) => (at === node ? [client] : []));
  const checks: CrossCheck[] = [];
  const slowest = Math.max(0, ...run.of('scrape').map(({ tookMs }) => tookMs));
  // Both ends of the window are uncertain.
  const tolerance = TOLERANCE + (2 * (PLAY_MS + slowest)) / (window.toMs - window.fromMs);
  const compare = (what: string, clients: number | undefined, servers: number | undefined) => {
    if (clients === undefined || servers === undefined || Math.max(clients, servers) < LEAST_BYTES) return;
    const agrees = Math.abs(clients - servers) <= tolerance * Math.max(clients, servers);
    checks.push({ what, unit: 'bytes', clients, servers, tolerance, agrees });
  };
  for (const node of series.nodes) {
    for (const [leg, direction, of, bytes] of [
      ['client-up', 'sent to', isOutbound, sent],
      ['client-down', 'received from', isInbound, received],
    ] as const) {
      const server = series.increase(node, 'meridian_media_bytes_total', { leg }, window);
      if (server === undefined) continue;
      const clients = clientsAt(node).map((client) => {
        const counted =
          direction === 'sent to' && sendsNothing(run, client)
            ? 0
            : increaseOf(seriesOf(run, client, of, bytes), server);
        const share = shareArrived(run, client, direction === 'sent to' ? 'up' : 'down', server);
        // Of what a client sent, the node has what arrived; what a client has is the part that arrived of what the node sent.
        return counted === undefined ? undefined : direction === 'sent to' ? counted * share : counted / share;
      });
      if (clients.includes(undefined)) continue;
      compare(`media ${direction} ${node}`, sum(clients), server.by);
    }
  }
  for (const from of series.nodes) {
    for (const to of series.nodes) {
      if (from === to) continue;
      const out = series.increase(from, 'meridian_relay_bytes_total', { direction: 'out', remote_node: to }, window);
      const into = series.increase(to, 'meridian_relay_bytes_total', { direction: 'in', remote_node: from }, window);
      compare(`relay from ${from} to ${to}, told by both nodes`, out?.by, into?.by);
    }
  }
  return checks;
}

/** Who only watches has no counters of what it sends. */
function sendsNothing(run: RecordedRun, client: string): boolean {
  const { video, audio } = sentBy(run.header.scenario, client);
  return video === null && !audio;
}

/** Share of the packets that the links of a client let through in a window; 1 where none were counted. */
function shareArrived(
  run: RecordedRun,
  client: string,
  way: 'up' | 'down',
  window: { readonly fromMs: number; readonly toMs: number },
): number {
  const counts = run.of('links');
  const before = counts.findLast(({ atMs }) => atMs <= window.fromMs) ?? counts[0];
  const after = counts.find(({ atMs }) => atMs >= window.toMs) ?? counts.at(-1);
  const route = run.header.routes.find(({ kind, from }) => kind === 'media' && from === client);
  return (route?.[way] ?? []).reduce((share, link) => {
    const [then, now] = [before?.links[link], after?.links[link]];
    const offered = (now?.offered ?? 0) - (then?.offered ?? 0);
    const delivered = (now?.delivered ?? 0) - (then?.delivered ?? 0);
    return offered > 0 && delivered > 0 ? (share * delivered) / offered : share;
  }, 1);
}

/**
 * Links that media should have passed and did not: then what was measured is not what the scenario describes. Returned are
 * sentences.
 */
export function bypassedLinks(run: RecordedRun): string[] {
  const { window } = run;
  if (window === undefined) return [];
  const counts = run.of('links');
  const before = counts.findLast(({ atMs }) => atMs <= window.fromMs) ?? counts[0];
  const after = counts.find(({ atMs }) => atMs >= window.toMs) ?? counts.at(-1);
  if (before === undefined || after === undefined || after.atMs <= before.atMs) return ['the links were not counted'];
  const between = { fromMs: before.atMs, toMs: after.atMs };
  const offered = (link: string) => {
    const now = after.links[link];
    const then = before.links[link];
    return now === undefined ? 0 : now.offered - (then?.offered ?? 0);
  };
  const problems: string[] = [];
  for (const { kind, from, to, up, down } of run.header.routes) {
    if (kind === 'media') {
      const packets = (of: typeof isInbound, field: string) =>
        increaseOf(
          seriesOf(run, from, of, (report) => numberIn(report, field)),
          between,
        ) ?? 0;
      for (const [link, expected] of [
        [up[0], packets(isOutbound, 'packetsSent')],
        [down.at(-1), packets(isInbound, 'packetsReceived')],
      ] as const) {
        if (link !== undefined && offered(link) < 0.9 * expected) {
          problems.push(`of ${Math.round(expected)} packets of ${from} ${link} saw ${offered(link)}`);
        }
      }
    } else if (kind === 'relay') {
      const relayed = relayedPackets(run, from, to, between);
      for (const [link, expected] of [
        [up[0], relayed.there],
        [down[0], relayed.back],
      ] as const) {
        if (link !== undefined && offered(link) < 0.9 * expected) {
          problems.push(`of ${Math.round(expected)} relayed packets ${link} saw ${offered(link)}`);
        }
      }
    }
  }
  return problems;
}

function relayedPackets(run: RecordedRun, from: string, to: string, window: { fromMs: number; toMs: number }) {
  const series = new Series(run.of('scrape'));
  const out = (node: string, remote: string) => {
    const risen = series.increase(
      node,
      'meridian_relay_packets_total',
      { direction: 'out', remote_node: remote },
      window,
    );
    if (risen === undefined) return 0;
    // Scrapes and counts of links are not taken at the same time: by rate.
    return (risen.by * (window.toMs - window.fromMs)) / (risen.toMs - risen.fromMs);
  };
  return { there: out(from, to), back: out(to, from) };
}

const sum = (values: readonly (number | undefined)[]): number =>
  values.reduce<number>((total, value) => total + (value ?? 0), 0);
