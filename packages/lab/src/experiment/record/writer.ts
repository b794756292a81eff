import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RecordedRun } from './run.ts';
import type { Header, RecordLine } from './schema.ts';

/** Writes a run line by line, so that what was measured is kept whatever happens, and keeps it for evaluation. */
export class RunWriter {
  readonly #lines: RecordLine[] = [];
  readonly #file: WriteStream | undefined;
  #failure: Error | undefined;
  #closing: Promise<void> | undefined;

  private constructor(file: WriteStream | undefined) {
    this.#file = file;
    file?.on('error', (error) => {
      this.#failure ??= error;
    });
  }

  /** @param path without one the run is kept in memory only. @throws what creating its folder throws */
  static async open(header: Header, path?: string): Promise<RunWriter> {
    if (path !== undefined) await mkdir(dirname(path), { recursive: true });
    const writer = new RunWriter(path === undefined ? undefined : createWriteStream(path));
    writer.write(header);
    return writer;
  }

  write(line: RecordLine): void {
    if (this.#closing !== undefined) return;
    this.#lines.push(line);
    this.#file?.write(`${JSON.stringify(line)}\n`);
  }

  /** The run as far as it was written. */
  get run(): RecordedRun {
    return new RecordedRun(this.#lines);
  }

  /** Idempotent. @throws what writing the file threw */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#file !== undefined && this.#failure === undefined) {
      const closed = once(this.#file, 'close');
      this.#file.end();
      await closed.catch(() => {});
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}
