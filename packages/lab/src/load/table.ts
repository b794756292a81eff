import type { JoinFigures, LoadFigures, Quantiles } from './measure/figures.ts';

export interface TableState {
  readonly clock: string;
  readonly what: string;
  readonly people: number;
  readonly wanted: number;
  readonly rooms: number;
  readonly lost: number;
  readonly joins: JoinFigures;
  /** Of the last seconds. */
  readonly figures: LoadFigures | undefined;
}

/** What is shown while the load runs, line by line. */
export function tableLines({ clock, what, people, wanted, rooms, lost, joins, figures }: TableState): string[] {
  const total = joins.latency?.total;
  const codes = Object.entries(joins.byCode).map(([code, count]) => `${count} x ${code}`);
  const lines = [
    `${clock}  ${what}: ${people} of ${wanted} participants in ${rooms} rooms`,
    `  joins       ${joins.joined} in, ${joins.failed} failed${codes.length > 0 ? ` (${codes.join(', ')})` : ''}, ${lost} lost; ${joins.perS.toFixed(1)}/s${total === undefined ? '' : `; ${threeText(total)} ms`}`,
  ];
  if (figures === undefined) return lines;
  const { sentKbps, receivedKbps, sentPerS, receivedPerS, streams, latency, generators, machine, cluster } = figures;
  lines.push(
    `  sent        ${mbit(sentKbps)}  ${whole(sentPerS)} packets/s`,
    `  received    ${mbit(receivedKbps)}  ${whole(receivedPerS)} packets/s in ${streams} streams, ${lossText(figures.loss)} lost${latency === null ? '' : `, ${threeText(latency)} ms`}`,
    ...cluster.map(({ name, cores, rssBytes }) => partLine(name, cores, rssBytes)),
    ...generators.map(generatorLine),
  );
  if (machine !== null) {
    const where = machine.holdsCluster ? 'machine' : 'this machine';
    lines.push(`  ${where.padEnd(16)} ${percent(machine.busyCores / machine.cores)} of ${machine.cores} cores`);
  }
  return lines;
}

/** The same in one line, for what is no terminal. */
export function shortLine({ clock, what, people, wanted, joins, figures }: TableState): string {
  const parts = [`${clock} ${what}: ${people}/${wanted} in`, `${joins.failed} failed`];
  const p95 = joins.latency?.total?.p95;
  if (p95 !== undefined) parts.push(`join p95 ${Math.round(p95)} ms`);
  if (figures !== undefined) {
    parts.push(`up ${mbit(figures.sentKbps)}, down ${mbit(figures.receivedKbps)}, lost ${lossText(figures.loss)}`);
    if (figures.latency !== null) parts.push(`latency p99 ${figures.latency.p99.toFixed(1)} ms`);
    const cores = (list: readonly { cores: number }[]) => list.reduce((sum, one) => sum + one.cores, 0).toFixed(2);
    parts.push(`cores: cluster ${cores(figures.cluster)}, generators ${cores(figures.generators)}`);
  }
  return parts.join('; ');
}

/** What a level showed, at the end. */
export function summaryLines(figures: LoadFigures, joins: JoinFigures, lost: number): string[] {
  const { latency, machine } = figures;
  const codes = Object.entries(joins.byCode).map(([code, count]) => `${code} ${count}`);
  const per = (value: number | null, text: (value: number) => string) => (value === null ? '-' : text(value));
  return [
    ...stepLines(joins),
    `joins: ${joins.joined} in (${joins.perS.toFixed(1)}/s), ${joins.failed} failed${codes.length > 0 ? ` (${codes.join(', ')})` : ''}; lost later: ${lost}`,
    `media: ${figures.participants} participants sent ${mbit(figures.sentKbps)} (${whole(figures.sentPerS)} packets/s), received ${mbit(figures.receivedKbps)} (${whole(figures.receivedPerS)} packets/s) in ${figures.streams} streams`,
    `loss: ${lossText(figures.loss)} of the packets, worst stream ${lossText(figures.worstStreamLoss)}; ${figures.silentStreams} streams silent, ${figures.missingStreams} not there`,
    ...(latency === null ? [] : [`packet latency, process to process: ${threeText(latency)} ms`]),
    `forwarded: ${whole(figures.forwardedPerS)} packets/s (counted by the ${figures.forwardedBy}), of these ${whole(figures.relayedPerS)} between nodes`,
    `cost: ${per(figures.usPerForwarded, (us) => `${us.toFixed(1)} us of CPU per forwarded packet`)} (${per(figures.workerUsPerForwarded, (us) => `${us.toFixed(1)} in workers`)}), ${per(figures.coresPerParticipant, (cores) => `${(100 * cores).toFixed(2)} % of a core`)} and ${per(figures.bytesPerParticipant, (bytes) => `${(bytes / 1_048_576).toFixed(2)} MiB`)} per participant`,
    ...figures.cluster.map(({ name, cores, rssBytes }) => partLine(name, cores, rssBytes)),
    ...figures.generators.map(generatorLine),
    ...(machine === null
      ? []
      : [
          `  ${'machine'.padEnd(16)} ${machine.busyCores.toFixed(2).padStart(6)} of ${machine.cores} cores busy, ${machine.stolenCores.toFixed(2)} stolen`,
        ]),
  ];
}

function stepLines({ latency }: JoinFigures): string[] {
  if (latency === null) return [];
  const rows = Object.entries(latency).map(
    ([step, { p50, p95, p99 }]) => `| ${step} | ${p50.toFixed(1)} | ${p95.toFixed(1)} | ${p99.toFixed(1)} |`,
  );
  return ['| join step, ms | p50 | p95 | p99 |', '| --- | ---: | ---: | ---: |', ...rows, ''];
}

export const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
const lossText = (share: number | null) => (share === null ? '-' : `${(100 * share).toFixed(2)} %`);
const mbit = (kbps: number) => `${(kbps / 1_000).toFixed(kbps < 10_000 ? 2 : 1)} Mbit/s`;
const whole = (value: number) => String(Math.round(value));
const threeText = ({ p50, p95, p99 }: Quantiles) =>
  `p50 ${p50.toFixed(1)}, p95 ${p95.toFixed(1)}, p99 ${p99.toFixed(1)}`;
const partLine = (name: string, cores: number, rssBytes: number) =>
  `  ${name.padEnd(16)} ${cores.toFixed(2).padStart(6)} cores  ${(rssBytes / 1_048_576).toFixed(0).padStart(6)} MiB`;
const generatorLine = ({ name, cores, rssBytes, loop }: LoadFigures['generators'][number]) =>
  `${partLine(name, cores, rssBytes)}${loop === null ? '' : `  loop ${percent(loop)}`}`;
