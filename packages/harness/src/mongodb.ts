import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { eventually } from './eventually.ts';
import { freezeProcess, thawProcess } from './freeze.ts';
import { freePort } from './ports.ts';

/** Must be the version that scripts/lib/mongodb.sh builds. */
const FERRETDB_VERSION = '1.24.2';

export interface MongoServer {
  /** Without a database name. */
  readonly url: string;
  /** Process id; undefined for the server of `MONGODB_URL`, which is not ours. */
  readonly pid: number | undefined;
  /** The server's URL with this database in it. */
  database(name: string): string;
  /** SIGSTOP: connections stay open and nothing answers. These four need a process of one's own. */
  freeze(): Promise<void>;
  thaw(): void;
  /** SIGKILL, and waits for the end. The data stay. */
  kill(): Promise<void>;
  /** Starts it on the same port, with its data, after `kill()`. */
  startAgain(): Promise<void>;
  /** Stops the process and removes its data (unless `dir` was given). Leaves the server of `MONGODB_URL` alone. */
  stop(): Promise<void>;
}

/** Where a MongoDB server for tests comes from. */
export type MongoSource =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'mongod'; readonly path: string }
  | { readonly kind: 'ferretdb'; readonly path: string };

/** `MONGODB_URL`, else `mongod` on the PATH, else the FerretDB that scripts/lib/mongodb.sh built. */
export function mongoSource(
  env: Readonly<Record<string, string | undefined>> = process.env,
  options: { ownProcess?: boolean } = {},
): MongoSource | undefined {
  if (env.MONGODB_URL && !options.ownProcess) return { kind: 'url', url: env.MONGODB_URL };
  for (const folder of (env.PATH ?? '').split(delimiter)) {
    const path = join(folder, 'mongod');
    if (folder !== '' && existsSync(path)) return { kind: 'mongod', path };
  }
  const cache = env.MEDIASOUP_WORKER_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'meridian');
  const path = join(cache, `ferretdb-${FERRETDB_VERSION}`, 'ferretdb');
  return existsSync(path) ? { kind: 'ferretdb', path } : undefined;
}

/** Puts a database name into a MongoDB URL, which may name several hosts and so is no URL to `new URL`. */
export function mongoDatabaseUrl(url: string, name: string): string {
  const parts = /^(mongodb(?:\+srv)?:\/\/[^/?]+)(?:\/[^?]*)?(\?.*)?$/.exec(url);
  if (!parts) throw new Error('this is no MongoDB URL');
  return `${parts[1]}/${name}${parts[2] ?? ''}`;
}

function argumentsOf(source: Exclude<MongoSource, { kind: 'url' }>, port: number, dir: string): string[] {
  switch (source.kind) {
    case 'mongod':
      return ['--port', String(port), '--bind_ip', '127.0.0.1', '--dbpath', dir, '--nounixsocket', '--quiet'];
    case 'ferretdb':
      return [
        '--handler=sqlite',
        `--sqlite-url=file:${dir}/`,
        `--state-dir=${dir}`,
        `--listen-addr=127.0.0.1:${port}`,
        '--debug-addr=-',
        '--telemetry=disable',
        '--log-level=WARN',
      ];
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Ends a child, also when it is stopped (SIGSTOP) or gone already: politely at first where its data counts. */
async function end(child: ChildProcess, keepData: boolean): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGCONT');
  child.kill(keepData ? 'SIGTERM' : 'SIGKILL');
  const hard = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await gone;
  clearTimeout(hard);
}

/**
 * A server that speaks MongoDB's wire protocol. A `port` or a `dir` (data that outlives `stop()`) asks for
 * a process of one's own, so `MONGODB_URL` does not count then.
 * @throws Error when there is no server to be had, or when it ends before it is ready.
 */
export async function startMongo(
  options: { port?: number; dir?: string; env?: Readonly<Record<string, string | undefined>> } = {},
): Promise<MongoServer> {
  const ownProcess = options.port !== undefined || options.dir !== undefined;
  const source = mongoSource(options.env, { ownProcess });
  if (!source) {
    throw new Error(
      ownProcess
        ? 'there is no MongoDB server to start: run scripts/lib/mongodb.sh or install mongod'
        : 'there is no MongoDB server for the tests: run scripts/lib/mongodb.sh, install mongod or set MONGODB_URL',
    );
  }
  if (source.kind === 'url') return foreignServer(source.url);
  const port = options.port ?? (await freePort());
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'meridian-mongodb-')));
  const removeData = async () => {
    if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
  };
  let child: ChildProcess;
  try {
    child = await launch(source, port, dir);
  } catch (error) {
    await removeData();
    throw error;
  }
  const url = `mongodb://127.0.0.1:${port}`;
  return {
    url,
    get pid() {
      return child.pid;
    },
    database: (name) => mongoDatabaseUrl(url, name),
    freeze: () => freezeProcess(child.pid ?? -1),
    thaw: () => thawProcess(child.pid ?? -1),
    kill: () => end(child, false),
    async startAgain() {
      await end(child, true);
      child = await launch(source, port, dir);
    },
    async stop() {
      await end(child, options.dir !== undefined);
      await removeData();
    },
  };
}

function foreignServer(url: string): MongoServer {
  const refuse = () => {
    throw new Error('the server of MONGODB_URL is not ours: it is neither stopped nor started');
  };
  return {
    url,
    pid: undefined,
    database: (name) => mongoDatabaseUrl(url, name),
    freeze: async () => refuse(),
    thaw: refuse,
    kill: async () => refuse(),
    startAgain: async () => refuse(),
    stop: async () => undefined,
  };
}

/** Starts the server and waits until it accepts connections. @throws Error with what it wrote when it ends before. */
async function launch(source: Exclude<MongoSource, { kind: 'url' }>, port: number, dir: string): Promise<ChildProcess> {
  const child = spawn(source.path, argumentsOf(source, port, dir), { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let failed: Error | undefined;
  const onData = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-2_000);
  };
  child.stdout.on('data', onData);
  child.stderr.on('data', onData);
  child.once('error', (cause) => {
    failed = new Error(`${source.path} could not be started`, { cause });
  });
  try {
    await eventually(
      `${source.kind} accepts connections`,
      async () => {
        if (failed || child.exitCode !== null) return true;
        return await accepts(port);
      },
      { withinMs: 30_000 },
    );
    if (failed) throw failed;
    if (child.exitCode !== null) throw new Error(`${source.kind} ended (${child.exitCode}): ${output.slice(-500)}`);
    return child;
  } catch (error) {
    if (failed === undefined) await end(child, false);
    throw error;
  }
}
