import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freezeProcess, thawProcess } from './freeze.ts';
import { freePort } from './ports.ts';

const run = promisify(execFile);

/** What a Redis has to read that shall be loading, and how long it takes over it, milliseconds. */
const FILLERS = 5_000;
const LOADING_MS = 100_000;

/**
 * Why a Redis that answers refuses to write: it has no memory left and must not evict; it could not save its data;
 * it is a replica.
 */
export type WriteRefusal = 'oom' | 'misconf' | 'readonly';

export interface RedisProcess {
  readonly port: number;
  readonly url: string;
  readonly pid: number;
  readonly process: ChildProcess;
  /** A command by redis-cli. @returns what it printed, without the last line end. @throws Error with an error reply. */
  call(...command: string[]): Promise<string>;
  /** SIGSTOP: connections stay open and nothing answers. */
  freeze(): Promise<void>;
  thaw(): void;
  /** SIGKILL, and waits for the end. */
  kill(): Promise<void>;
  /** Starts it on the same port after `kill()` or `stop()`: empty, unless it has a `dir` of the caller's with data in it. */
  startAgain(): Promise<void>;
  /** Reads go on, writes are refused with `-OOM`, `-MISCONF` or `-READONLY`, until the returned function is called. */
  refuseWrites(how: WriteRefusal): Promise<() => Promise<void>>;
  /**
   * Reads its data again as after a start, and answers `-LOADING` meanwhile. Resolves when that has begun.
   * @returns lets it come to the end; resolves when it serves again. Without it that takes minutes.
   */
  load(): Promise<() => Promise<void>>;
  stop(): Promise<void>;
}

export interface RedisOptions {
  readonly port?: number;
  readonly args?: readonly string[];
  /** Where its data lies; with it, Redis saves them as it does by default. */
  readonly dir?: string;
  /** In a process group of its own: Ctrl-C in a terminal does not reach it, and whoever started it has to end it in any case. */
  readonly apart?: boolean;
}

/** A command by redis-cli. @returns what it printed. @throws Error with the reply when it is an error. */
export async function redisCall(port: number, command: readonly string[]): Promise<string> {
  const { stdout } = await run('redis-cli', ['-e', '-p', String(port), ...command]);
  return stdout.trimEnd();
}

/**
 * Starts a private redis-server on loopback, without persistence unless `dir` is given.
 * @throws Error when redis-server is not installed or ends before it is ready.
 */
export async function startRedis(options: RedisOptions = {}): Promise<RedisProcess> {
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort());
    const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'meridian-redis-')));
    try {
      return new PrivateRedis(await launch(port, dir, options), port, dir, options);
    } catch (error) {
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
      // Somebody else took the port between the look and the start.
      const taken = error instanceof Error && error.message.includes('Address already in use');
      if (!taken || options.port !== undefined || attempt === 5) throw error;
    }
  }
}

class PrivateRedis implements RedisProcess {
  readonly port: number;
  readonly url: string;
  readonly #dir: string;
  readonly #options: RedisOptions;
  #process: ChildProcess;

  constructor(process: ChildProcess, port: number, dir: string, options: RedisOptions) {
    this.#process = process;
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.#dir = dir;
    this.#options = options;
  }

  get process(): ChildProcess {
    return this.#process;
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  call(...command: string[]): Promise<string> {
    return redisCall(this.port, command);
  }

  freeze(): Promise<void> {
    return freezeProcess(this.pid);
  }

  thaw(): void {
    thawProcess(this.pid);
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async startAgain(): Promise<void> {
    await this.#end('SIGTERM');
    if (this.#options.dir === undefined) await rm(join(this.#dir, 'dump.rdb'), { force: true });
    this.#process = await launch(this.port, this.#dir, this.#options);
  }

  async refuseWrites(how: WriteRefusal): Promise<() => Promise<void>> {
    switch (how) {
      case 'oom':
        await this.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction', 'maxmemory', '1');
        return async () => void (await this.call('CONFIG', 'SET', 'maxmemory', '0'));
      case 'misconf':
        return this.#failToSave();
      case 'readonly':
        // Of a master that is not there: it keeps its data and serves them.
        await this.call('REPLICAOF', '127.0.0.1', '1');
        return async () => void (await this.call('REPLICAOF', 'NO', 'ONE'));
    }
  }

  async load(): Promise<() => Promise<void>> {
    // It looks after its connections once per kilobyte: each key has one, and takes a while.
    await this.call('DEBUG', 'POPULATE', String(FILLERS), 'filler', '1024');
    const delayUs = String((LOADING_MS * 1_000) / FILLERS);
    const everyKey = ['rdbcompression', 'no', 'loading-process-events-interval-bytes', '1024'];
    await this.call('CONFIG', 'SET', 'key-load-delay', delayUs, ...everyKey);
    const reloading = this.call('DEBUG', 'RELOAD');
    // Answers again, with an error, as soon as it reads the file.
    for (let isLoading = false; !isLoading; ) {
      isLoading = await Promise.race([
        this.call('GET', 'anything').then(
          () => false,
          (error: unknown) => error instanceof Error && error.message.includes('LOADING'),
        ),
        reloading.then(() => true),
      ]);
    }
    return async () => {
      await this.call('CONFIG', 'SET', 'key-load-delay', '0');
      await reloading;
      await this.call('EVAL', `for i = 0, ${FILLERS - 1} do redis.call('DEL', 'filler:' .. i) end`, '0');
    };
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
    if (this.#options.dir === undefined) await rm(this.#dir, { recursive: true, force: true });
  }

  /** A background save that fails, after which Redis takes no writes that it could lose. */
  async #failToSave(): Promise<() => Promise<void>> {
    await this.call('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'yes', 'save', '3600 1000000');
    // Nobody, not even root, makes files there.
    await this.call('CONFIG', 'SET', 'dir', '/proc');
    await this.#save('err');
    return async () => {
      await this.call('CONFIG', 'SET', 'dir', this.#dir);
      await this.#save('ok');
      await this.call('CONFIG', 'SET', 'save', this.#options.dir === undefined ? '' : '3600 1');
    };
  }

  async #save(outcome: 'ok' | 'err'): Promise<void> {
    await this.call('BGSAVE');
    for (;;) {
      const info = await this.call('INFO', 'persistence');
      if (info.includes('rdb_bgsave_in_progress:0')) {
        if (!info.includes(`rdb_last_bgsave_status:${outcome}`))
          throw new Error(`the save was not ${outcome}: ${info}`);
        return;
      }
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGCONT');
    child.kill(signal);
    const hard = setTimeout(() => child.kill('SIGKILL'), 3_000);
    await gone;
    clearTimeout(hard);
  }
}

async function launch(port: number, dir: string, options: RedisOptions): Promise<ChildProcess> {
  const persistence = options.dir === undefined ? ['--save', '', '--appendonly', 'no'] : [];
  // What tests do to it takes commands that are protected by default.
  const tests = ['--enable-protected-configs', 'local', '--enable-debug-command', 'local'];
  const child = spawn(
    'redis-server',
    ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, ...persistence, ...tests, ...(options.args ?? [])],
    { stdio: ['ignore', 'pipe', 'pipe'], detached: options.apart === true },
  );
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('Ready to accept connections')) resolve();
    };
    child.stdout.on('data', onData);
    child.stderr.on('data', onData);
    child.once('error', (cause) => reject(new Error('redis-server could not be started', { cause })));
    child.once('exit', (code) => reject(new Error(`redis-server ended (${code}): ${output.slice(-500)}`)));
  });
  child.stdout.removeAllListeners('data').resume();
  child.stderr.removeAllListeners('data').resume();
  child.removeAllListeners('exit');
  return child;
}
