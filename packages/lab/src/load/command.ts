import { availableParallelism, cpus, type as osType, release, totalmem } from 'node:os';
import { clockText } from '../campaign/screen.ts';
import { findKnee, kneeText, tryLevel } from './knee/find.ts';
import { LiveTable } from './live.ts';
import { LoadRun } from './load-run.ts';
import { readAudio, readVideo } from './media/recorded.ts';
import { HELP, type LoadOptions, parseLoadOptions } from './options.ts';
import { type LevelLine, LoadRecord } from './record.ts';
import { summaryLines } from './table.ts';
import { openRemoteTarget, startLocalTarget, type Target } from './target.ts';

/** The table shows the last seconds. */
const SHOWN_MS = 5_000;

/** `pnpm lab load`. Returns the exit code. @throws MeridianError `config-invalid`, TypeError on a wrong option */
export async function load(args: readonly string[]): Promise<number> {
  const options = parseLoadOptions(args, {
    cores: availableParallelism(),
    now: new Date(),
    metricsToken: process.env.MERIDIAN_METRICS_TOKEN,
  });
  if (options === undefined) {
    console.log(HELP);
    return 0;
  }
  // A file that cannot be used is told before a cluster is started for it.
  const { video, audio } = options.media;
  if (video?.file !== undefined) await readVideo(video.file);
  if (audio?.file !== undefined) await readAudio(audio.file);
  const stop = new AbortController();
  const dying: (() => void)[] = [];
  const screen = new LiveTable(process.stderr);
  const onInterrupt = () => {
    if (stop.signal.aborted) {
      for (const kill of dying) kill();
      process.exit(130);
    }
    screen.line('stopping; what was measured is kept (Ctrl-C again ends at once)');
    stop.abort();
  };
  process.on('SIGINT', onInterrupt);
  const record = await LoadRecord.open(options.out);
  let target: Target | undefined;
  try {
    record.write(header(args));
    screen.line(`raw data: ${options.out}`);
    target = await open(options);
    dying.push(target.kill);
    return await underLoad(options, target, { record, screen, signal: stop.signal, dying });
  } finally {
    await target?.close();
    await record.close();
    process.off('SIGINT', onInterrupt);
  }
}

interface Surroundings {
  readonly record: LoadRecord;
  readonly screen: LiveTable;
  readonly signal: AbortSignal;
  readonly dying: (() => void)[];
}

async function underLoad(options: LoadOptions, target: Target, surroundings: Surroundings): Promise<number> {
  const { record, screen, signal, dying } = surroundings;
  const { settleMs, measureMs, limits, search, participants } = options;
  let shown: LoadRun | undefined;
  const run = await LoadRun.start({
    target,
    layout: { ...options.layout, regions: target.regions },
    media: options.media,
    receives: options.receives,
    rampPerS: options.rampPerS,
    generators: options.generators,
    signal,
    onLine: record.write,
    onSample: ({ atMs }) => {
      // The first one is taken before there is anything to show.
      if (shown === undefined) return;
      screen.show({
        clock: clockText(atMs),
        what: search === undefined ? 'load' : 'search',
        people: shown.people,
        wanted: shown.goal,
        rooms: shown.rooms,
        lost: shown.lostSince(0),
        joins: shown.joinsSince(0),
        figures: shown.figuresSince(atMs - SHOWN_MS),
      });
    },
  });
  shown = run;
  dying.push(() => run.kill());
  try {
    const level = { run, settleMs, measureMs, limits };
    if (search === undefined) {
      const line = await tryLevel(participants, level);
      record.write(line);
      screen.clear();
      const verdict = [...levelText(line), ...(signal.aborted ? ['Interrupted: shorter than asked for.'] : [])];
      record.write({ type: 'end', atMs: run.nowMs, interrupted: signal.aborted, verdict });
      console.log(
        [
          ...(line.figures === null ? ['nothing was measured'] : summaryLines(line.figures, line.joins, line.lost)),
          ...verdict,
        ].join('\n'),
      );
      const bad = line.breaches.some(({ criterion }) => criterion === 'failures' || criterion === 'missing-media');
      return line.figures === null || bad ? 1 : 0;
    }
    const knee = await findKnee(search, {
      ...level,
      signal,
      onLevel: (line) => {
        record.write(line);
        screen.line(`${line.participants} participants: ${levelText(line).join(' ')}`);
      },
    });
    screen.clear();
    const verdict = kneeText(knee, signal.aborted);
    record.write({ type: 'end', atMs: run.nowMs, interrupted: signal.aborted, verdict });
    if (knee.held?.figures != null) {
      console.log(summaryLines(knee.held.figures, knee.held.joins, knee.held.lost).join('\n'));
    }
    console.log(verdict.join('\n'));
    return knee.held === undefined ? 1 : 0;
  } finally {
    shown = undefined;
    screen.clear();
    await run.close();
  }
}

function levelText({ held, breaches, otherLimits }: LevelLine): string[] {
  return [
    held ? 'Within all limits.' : `Over: ${breaches.map(({ text }) => text).join('; ') || 'nothing was measured'}.`,
    ...(otherLimits.length === 0
      ? []
      : [`${held ? 'Near a limit though' : 'It may not have been the cluster'}: ${otherLimits.join('; ')}.`]),
  ];
}

async function open({ where }: LoadOptions): Promise<Target> {
  return where.kind === 'local' ? await startLocalTarget(where) : await openRemoteTarget(where);
}

function header(args: readonly string[]) {
  return {
    type: 'header' as const,
    startedAt: new Date().toISOString(),
    arguments: args,
    versions: { node: process.version },
    machine: {
      os: `${osType()} ${release()}`,
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: availableParallelism(),
      memoryBytes: totalmem(),
    },
  };
}
