import { parseArgs } from 'node:util';
import fc from 'fast-check';
import { Play } from './play.ts';
import { describe, type Sequence, sequence } from './steps.ts';
import { World } from './world.ts';

const HELP = `pnpm lab model [--sequences N] [--seed N] [--path P] [--no-shrink]

Plays random sequences of what can happen to a cluster (pages loaded, refreshed, closed, cut off and resumed, kicks, ended
rooms, nodes killed and started, leases running out, messages between nodes late, doubled and lost, Redis emptied) over
three nodes on a real Redis with a media engine without media, and compares Redis, nodes, pages and media with a model
after each round. Prints the seed; a failure prints what to add to play it again.`;

export interface ModelOptions {
  readonly sequences: number;
  readonly seed?: number;
  readonly path?: string;
  /** Looks for a shorter sequence after a failure; default true. */
  readonly shrink?: boolean;
  readonly say?: (line: string) => void;
}

export interface ModelResult {
  readonly played: number;
  readonly seed: number;
  readonly failure: { readonly path: string; readonly sequence: string; readonly error: string } | undefined;
}

/** Plays the sequences one after the other; after a failure a fresh cluster looks for a shorter one. */
export async function playModel(options: ModelOptions): Promise<ModelResult> {
  let world = await World.start();
  let played = 0;
  const play = async (one: Sequence): Promise<void> => {
    try {
      await new Play(world).run(one);
    } catch (error) {
      await world.stop();
      world = await World.start();
      throw error;
    }
    played += 1;
    if (options.say !== undefined && played % 100 === 0) options.say(`${played} of ${options.sequences}`);
  };
  try {
    const details = await fc.check(fc.asyncProperty(sequence, play), {
      numRuns: options.sequences,
      ...(options.seed === undefined ? {} : { seed: options.seed }),
      endOnFailure: options.shrink === false,
      ...(options.path === undefined ? {} : { path: options.path }),
      interruptAfterTimeLimit: SHRINK_MS + options.sequences * 1_000,
    });
    const { counterexample, counterexamplePath, errorInstance } = details;
    const [smallest] = counterexample ?? [];
    const failure = details.failed
      ? {
          path: counterexamplePath ?? '',
          sequence: smallest === undefined ? '' : describe(smallest),
          error:
            errorInstance instanceof Error ? (errorInstance.stack ?? errorInstance.message) : String(errorInstance),
        }
      : undefined;
    return { played, seed: details.seed, failure };
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
  if (!Number.isInteger(sequences) || sequences < 1 || !Number.isInteger(seed)) {
    throw new RangeError('--sequences and --seed are whole numbers');
  }
  console.log(`seed ${seed}`);
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1_000;
  const result = await playModel({
    sequences,
    seed,
    shrink: !values['no-shrink'],
    ...(values.path === undefined ? {} : { path: values.path }),
    say: (line) => console.log(`${line}, ${(Number.parseInt(line, 10) / seconds()).toFixed(1)} per second`),
  });
  if (result.failure === undefined) {
    const rate = (result.played / seconds()).toFixed(1);
    console.log(`${result.played} sequences without a loss, a double or a leak (${rate} per second, seed ${seed})`);
    return 0;
  }
  const { path, sequence: text, error } = result.failure;
  console.error(`failed after ${result.played} sequences:\n${text}\n${error}`);
  console.error(`play it again: pnpm lab model --sequences ${sequences} --seed ${seed} --path ${path}`);
  return 1;
}
