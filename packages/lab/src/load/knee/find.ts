import type { LevelResult, LoadRun } from '../load-run.ts';
import type { LevelLine } from '../record.ts';
import { breachesOf, type Limits, otherLimits } from './criteria.ts';
import { kneeOf, nextLevel, type SearchRange, type Tried } from './search.ts';

export interface LevelOptions {
  readonly run: LoadRun;
  readonly settleMs: number;
  readonly measureMs: number;
  readonly limits: Limits;
}

/** Raises (or lowers) the load to so many participants and measures it. */
export async function tryLevel(participants: number, options: LevelOptions): Promise<LevelLine> {
  const { run, settleMs, measureMs, limits } = options;
  const since = run.nowMs;
  await run.reach(participants);
  await run.settle(settleMs);
  return judged(participants, await run.measure(measureMs, since), run.nowMs, limits);
}

function judged(participants: number, { figures, joins, lost }: LevelResult, atMs: number, limits: Limits): LevelLine {
  const breaches = figures === undefined ? [] : breachesOf(figures, joins, lost, limits);
  return {
    type: 'level',
    atMs,
    participants,
    held: figures !== undefined && breaches.length === 0,
    breaches,
    otherLimits: figures === undefined ? [] : otherLimits(figures, limits),
    joins,
    lost,
    figures: figures ?? null,
  };
}

export interface Knee {
  readonly held: LevelLine | undefined;
  readonly broke: LevelLine | undefined;
  readonly levels: readonly LevelLine[];
}

/**
 * Searches the highest load that holds. A level that broke is tried once more: only what breaks twice counts, so that a
 * hiccup of the machine does not end the search. Each try comes from a level that held, so that joins are part of it.
 */
export async function findKnee(
  range: SearchRange,
  options: LevelOptions & { readonly signal: AbortSignal; readonly onLevel: (level: LevelLine) => void },
): Promise<Knee> {
  const { run, signal, onLevel } = options;
  const levels: LevelLine[] = [];
  const tried: Tried[] = [];
  const attempt = async (level: number): Promise<LevelLine | undefined> => {
    const base = kneeOf(tried).held ?? 0;
    if (run.people > base) {
      await run.reach(base);
      await run.settle(options.settleMs);
    }
    const line = await tryLevel(level, options);
    // What was cut short says nothing.
    if (signal.aborted) return undefined;
    levels.push(line);
    onLevel(line);
    return line;
  };
  for (let level = nextLevel(tried, range); level !== undefined && !signal.aborted; level = nextLevel(tried, range)) {
    let line = await attempt(level);
    if (line !== undefined && !line.held) line = await attempt(level);
    if (line === undefined) break;
    tried.push({ level, held: line.held });
  }
  const { held, broke } = kneeOf(tried);
  const last = (level: number | undefined) => levels.findLast(({ participants }) => participants === level);
  return { held: last(held), broke: last(broke), levels };
}

/** Below this share of a core, what a worker uses while idle is too much of its CPU to compute with. */
const TELLING = 0.2;
const isWorker = ({ name }: { readonly name: string }) => / worker /.test(name);

/** The knee in words. */
export function kneeText({ held, broke }: Knee, interrupted: boolean): string[] {
  const lines: string[] = [];
  const streams =
    held?.figures == null
      ? ''
      : ` (${held.figures.streams} streams, ${Math.round(held.figures.forwardedPerS)} packets/s forwarded)`;
  lines.push(held === undefined ? 'No level held.' : `${held.participants} participants held${streams}.`);
  if (broke !== undefined) {
    lines.push(`${broke.participants} broke, twice: ${broke.breaches.map(({ text }) => text).join('; ')}.`);
    if (broke.otherLimits.length > 0) {
      lines.push(
        `The bottleneck was not, or not only, the cluster: ${broke.otherLimits.join('; ')}. So this is what the machine carries, participants included; nodes with a machine to themselves carry more.`,
      );
    } else lines.push('The load generator had room, and others took little: it was the cluster.');
  } else if (held !== undefined && !interrupted) lines.push('Nothing broke up to the end of the range (--to).');
  const us = held?.figures?.workerUsPerForwarded;
  const busiest = Math.max(0, ...(held?.figures?.cluster ?? []).filter(isWorker).map(({ cores }) => cores));
  if (us != null && us > 0 && busiest >= TELLING) {
    lines.push(
      `Computed, not measured: at ${us.toFixed(1)} us of a worker per forwarded packet, 85 % of one core forward ${Math.round(850_000 / us)} packets/s.`,
    );
  }
  if (interrupted) lines.push('Interrupted: the search was not finished.');
  return lines;
}
