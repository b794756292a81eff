import type { JoinFigures, LoadFigures } from '../measure/figures.ts';

/** Beyond these a step counts as broken. */
export interface Limits {
  /** Share of packets. */
  readonly loss: number;
  readonly joinP95Ms: number;
  /** Share of one core for a worker, of all cores for the machine. */
  readonly cpu: number;
  readonly latencyP99Ms: number;
}

export const USUAL_LIMITS: Limits = { loss: 0.005, joinP95Ms: 2_000, cpu: 0.85, latencyP99Ms: 100 };

export type Criterion = 'loss' | 'join' | 'worker-cpu' | 'machine-cpu' | 'latency' | 'failures' | 'missing-media';

export interface Breach {
  readonly criterion: Criterion;
  readonly text: string;
}

/** @param lost participants that were put out or lost their connection in this step */
export function breachesOf(figures: LoadFigures, joins: JoinFigures, lost: number, limits: Limits): Breach[] {
  const breaches: Breach[] = [];
  const add = (criterion: Criterion, text: string) => breaches.push({ criterion, text });
  const percent = (share: number) => `${(100 * share).toFixed(share < 0.1 ? 2 : 0)} %`;
  if (figures.loss !== null && figures.loss > limits.loss) {
    add('loss', `${percent(figures.loss)} of the packets lost (limit ${percent(limits.loss)})`);
  }
  const joinMs = joins.latency?.total?.p95;
  if (joinMs !== undefined && joinMs > limits.joinP95Ms) {
    add('join', `95 % of the joins within ${Math.round(joinMs)} ms (limit ${limits.joinP95Ms} ms)`);
  }
  for (const { name, cores } of figures.cluster) {
    if (/ worker /.test(name) && cores > limits.cpu) {
      add('worker-cpu', `${name} uses ${percent(cores)} of a core (limit ${percent(limits.cpu)})`);
    }
  }
  const { machine } = figures;
  if (machine?.holdsCluster && machine.busyCores + machine.stolenCores > limits.cpu * machine.cores) {
    const share = (machine.busyCores + machine.stolenCores) / machine.cores;
    add('machine-cpu', `the machine is ${percent(share)} busy (limit ${percent(limits.cpu)})`);
  }
  if (figures.latency !== null && figures.latency.p99 > limits.latencyP99Ms) {
    add(
      'latency',
      `99 % of the packets within ${Math.round(figures.latency.p99)} ms (limit ${limits.latencyP99Ms} ms)`,
    );
  }
  if (joins.failed + lost > 0) {
    const codes = Object.entries(joins.byCode).map(([code, count]) => `${count} x ${code}`);
    const gone = lost === 0 ? [] : [`${lost} put out or cut off`];
    add('failures', [...codes, ...gone].join(', '));
  }
  if (figures.silentStreams + figures.missingStreams > 0) {
    add('missing-media', `${figures.silentStreams} streams silent, ${figures.missingStreams} not there`);
  }
  return breaches;
}

/** Cores of this machine that the cluster used. */
const machineShare = ({ cluster, machine }: LoadFigures): number =>
  machine?.holdsCluster ? cluster.reduce((sum, { cores }) => sum + cores, 0) : 0;

/** Above this share of the time an event loop has no room left to send in time. */
const LOOP_FULL = 0.85;
/** Frames that are sent later than that make the latency that is to be measured. */
const LATE_MS = 20;

/**
 * Why something else than the cluster may have given way (the load generator, others on this machine): then the step
 * says nothing against the nodes. Empty where there was room.
 */
export function otherLimits(figures: LoadFigures, limits: Limits): string[] {
  const reasons: string[] = [];
  for (const { name, loop } of figures.generators) {
    if (loop !== null && loop > LOOP_FULL) reasons.push(`${name}'s event loop was ${(100 * loop).toFixed(0)} % busy`);
  }
  if (figures.latenessMs !== null && figures.latenessMs > LATE_MS) {
    reasons.push(`1 % of the frames were sent more than ${Math.round(figures.latenessMs)} ms late`);
  }
  if (figures.skippedFrames > 0) reasons.push(`${figures.skippedFrames} frames were not sent in time and skipped`);
  const { machine } = figures;
  const own = figures.generators.reduce((sum, { cores }) => sum + cores, 0);
  const cluster = machineShare(figures);
  if (machine !== null) {
    const other = Math.max(0, machine.busyCores - own - cluster);
    const full = machine.busyCores + machine.stolenCores > limits.cpu * machine.cores;
    if (full && !machine.holdsCluster) {
      reasons.push(`the participants' machine was full: ${machine.busyCores.toFixed(2)} of ${machine.cores} cores`);
    } else if (full && own > cluster) {
      reasons.push(
        `of the machine's ${machine.cores} cores the generator took ${own.toFixed(2)}, the cluster ${cluster.toFixed(2)}`,
      );
    }
    if (full && other + machine.stolenCores > 0.25 * machine.cores) {
      reasons.push(`${(other + machine.stolenCores).toFixed(2)} cores went to others on this machine`);
    }
  }
  return reasons;
}
