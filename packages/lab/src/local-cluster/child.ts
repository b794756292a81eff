import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';

export interface ChildOptions {
  readonly name: string;
  readonly entry: string;
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
}

/** Environment variables that children inherit; everything of Meridian's is given explicitly. */
const INHERITED = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'TZ', 'NODE_EXTRA_CA_CERTS', 'MEDIASOUP_WORKER_BIN'];

/** One service of the local cluster as a child process; its output goes to a log file. */
export class ServiceChild {
  readonly name: string;
  /** What it writes, that of the processes of this name before it included. */
  readonly logFile: string;
  readonly #process: ChildProcess;
  readonly #exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  #lastLines = '';
  #stopping = false;

  constructor(options: ChildOptions, onUnexpectedExit: (child: ServiceChild, how: string) => void) {
    this.name = options.name;
    this.logFile = options.logFile;
    const inherited = Object.fromEntries(
      INHERITED.flatMap((name) => {
        const value = process.env[name];
        return value === undefined ? [] : [[name, value]];
      }),
    );
    this.#process = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', options.entry], {
      env: { ...inherited, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // Its own process group: Ctrl-C reaches the launcher only, which then stops everything in order.
      detached: true,
    });
    const log = createWriteStream(options.logFile, { flags: 'a' });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        log.write(chunk);
        this.#lastLines = (this.#lastLines + chunk.toString()).slice(-2_000);
      });
    }
    this.#exited = new Promise((resolve) => {
      this.#process.once('error', () => resolve({ code: -1, signal: null }));
      this.#process.once('exit', (code, signal) => {
        resolve({ code, signal });
        log.end();
        if (!this.#stopping) onUnexpectedExit(this, signal === null ? `exit code ${code}` : signal);
      });
    });
    finished(log).catch(() => {});
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null && this.#process.pid !== undefined;
  }

  /** The last of what it wrote, for error messages. */
  get lastLines(): string {
    return this.#lastLines;
  }

  /** Sends a signal as a test or an operator would; the exit then counts as expected. */
  signal(signal: NodeJS.Signals): void {
    if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') this.#stopping = true;
    if (this.running) this.#process.kill(signal);
  }

  async exited(): Promise<void> {
    await this.#exited;
  }

  /** SIGINT (for a node: without letting its calls move away), then SIGKILL after `graceMs`. Idempotent. */
  async stop(graceMs = 8_000): Promise<void> {
    this.#stopping = true;
    if (!this.running) return;
    this.#process.kill('SIGCONT');
    this.#process.kill('SIGINT');
    const hard = setTimeout(() => this.#process.kill('SIGKILL'), graceMs);
    await this.#exited;
    clearTimeout(hard);
  }
}
