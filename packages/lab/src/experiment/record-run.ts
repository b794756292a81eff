import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '@meridian/harness';
import type { Profile } from '../wan/profiles.ts';
import { Collector } from './collector.ts';
import { crossCheck } from './measure/cross-check.ts';
import { invalidReasons } from './measure/guard.ts';
import { comparePictures } from './measure/pictures.ts';
import { type Ffmpeg, findFfmpeg } from './measure/quality.ts';
import type { RecordedRun } from './record/run.ts';
import { type End, RECORD_VERSION } from './record/schema.ts';
import { machine, versions } from './record/surroundings.ts';
import { RunWriter } from './record/writer.ts';
import { planArm } from './scenario/plan.ts';
import { pagesOf, type Scenario, sentBy } from './scenario/schema.ts';
import { recorderMs } from './world/clock.ts';
import type { LabClient, RunRoom, Stage } from './world/stage.ts';

/** Everybody has to see everybody within this time, ms; longer than a join over the worst line takes. */
const VISIBLE_WITHIN_MS = 60_000;
/** Pages read their counters once a second, later on a busy machine. */
const LAST_READING_WITHIN_MS = 4_000;
/** Seconds between two frames whose picture is compared, and how many at most of each stream. */
const PICTURE_EVERY_S = 2;
const MOST_PICTURES = 12;

export interface RunOptions {
  readonly world: Stage;
  readonly arm: string;
  readonly profiles: ReadonlyMap<string, Profile>;
  /** Name of the experiment. */
  readonly experiment: string;
  readonly block: number;
  readonly order: number;
  /** Of the links; runs of one block share it, so that each meets the same losses. */
  readonly seed: number;
  /** File of the record, `*.jsonl`; without one it is kept in memory only. */
  readonly file?: string;
  /** Stops early and keeps what was measured. */
  readonly signal?: AbortSignal;
  /** Told how far it is. */
  readonly onProgress?: (what: 'joining' | 'warming-up' | 'measuring' | 'comparing', forS: number) => void;
}

/**
 * Plays one arm of a scenario once and records it: links are laid, the clients join by real pages, and what they and the nodes
 * measure is written down. It does not throw for what goes wrong in the call itself: that is in the record's `end`.
 * @throws MeridianError `config-invalid` for a wrong plan; what opening the record's file throws.
 */
export async function recordRun(options: RunOptions): Promise<RecordedRun> {
  const { world, file, signal } = options;
  const { scenario } = world;
  const plan = planArm(scenario, options.arm, options.profiles, { links: world.real === undefined });
  const ffmpeg = await findFfmpeg();
  const originMs = recorderMs();
  const nowMs = () => recorderMs() - originMs;
  const writer = await RunWriter.open(
    {
      type: 'header',
      version: RECORD_VERSION,
      experiment: options.experiment,
      scenario,
      arm: options.arm,
      block: options.block,
      order: options.order,
      seed: options.seed,
      startedAt: new Date(originMs).toISOString(),
      links: plan.links,
      routes: [...plan.routes],
      versions: { ...(await versions(ffmpeg)), ...world.versions },
      machine: machine(),
      ...(world.real === undefined ? {} : { real: world.real }),
    },
    file,
  );
  let outcome: Pick<End, 'outcome' | 'reason'>;
  try {
    outcome = await play({ ...options, plan, writer, originMs, nowMs, ffmpeg });
  } catch (error) {
    outcome = signal?.aborted ? { outcome: 'interrupted' } : { outcome: 'failed', reason: String(error) };
  }
  const invalidBecause = [
    ...(outcome.outcome === 'failed' ? [`the run failed: ${outcome.reason ?? ''}`] : []),
    ...invalidReasons(writer.run),
  ];
  const valid = invalidBecause.length === 0;
  const crossChecks = crossCheck(writer.run);
  writer.write({ type: 'end', atMs: nowMs(), ...outcome, valid, invalidBecause, crossChecks });
  await writer.close();
  return writer.run;
}

interface Play extends RunOptions {
  readonly plan: ReturnType<typeof planArm>;
  readonly writer: RunWriter;
  readonly originMs: number;
  readonly nowMs: () => number;
  readonly ffmpeg: Ffmpeg | undefined;
}

async function play(run: Play): Promise<Pick<End, 'outcome' | 'reason'>> {
  const { world, plan, writer, nowMs, signal, onProgress = () => {} } = run;
  const { scenario } = world;
  const ways = await world.layWays(plan, run.seed);
  const pages = new Map<string, { page: LabClient; number: number }>();
  let room: RunRoom | undefined;
  try {
    room = await world.openRoom();
    for (const [number, client] of Object.keys(scenario.clients).entries()) {
      const task = taskOf(scenario, plan.arm.at[client] ?? '', client, number);
      pages.set(client, { page: await ways.open(task, room.slug), number });
    }
    const processes = await world.processes();
    const collector = new Collector({ stage: world, ways, pages, writer, nowMs, processes }, run.originMs);
    await collector.readClocks();
    collector.start();
    try {
      onProgress('joining', 0);
      await Promise.all([...pages.values()].map(({ page }) => page.start()));
      // What throws in there is tried again: whoever is to stop, or has failed, has waited enough.
      const hasEnded = () => signal?.aborted === true || collector.failure !== undefined;
      await eventually(
        'everybody sees everybody',
        () => hasEnded() || collector.visible.size === viewers(scenario).length,
        { withinMs: VISIBLE_WITHIN_MS, everyMs: 100 },
      );
      signal?.throwIfAborted();
      if (collector.failure !== undefined) throw collector.failure;
      onProgress('warming-up', scenario.warmUpS);
      await pause(scenario.warmUpS * 1_000, undefined, { signal });
      await ways.startSchedules();
      await Promise.all([...pages.values()].map(({ page }) => page.keepPictures()));
      await collector.look();
      writer.write({ type: 'mark', atMs: nowMs(), what: 'measuring' });
      onProgress('measuring', scenario.lengthS);
      const interrupted = await pause(scenario.lengthS * 1_000, false, { signal }).catch(() => true);
      const measuredMs = nowMs();
      writer.write({ type: 'mark', atMs: measuredMs, what: 'measured' });
      await collector.look();
      // Counters are read once a second: without a reading after it, what came at the end of the measured time would be missing. A client
      // that is out of the call has none.
      await eventually('readings after the measured time', () => collector.hasReadSince(measuredMs), {
        withinMs: LAST_READING_WITHIN_MS,
        everyMs: 100,
      }).catch(() => {});
      // Frames on their way still belong to the measured time: the next news have them.
      await collector.readClocks();
      await collector.finish();
      if (collector.failure !== undefined) throw collector.failure;
      await collector.writeKept(0);
      // Comparing takes what the machine has, so the call is over before. Who is stopped wants to be done with it.
      await Promise.all([...pages.values()].map(({ page }) => page.leave()));
      if (!interrupted) {
        onProgress('comparing', 0);
        for (const line of await comparePictures(pages, run.ffmpeg, signal)) writer.write(line);
      }
      return { outcome: interrupted ? 'interrupted' : 'complete' };
    } finally {
      await collector.finish();
    }
  } catch (error) {
    const heard = [...pages].flatMap(([client, { page }]) => page.errors.slice(-3).map((line) => `${client}: ${line}`));
    throw new Error([String(error), ...heard].join('\n'), { cause: error });
  } finally {
    await Promise.all([...pages.values()].map(({ page }) => page.close()));
    await room?.close();
    await ways.close();
  }
}

function taskOf(scenario: Scenario, node: string, client: string, number: number) {
  const { video, audio } = sentBy(scenario, client);
  return {
    kind: scenario.clients[client]?.kind ?? 'page',
    name: client,
    number,
    others: Object.keys(scenario.clients)
      .filter((other) => other !== client)
      .map((name) => {
        const sent = sentBy(scenario, name);
        return {
          name,
          kind: scenario.clients[name]?.kind ?? 'page',
          sendsVideo: sent.video !== null,
          sendsAudio: sent.audio,
        };
      }),
    region: scenario.nodes[node]?.region ?? '',
    video,
    audio,
    keepEvery: Math.max(1, Math.round(PICTURE_EVERY_S * (video?.fps ?? 1))),
    keepMost: MOST_PICTURES,
  };
}

/** Clients who say when they get what everybody sends: light peers, and pages who are to see another page. */
const viewers = (scenario: Scenario): string[] => {
  const pages = pagesOf(scenario);
  return Object.keys(scenario.clients).filter(
    (client) =>
      !pages.includes(client) || pages.some((other) => other !== client && sentBy(scenario, other).video !== null),
  );
};
