import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { Play } from './play.ts';
import { describe, type Sequence, sequenceOf } from './steps.ts';
import { World } from './world.ts';

const HELP = `pnpm lab model [--sequences N] [--seed N] [--path P] [--worlds N] [--moves] [--no-shrink]

Plays random sequences of what can happen to a cluster (pages loaded, refreshed, closed, cut off and resumed, kicks, ended
rooms, nodes killed and started, leases running out, messages between nodes late, doubled and lost, Redis emptied) over three nodes on a real Redis with a
media engine without media, and compares Redis, nodes, pages and media with a model after each round; several such
clusters side by side. With --moves pages also move between nodes (completed, given up, hit by a crash), and connections to
Redis are slowed down by chance, so that answers and events overtake each other. Prints the seed; a failure prints what to add to play it again.`;

export interface ModelOptions {
  readonly sequences: number;
  readonly seed: number;
  /** Of the failure that is to be played again. */
  readonly path?: string;
  /** Looks for a shorter sequence after a failure; default true. */
  readonly shrink?: boolean;
  /** Pages move between nodes as well, and connections to Redis are slowed down by chance; default false. */
  readonly moves?: boolean;
  /** Clusters side by side in this process; default 1. */
  readonly worlds?: number;
  readonly say?: (line: string) => void;
}

export interface ModelFailure {
  readonly seed: number;
  readonly path: string;
  readonly sequence: string;
  readonly error: string;
}

export interface ModelResult {
  readonly played: number;
  readonly failure: ModelFailure | undefined;
}

/**
 * Plays the sequences in several worlds side by side: most of the time each waits for its Redis. Each world has a seed of
 * its own, counted up from the given one, and plays its share one after the other; after a failure a fresh cluster
 * looks for a shorter one, and the other worlds play no more.
 */
export async function playModel(options: ModelOptions): Promise<ModelResult> {
  const { sequences, seed, path, say = () => {} } = options;
  // A path leads through the sequences of one seed.
  const worlds = path === undefined ? Math.min(options.worlds ?? 1, sequences) : 1;
  const progress = { played: 0, failed: false };
  const played = () => {
    progress.played += 1;
    if (progress.played % 100 === 0) say(`${progress.played} of ${sequences}`);
  };
  const shares = Array.from({ length: worlds }, (_, index) => Math.ceil((sequences - index) / worlds));
  const results = await Promise.allSettled(
    shares.map((share, index) =>
      playIn({ ...options, sequences: share, seed: (seed + index) | 0 }, progress, played).catch((error: unknown) => {
        progress.failed = true;
        throw error;
      }),
    ),
  );
  const failures = results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
  return { played: progress.played, failure: failures.find((failure) => failure !== undefined) };
}

async function playIn(
  options: ModelOptions,
  progress: { failed: boolean },
  played: () => void,
): Promise<ModelFailure | undefined> {
  const { sequences, seed, path, shrink = true } = options;
  let world = await World.start();
  let mine = false;
  let count = 0;
  const play = async (one: Sequence): Promise<void> => {
    if (progress.failed && !mine) return;
    // A path leads to one sequence; those beside it are shorter ones that did not fail then.
    count += 1;
    if (path !== undefined && count > sequences && !mine) return;
    try {
      await new Play(world).run(one);
    } catch (error) {
      progress.failed = true;
      mine = true;
      await world.stop();
      world = await World.start();
      throw error;
    }
    played();
  };
  try {
    const details = await fc.check(fc.asyncProperty(sequenceOf({ moves: options.moves ?? false }), play), {
      numRuns: sequences,
      seed,
      endOnFailure: !shrink,
      ...(path === undefined ? {} : { path }),
      interruptAfterTimeLimit: SHRINK_MS + sequences * 1_000,
    });
    if (!details.failed) return undefined;
    const { counterexample, counterexamplePath, errorInstance: error } = details;
    const [smallest] = counterexample ?? [];
    return {
      seed,
      path: counterexamplePath ?? '',
      sequence: smallest === undefined ? '' : describe(smallest),
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  } finally {
    await world.stop();
  }
}

const SHRINK_MS = 600_000;

export async function model(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      sequences: { type: 'string', default: '1000' },
      seed: { type: 'string' },
      path: { type: 'string' },
      worlds: { type: 'string', default: '5' },
      moves: { type: 'boolean', default: false },
      'no-shrink': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const sequences = Number(values.sequences);
  const seed = values.seed === undefined ? (Date.now() ^ (process.pid << 8)) | 0 : Number(values.seed);
  const worlds = Number(values.worlds);
  if (![sequences, worlds].every((one) => Number.isInteger(one) && one >= 1) || !Number.isInteger(seed)) {
    throw new RangeError('--sequences, --worlds and --seed are whole numbers');
  }
  console.log(`seed ${seed}`);
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1_000;
  const result = await playModel({
    sequences,
    seed,
    worlds,
    moves: values.moves,
    shrink: !values['no-shrink'],
    ...(values.path === undefined ? {} : { path: values.path }),
    say: (line) => console.log(`${line}, ${(Number.parseInt(line, 10) / seconds()).toFixed(1)} per second`),
  });
  if (result.failure === undefined) {
    const rate = (result.played / seconds()).toFixed(1);
    console.log(`${result.played} sequences without a loss, a double or a leak (${rate} per second, seed ${seed})`);
    return 0;
  }
  const { path, seed: failing, sequence: text, error } = result.failure;
  console.error(`failed after ${result.played} sequences:\n${text}\n${error}`);
  console.error(
    `play it again: pnpm lab model --sequences 1 --seed ${failing} --path ${path}${values.moves ? ' --moves' : ''}`,
  );
  return 1;
}
