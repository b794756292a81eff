import { disagreements, framesOf, untilAgreed } from './agreement.ts';
import { type Call, NAMES, nowMs } from './call.ts';
import { type Busy, CpuWatch } from './cpu.ts';
import type { Check, Fault, StrikeOptions } from './fault.ts';
import { type Outage, outageOfFrames, outageOfSound, type Window } from './gaps.ts';
import { type Recording, TONES_HZ } from './recorder.ts';

/** What one person missed of another. */
export interface Direction {
  readonly viewer: string;
  readonly of: string;
  /** Somebody of the two was hit by the fault. */
  readonly hit: boolean;
  readonly video: Outage | null;
  /** When another track came to be shown, after the fault: whether a gap was before, at or after a change. Milliseconds. */
  readonly changesAtMs: readonly number[];
  readonly audio: Outage | null;
}

/** What somebody's camera gave to their own page: a gap in it is the machine's, and everybody sees it. */
export interface Camera {
  readonly of: string;
  readonly video: Outage | null;
}

/** What a page was told after the fault. */
export interface Told {
  readonly who: string;
  readonly event: string;
  readonly about: string | null;
  readonly detail: string | null;
  readonly afterMs: number;
}

export interface RunResult {
  readonly fault: string;
  readonly run: number;
  readonly startedAt: string;
  readonly victims: readonly string[];
  /** From the fault to its mending, where the fault was mended. Milliseconds. */
  readonly lastedMs: number | null;
  /** From the fault (or its mending) until everything agreed again. Milliseconds. */
  readonly agreedAfterMs: number;
  /** A machine that is busy all the time before the fault says little of the gaps after it. */
  readonly cpu: Busy;
  readonly directions: readonly Direction[];
  readonly cameras: readonly Camera[];
  readonly told: readonly Told[];
  readonly checks: readonly Check[];
}

/** A look back at what is usual before the fault. Milliseconds. */
const BEFORE_MS = 2_000;
const STEADY_WITHIN_MS = 60_000;
const AGREED_WITHIN_MS = 90_000;
/** Between two looks where media is to go on all the time: they are work for the pages and nodes that are measured. Milliseconds. */
const SELDOM_MS = 1_000;

/** A page tells of what it plays every tenth of a second, and later when it is busy. Milliseconds. */
const TOLD_WITHIN_MS = 500;

/** Says nothing of the fault: how often a layer is told, speakers, scores. */
const CHATTER = new Set([
  'consumer-layers',
  'consumer-score',
  'consumer-updated',
  'active-speakers',
  'producer-updated',
  'session-token',
  'data-producer-opened',
  'data-producer-closed',
  'data-consumer-opened',
  'data-consumer-closed',
]);

/**
 * One fault in the middle of a running call.
 * @throws Error when the call was not well to begin with, or the fault could not be struck
 */
export async function runFault(fault: Fault, call: Call, run: number, options: StrikeOptions): Promise<RunResult> {
  const steady = await untilAgreed(() => disagreements(call), STEADY_WITHIN_MS);
  if (steady.problems.length > 0) throw new Error(`the call is not well to begin with: ${steady.problems.join('; ')}`);
  await call.forgetBefore(nowMs());
  const cpu = new CpuWatch(nowMs);
  try {
    await new Promise((resolve) => setTimeout(resolve, BEFORE_MS));
    return await measured(fault, call, run, options, cpu);
  } finally {
    cpu.close();
  }
}

async function measured(
  fault: Fault,
  call: Call,
  run: number,
  options: StrikeOptions,
  cpu: CpuWatch,
): Promise<RunResult> {
  const startedAt = new Date().toISOString();
  const struck = await fault.strike(call, options);
  const { faultMs, mendedMs, victims } = struck;
  options.say(`struck (${victims.join(', ') || 'nobody'} hit), waiting until all agrees`);
  const lookingMs = nowMs();
  const settled = await untilAgreed(
    () => disagreements(call, { sparing: fault.media === 'kept' }),
    AGREED_WITHIN_MS,
    fault.media === 'kept' ? SELDOM_MS : undefined,
  );
  const agreedMs = lookingMs + settled.afterMs;
  const recordings = await call.recordings();
  const directions = NAMES.flatMap((viewer) =>
    NAMES.filter((of) => of !== viewer).map((of) => {
      const recording = recordings.get(viewer);
      const measured =
        recording === undefined
          ? { video: null, audio: null }
          : outages(recording, of, { fromMs: faultMs - BEFORE_MS, faultMs, untilMs: recording.now });
      const changesAtMs = framesOf(recording?.changes ?? {}, of).flatMap((at) => (at > faultMs ? [at - faultMs] : []));
      return { viewer, of, hit: victims.includes(viewer) || victims.includes(of), ...measured, changesAtMs };
    }),
  );
  const cameras = [...recordings].map(([of, { camera, now }]) => ({
    of,
    video: outageOfFrames(camera, { fromMs: faultMs - BEFORE_MS, faultMs, untilMs: now }),
  }));
  const checks: Check[] = [
    ...struck.checks,
    ...(struck.checkRecordings === undefined ? [] : [await struck.checkRecordings(recordings)]),
    settled.problems.length === 0
      ? { what: 'state, nodes, relays and pages agree', passed: true }
      : { what: 'state, nodes, relays and pages agree', passed: false, detail: settled.problems.join('; ') },
    mediaCheck(fault, directions, (mendedMs ?? faultMs) - faultMs),
  ];
  return {
    fault: fault.id,
    run,
    startedAt,
    victims,
    lastedMs: mendedMs === undefined ? null : mendedMs - faultMs,
    agreedAfterMs: Math.max(0, agreedMs - (mendedMs ?? faultMs)),
    cpu: cpu.around(faultMs),
    directions,
    cameras,
    told: await toldOf(call, recordings, faultMs),
    checks,
  };
}

const outages = (recording: Recording, of: string, window: Window): Pick<Direction, 'video' | 'audio'> => ({
  video: outageOfFrames(framesOf(recording.frames, of), window),
  audio: outageOfSound(spellsOf(recording, of), { ...window, untilMs: soundUntilMs(recording) }),
});

/** What a page has played but not yet told is no silence, unless it has stopped to tell. */
const soundUntilMs = ({ now, listenedUntil }: Recording): number =>
  now - listenedUntil < TOLD_WITHIN_MS ? listenedUntil : now;

const spellsOf = (recording: Recording, name: string): readonly (readonly [number, number])[] =>
  recording.heard[String(TONES_HZ[NAMES.indexOf(name)])] ?? [];

/** Media that is kept may stutter, as it does on a busy machine; not for as long as an outage lasts. Milliseconds. */
const stutterMs = (lastedMs: number): number => (lastedMs < 2_000 ? 5_000 : Math.max(2_000, 0.8 * lastedMs));

function mediaCheck(fault: Fault, directions: readonly Direction[], lastedMs: number): Check {
  const gone = directions.filter(({ video, audio }) => video === null || audio === null);
  if (gone.length > 0) {
    const who = gone.map(({ viewer, of }) => `${viewer} of ${of}`).join(', ');
    return { what: 'media of everybody for everybody', passed: false, detail: `nothing measured: ${who}` };
  }
  if (fault.media === 'back') return { what: 'media is back for everybody', passed: true };
  const cut = directions
    .map(({ viewer, of, video, audio }) => ({ viewer, of, gapMs: Math.max(video?.gapMs ?? 0, audio?.gapMs ?? 0) }))
    .filter(({ gapMs }) => gapMs > stutterMs(lastedMs));
  const detail = cut.map(({ viewer, of, gapMs }) => `${viewer} of ${of} ${Math.round(gapMs)} ms`).join(', ');
  return { what: 'media went on for everybody', passed: cut.length === 0, ...(detail === '' ? {} : { detail }) };
}

async function toldOf(call: Call, recordings: ReadonlyMap<string, Recording>, faultMs: number): Promise<Told[]> {
  const { participants } = await call.snapshot();
  const nameOf = (sessionId: string | null) =>
    participants.find((one) => one.sessionId === sessionId)?.name ?? sessionId;
  return [...recordings]
    .flatMap(([who, { signals }]) =>
      signals
        .filter(({ atMs, event }) => atMs >= faultMs && !CHATTER.has(event))
        .map(({ atMs, event, sessionId, detail }) => ({
          who,
          event,
          about: nameOf(sessionId),
          detail,
          afterMs: atMs - faultMs,
        })),
    )
    .sort((a, b) => a.afterMs - b.afterMs);
}
