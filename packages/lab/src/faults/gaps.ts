/** Figures of one direction of one kind of media around a fault; milliseconds. */
export interface Outage {
  /** Longest time without anything new, of those that touch the time after the fault. */
  readonly gapMs: number;
  /** When that time began, after the fault; negative where it had begun before. */
  readonly gapAtMs: number;
  /** From the fault until it was back to stay: the end of the gaps longer than `SIGNIFICANT_MS`. 0 without such a gap. */
  readonly backAfterMs: number;
  /** Longest time without anything new before the fault: what is usual on this machine. */
  readonly usualGapMs: number;
}

/** A shorter pause is a stutter and not media that is gone. Milliseconds. */
export const SIGNIFICANT_MS = 300;

/** Back to stay: for so long there is no such gap again. Milliseconds. */
export const STEADY_MS = 2_000;

export interface Window {
  readonly fromMs: number;
  readonly faultMs: number;
  readonly untilMs: number;
}

/** The longest pause between moments (frames on a screen); null when there is none from before the fault. */
export function outageOfFrames(moments: readonly number[], window: Window): Outage | null {
  const inside = moments.filter((at) => at >= window.fromMs && at <= window.untilMs).sort((a, b) => a - b);
  const first = inside[0];
  if (first === undefined || first > window.faultMs) return null;
  const gaps: Gap[] = [];
  let last = first;
  for (const at of [...inside.slice(1), window.untilMs]) {
    gaps.push({ fromMs: last, toMs: at });
    last = at;
  }
  return outageOf(gaps, window);
}

/** The longest pause between spells (sound that was heard); null when nothing was heard before the fault. */
export function outageOfSound(spells: readonly (readonly [number, number])[], window: Window): Outage | null {
  const inside = spells
    .filter(([from, to]) => to >= window.fromMs && from <= window.untilMs)
    .sort((a, b) => a[0] - b[0]);
  const first = inside[0];
  if (first === undefined || first[0] > window.faultMs) return null;
  const gaps: Gap[] = [];
  let heardUntil = first[1];
  for (const [from, to] of inside.slice(1)) {
    if (from > heardUntil) gaps.push({ fromMs: heardUntil, toMs: from });
    heardUntil = Math.max(heardUntil, to);
  }
  if (heardUntil < window.untilMs) gaps.push({ fromMs: heardUntil, toMs: window.untilMs });
  return outageOf(gaps, window);
}

interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
}

function outageOf(gaps: readonly Gap[], { faultMs }: Window): Outage {
  const length = ({ fromMs, toMs }: Gap) => toMs - fromMs;
  const before = gaps.filter(({ toMs }) => toMs <= faultMs);
  const after = gaps.filter(({ toMs }) => toMs > faultMs);
  let backMs: number | undefined;
  for (const gap of after.filter((one) => length(one) > SIGNIFICANT_MS)) {
    if (backMs !== undefined && gap.fromMs - backMs > STEADY_MS) break;
    backMs = gap.toMs;
  }
  const longest = after.reduce<Gap | undefined>(
    (best, gap) => (best === undefined || length(gap) > length(best) ? gap : best),
    undefined,
  );
  return {
    gapMs: longest === undefined ? 0 : length(longest),
    gapAtMs: longest === undefined ? 0 : longest.fromMs - faultMs,
    backAfterMs: backMs === undefined ? 0 : backMs - faultMs,
    usualGapMs: Math.max(0, ...before.map(length)),
  };
}
