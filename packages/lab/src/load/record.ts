import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { MeridianError } from '@meridian/protocol';
import type { Breach } from './knee/criteria.ts';
import type { RunLine } from './load-run.ts';
import type { JoinFigures, LoadFigures } from './measure/figures.ts';

export interface HeaderLine {
  readonly type: 'header';
  readonly startedAt: string;
  readonly arguments: readonly string[];
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: Readonly<Record<string, string | number>>;
}

/** What a level of load came to. */
export interface LevelLine {
  readonly type: 'level';
  readonly atMs: number;
  readonly participants: number;
  readonly held: boolean;
  readonly breaches: readonly Breach[];
  /** Why it may have been the load generator, or others on its machine, instead of the cluster. */
  readonly otherLimits: readonly string[];
  readonly joins: JoinFigures;
  readonly lost: number;
  readonly figures: LoadFigures | null;
}

export interface EndLine {
  readonly type: 'end';
  readonly atMs: number;
  readonly interrupted: boolean;
  readonly verdict: readonly string[];
}

/** One line of the raw data. `sample` comes every second; the others when they happen. */
export type LoadLine = HeaderLine | RunLine | LevelLine | EndLine;

/** Writes line by line, so that what was measured is kept whatever happens. */
export class LoadRecord {
  readonly #file: WriteStream;
  #failure: Error | undefined;

  private constructor(file: WriteStream) {
    this.#file = file;
    file.on('error', (error) => {
      this.#failure ??= error;
    });
  }

  /** @throws MeridianError `config-invalid` where the file cannot be written */
  static async open(path: string): Promise<LoadRecord> {
    try {
      await mkdir(dirname(path), { recursive: true });
      const file = createWriteStream(path);
      await once(file, 'open');
      return new LoadRecord(file);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new MeridianError('config-invalid', { message: `--out: ${why}`, cause });
    }
  }

  readonly write = (line: LoadLine): void => {
    if (!this.#file.writableEnded) this.#file.write(`${JSON.stringify(line)}\n`);
  };

  /** Idempotent. @throws what writing threw */
  async close(): Promise<void> {
    if (this.#failure === undefined && !this.#file.closed) {
      const closed = once(this.#file, 'close');
      this.#file.end();
      await closed;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}
