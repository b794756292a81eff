import { mean } from './quantile.ts';

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Freezes {
  readonly count: number;
  readonly totalMs: number;
}

/** Frames whose average interval is the measure of a freeze. */
const RECENT = 30;
const LEAST_FREEZE_MS = 150;

/**
 * Freezes as webrtc-stats defines them (`freezeCount`): an interval between two shown frames of at least three times the
 * average of the last 30 intervals, and 150 ms more than it. A picture that stands still at the end of the window counts
 * up to there, and one that has not come yet from its beginning.
 */
export function freezesOf(shownMs: readonly number[], window: Window): Freezes {
  const freezes = freezeTimes(shownMs, window);
  return { count: freezes.length, totalMs: freezes.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0) };
}

/** When they were, within the window. */
export function freezeTimes(shownMs: readonly number[], { fromMs, toMs }: Window): Window[] {
  const recent: number[] = [];
  const freezes: Window[] = [];
  const times = [...shownMs.filter((at) => at >= fromMs && at <= toMs), toMs];
  let last = shownMs.findLast((at) => at < fromMs) ?? fromMs;
  for (const at of times) {
    const gapMs = at - last;
    const usualMs = recent.length === 0 ? LEAST_FREEZE_MS / 2 : mean(recent);
    if (gapMs >= Math.max(3 * usualMs, usualMs + LEAST_FREEZE_MS)) {
      freezes.push({ fromMs: Math.max(last, fromMs), toMs: at });
    }
    recent.push(gapMs);
    if (recent.length > RECENT) recent.shift();
    last = at;
  }
  return freezes;
}
