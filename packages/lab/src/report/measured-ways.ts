import { median } from '../analysis/quantile.ts';
import type { RecordedRun } from '../experiment/record/run.ts';

/** What lies between two who exchange media, as a drawing shows it. */
export interface Way {
  readonly kind: 'media' | 'relay';
  readonly from: string;
  readonly to: string;
  /** Such as "181 ms RTT, 0.12 % loss". */
  readonly label: string;
  /** What becomes of it by plan, where something does. */
  readonly plan?: string | undefined;
}

/** Ways of a real network, as the nodes measured them: medians of the round trip, means of the loss. */
export function measuredWays(run: RecordedRun): Way[] {
  const { scenario, arm: name } = run.header;
  const at = scenario.arms.find((arm) => arm.name === name)?.at ?? {};
  const { window } = run;
  const stats = run
    .of('node-stats')
    .filter(({ atMs }) => window === undefined || (atMs >= window.fromMs && atMs <= window.toMs));
  const ways: Way[] = Object.entries(at).map(([client, node]) => {
    const legs = stats.filter((line) => line.client === client).flatMap(({ up, down }) => [up, down]);
    return { kind: 'media', from: client, to: node, label: labelOf(legs) };
  });
  const nodes = [...new Set(Object.values(at))];
  for (const [index, one] of nodes.entries()) {
    for (const other of nodes.slice(index + 1)) {
      const relays = stats.flatMap(({ node, relays: links }) =>
        links.filter((link) => (node === one && link.node === other) || (node === other && link.node === one)),
      );
      ways.push({ kind: 'relay', from: one, to: other, label: labelOf(relays) });
    }
  }
  return ways;
}

function labelOf(legs: readonly { readonly rttMs: number | null; readonly lossFraction: number | null }[]): string {
  const rtts = legs.flatMap(({ rttMs }) => rttMs ?? []);
  const losses = legs.flatMap(({ lossFraction }) => lossFraction ?? []);
  const loss = losses.reduce((sum, one) => sum + one, 0) / Math.max(1, losses.length);
  return [
    rtts.length === 0 ? 'not measured' : `${median(rtts).toFixed(0)} ms RTT`,
    ...(loss > 0 ? [`${(100 * loss).toFixed(2)} % loss`] : []),
  ].join(', ');
}
