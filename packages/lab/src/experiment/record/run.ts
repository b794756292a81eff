import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { MeridianError } from '@meridian/protocol';
import { type End, type Header, type LineOf, RecordLine } from './schema.ts';

/** A run as it was recorded: what every evaluation starts from. */
export class RecordedRun {
  readonly header: Header;
  /** Undefined when the recording broke off, as after a crash. */
  readonly end: End | undefined;
  readonly #byType: ReadonlyMap<RecordLine['type'], readonly RecordLine[]>;

  /** @throws MeridianError `config-invalid` unless the first line is the header and the only one. */
  constructor(lines: readonly RecordLine[]) {
    const byType = new Map<RecordLine['type'], RecordLine[]>();
    for (const line of lines) {
      const known = byType.get(line.type);
      if (known === undefined) byType.set(line.type, [line]);
      else known.push(line);
    }
    this.#byType = byType;
    const [first] = lines;
    if (first?.type !== 'header' || this.of('header').length !== 1) {
      throw new MeridianError('config-invalid', { message: 'a recorded run begins with its header' });
    }
    this.header = first;
    this.end = this.of('end').at(-1);
  }

  /** All lines of a type, in the order they were written. */
  of<T extends RecordLine['type']>(type: T): readonly LineOf<T>[] {
    const isOf = (line: RecordLine): line is LineOf<T> => line.type === type;
    return (this.#byType.get(type) ?? []).filter(isOf);
  }

  /** The measured time, from `measuring` to `measured`; undefined where the run did not get that far. */
  get window(): { readonly fromMs: number; readonly toMs: number } | undefined {
    const marks = this.of('mark');
    const fromMs = marks.find(({ what }) => what === 'measuring')?.atMs;
    const toMs = marks.find(({ what }) => what === 'measured')?.atMs;
    return fromMs === undefined || toMs === undefined ? undefined : { fromMs, toMs };
  }

  /** Usable for figures: complete, and the machine was no bottleneck. */
  get valid(): boolean {
    return this.end?.valid === true && this.window !== undefined;
  }
}

/**
 * Reads a run from JSON lines. A last line that broke off in the middle (the recorder was killed) is left out.
 * @throws MeridianError `config-invalid` that names file and line.
 */
export function parseRun(text: string, file: string): RecordedRun {
  const texts = text.split('\n');
  const whole = texts.at(-1) === '';
  if (whole) texts.pop();
  const lines: RecordLine[] = [];
  for (const [index, line] of texts.entries()) {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (cause) {
      if (!whole && index === texts.length - 1) break;
      throw new MeridianError('config-invalid', { message: `${file}, line ${index + 1}: no JSON`, cause });
    }
    const parsed = RecordLine.safeParse(value);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new MeridianError('config-invalid', {
        message: `${file}, line ${index + 1}: ${issue?.path.map(String).join('.')}: ${issue?.message}`,
        cause: parsed.error,
      });
    }
    lines.push(parsed.data);
  }
  return new RecordedRun(lines);
}

/** Reads `*.jsonl` or `*.jsonl.gz`. @throws MeridianError `config-invalid`; what reading the file throws. */
export async function readRun(file: string): Promise<RecordedRun> {
  const bytes = await readFile(file);
  return parseRun((file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8'), file);
}

/** Every run of a folder, in the order of the files' names. @throws MeridianError `config-invalid` where there are none; what `readRun` throws. */
export async function readRuns(dir: string): Promise<{ files: string[]; runs: RecordedRun[] }> {
  const names = await readdir(dir).catch((cause: unknown) => {
    throw new MeridianError('config-invalid', { message: `${dir} cannot be read`, cause });
  });
  const files = names.filter((name) => /\.jsonl(\.gz)?$/.test(name)).sort();
  if (files.length === 0) {
    throw new MeridianError('config-invalid', { message: `${dir} has no recorded runs (*.jsonl, *.jsonl.gz)` });
  }
  return { files, runs: await Promise.all(files.map((name) => readRun(join(dir, name)))) };
}
