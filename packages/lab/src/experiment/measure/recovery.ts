import { applyChange, type LinkSettings, type LinkState, meanLoss, stateOf } from '../../wan/model/settings.ts';
import type { RecordedRun } from '../record/run.ts';

/** A link that loses more than this share of its packets carries no picture, whatever is sent again. */
const HOPELESS_LOSS = 0.3;

const isCut = (state: LinkState): boolean => state.outage || meanLoss(state.loss) > HOPELESS_LOSS;

export interface Cut {
  readonly fromS: number;
  readonly toS: number;
}

/** When a link lets nothing through within the measured time, seconds after it began; until its end where it does not come back. */
export function cutsOfLink(settings: LinkSettings, lengthS: number): Cut[] {
  const cuts: Cut[] = [];
  let state = stateOf(settings);
  let sinceS = isCut(state) ? 0 : undefined;
  const end = (endS: number) => {
    const toS = Math.min(endS, lengthS);
    if (sinceS !== undefined && sinceS < toS) cuts.push({ fromS: sinceS, toS });
    sinceS = undefined;
  };
  for (const { atS, change } of settings.schedule) {
    state = applyChange(state, change);
    if (!isCut(state)) end(atS);
    else sinceS ??= atS;
  }
  end(lengthS);
  return cuts;
}

/** When some link of a run lets nothing through, each time once. */
export function cutsOf(run: RecordedRun): Cut[] {
  const { links, scenario } = run.header;
  return distinct(Object.values(links).flatMap((link) => cutsOfLink(link, scenario.lengthS)));
}

export function distinct(cuts: readonly Cut[]): Cut[] {
  const known = new Map(cuts.map((cut) => [`${cut.fromS} ${cut.toS}`, cut]));
  return [...known.values()].sort((a, b) => a.fromS - b.fromS);
}

/** Times at which an outage, or a burst of loss that comes near to one, ended on the way from sender to receiver, ms after the run's origin. */
export function outageEnds(run: RecordedRun, sender: string, receiver: string, startMs: number): number[] {
  const arm = run.header.scenario.arms.find(({ name }) => name === run.header.arm);
  const [from, to] = [arm?.at[sender], arm?.at[receiver]];
  const links = run.header.routes.flatMap((route) => {
    if (route.kind === 'media' && route.from === sender) return route.up;
    if (route.kind === 'media' && route.from === receiver) return route.down;
    if (route.kind === 'relay' && route.from === from && route.to === to) return route.up;
    if (route.kind === 'relay' && route.from === to && route.to === from) return route.down;
    return [];
  });
  const ends = new Set<number>();
  for (const link of links) {
    const settings = run.header.links[link];
    if (settings === undefined) continue;
    let state = stateOf(settings);
    for (const { atS, change } of settings.schedule) {
      const next = applyChange(state, change);
      if (isCut(state) && !isCut(next)) ends.add(startMs + atS * 1_000);
      state = next;
    }
  }
  return [...ends].sort((a, b) => a - b);
}

/** The longest time from the end of an outage until a picture drawn after the outage was shown; null without outages. */
export function recoveryOf(
  run: RecordedRun,
  sender: string,
  receiver: string,
  window: { readonly fromMs: number; readonly toMs: number },
): number | null {
  const ends = outageEnds(run, sender, receiver, window.fromMs).filter((endMs) => endMs < window.toMs);
  const frames = run
    .of('frames')
    .filter((line) => line.sender === sender && line.receiver === receiver)
    .flatMap(({ rows }) => rows);
  const times = ends.map((endMs) => {
    const shown = frames.flatMap(([, drawnMs, shownMs]) => (drawnMs >= endMs ? [shownMs] : []));
    // Nothing any more: it took at least until the end.
    return Math.min(...shown, window.toMs) - endMs;
  });
  return times.length === 0 ? null : Math.max(...times);
}
