import type { Redis } from 'ioredis';
import { Cluster as RedisCluster } from 'ioredis';
import type { ClusterLogger, ClusterObserver, ClusterStatus } from '../api.ts';
import { Emitter } from '../emitter.ts';
import { type CommandClient, commandClient } from './clients.ts';
import { asMeridianError, closedError, unavailable } from './failures.ts';
import type { Script } from './script.ts';
import type { Address, RedisTarget } from './url.ts';

/** How often the connection is tried when nothing else is sent, milliseconds. */
const PROBE_MS = 1_000;
const PROBE_WHILE_DOWN_MS = 200;
/** How often a start that waits says so, milliseconds. */
const WAITING_EVERY_MS = 2_000;

export interface ConnectionOptions {
  readonly target: RedisTarget;
  readonly timeoutMs: number;
  /** A key of the registry: Redis is `up` when its slot answers. */
  readonly probeKey: string;
  readonly logger: ClusterLogger;
  readonly observe: ClusterObserver;
}

type Argument = string | number;

/**
 * The connection that carries the commands. Each command is answered or fails within the time-out, and
 * fails at once while there is no connection; the connection comes back by itself, for ever.
 */
export class RedisConnection {
  readonly target: RedisTarget;
  readonly timeoutMs: number;
  readonly #client: CommandClient;
  readonly #options: ConnectionOptions;
  readonly #status = new Emitter<{ status: [ClusterStatus] }>();
  #current: ClusterStatus = 'down';
  #probing: NodeJS.Timeout | undefined;
  #lastAnswer = 0;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.target = options.target;
    this.timeoutMs = options.timeoutMs;
    this.#client = commandClient(options.target, options.timeoutMs);
    this.#client.on('error', (error: Error) => options.logger.debug({ err: error }, 'redis connection error'));
    this.#client.on('close', () => this.#doubt());
  }

  get status(): ClusterStatus {
    return this.#current;
  }

  onStatus(listener: (status: ClusterStatus) => void): () => void {
    return this.#status.on('status', listener);
  }

  /** @throws MeridianError `cluster-unavailable` when Redis does not answer within the time. */
  async connect(withinMs: number): Promise<void> {
    const started = performance.now();
    const deadline = started + withinMs;
    let saidAt = started;
    // Why there is no connection (refused, wrong password) is told by events only.
    let trouble: unknown;
    const note = (error: unknown) => {
      trouble = error;
    };
    this.#client.on('error', note);
    this.#client.connect().catch(note);
    while (!(await this.#answers())) {
      if (performance.now() >= deadline || this.#closed || isRefusedLogin(trouble)) {
        this.close();
        const why = isRefusedLogin(trouble) ? 'it refuses the login' : `no answer within ${withinMs} ms`;
        throw unavailable(why, trouble);
      }
      if (performance.now() - saidAt >= WAITING_EVERY_MS) {
        saidAt = performance.now();
        const waitedMs = Math.round(saidAt - started);
        this.#options.logger.warn({ err: trouble, waitedMs, withinMs }, 'Redis is not there yet: waiting for it');
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    this.#client.off('error', note);
    // A master that is away does not keep the others from being used.
    await Promise.allSettled(this.masters().map((master) => this.#withTimeout('ping', master.ping())));
    this.#setStatus('up');
    this.#schedule(PROBE_MS);
  }

  /** Runs a script; its keys must share a slot. @throws MeridianError `cluster-unavailable`, `closed`, `internal` */
  async run(script: Script, keys: readonly string[], args: readonly Argument[] = []): Promise<unknown> {
    try {
      return await this.send(script.name, (client) => client.evalsha(script.sha, keys.length, ...keys, ...args));
    } catch (error) {
      if (!isUnknownScript(error)) throw error;
      // A server that has started anew (or has become the master) has not seen the script yet.
      return await this.send(script.name, (client) => client.eval(script.lua, keys.length, ...keys, ...args));
    }
  }

  /** Sends one command. @throws MeridianError `cluster-unavailable`, `closed`, `internal` */
  async send<T>(name: string, command: (client: CommandClient) => Promise<T>): Promise<T> {
    if (this.#closed) throw closedError('the connection to Redis');
    // Known to be away: nobody has to wait for the time-out to hear it. (In a Redis Cluster other masters may be there.)
    if (this.#current === 'down' && !this.isCluster) throw unavailable(`${name} was not sent`);
    const started = performance.now();
    let ok = false;
    try {
      const answer = await this.#withTimeout(name, command(this.#client));
      ok = true;
      this.#lastAnswer = performance.now();
      return answer;
    } catch (thrown) {
      const error = asMeridianError(thrown, name);
      // A server that asks for the script's text works as it should: no failure to alarm anybody with.
      ok = isUnknownScript(error);
      if (error.code === 'cluster-unavailable') this.#doubt();
      throw error;
    } finally {
      this.#options.observe.command?.(name, performance.now() - started, ok);
    }
  }

  /** The masters one by one, for what a Redis Cluster answers per node (scans). */
  masters(): Redis[] {
    return this.#client instanceof RedisCluster ? this.#client.nodes('master') : [this.#client];
  }

  /** What is known of the nodes of a Redis Cluster now. */
  knownAddresses(): Address[] {
    if (!(this.#client instanceof RedisCluster)) return [];
    return this.#client
      .nodes('master')
      .map(({ options }) => ({ host: options.host ?? '127.0.0.1', port: options.port ?? 6379 }));
  }

  get isCluster(): boolean {
    return this.target.kind === 'cluster';
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#probing);
    this.#client.disconnect();
  }

  async #withTimeout<T>(name: string, answer: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(unavailable(`${name}: no answer within ${this.timeoutMs} ms`)), this.timeoutMs);
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A command failed: find out now whether Redis as a whole is away. */
  #doubt(): void {
    if (this.#closed || this.#current === 'down' || this.#probing === undefined) return;
    this.#schedule(0);
  }

  #schedule(inMs: number): void {
    clearTimeout(this.#probing);
    this.#probing = setTimeout(() => void this.#probe(inMs === 0), inMs);
  }

  async #probe(always: boolean): Promise<void> {
    clearTimeout(this.#probing);
    this.#probing = undefined;
    if (always || this.#current === 'down' || performance.now() - this.#lastAnswer >= PROBE_MS / 2) {
      const answered = await this.#answers();
      if (this.#closed) return;
      this.#setStatus(answered ? 'up' : 'down');
    }
    this.#schedule(this.#current === 'up' ? PROBE_MS : PROBE_WHILE_DOWN_MS);
  }

  async #answers(): Promise<boolean> {
    try {
      await this.#withTimeout('probe', this.#client.exists(this.#options.probeKey));
      this.#lastAnswer = performance.now();
      return true;
    } catch {
      return false;
    }
  }

  #setStatus(status: ClusterStatus): void {
    if (this.#current === status) return;
    this.#current = status;
    if (status === 'down') this.#options.logger.warn({}, 'redis is out of reach');
    else this.#options.logger.info({}, 'redis is in reach');
    this.#options.observe.status?.(status);
    this.#status.emit('status', status);
  }
}

/** Waiting does not make a wrong password right. */
function isRefusedLogin(trouble: unknown): boolean {
  return trouble instanceof Error && /^(WRONGPASS|NOAUTH|NOPERM|ERR invalid password|ERR AUTH)/.test(trouble.message);
}

function isUnknownScript(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && cause.message.startsWith('NOSCRIPT');
}
