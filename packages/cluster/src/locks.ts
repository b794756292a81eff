import { MeridianError } from '@meridian/protocol';
import Redlock, { ExecutionError, type Lock, ResourceLockedError } from 'redlock';
import type { ClusterLogger } from './api.ts';
import type { Keys } from './keys.ts';
import type { LockOutcome, Locks } from './ports.ts';
import type { RedisConnection } from './redis/connection.ts';
import { SCRIPTS } from './scripts.ts';

/** Fences are kept this long after the last holder, milliseconds; they go by the clock, so they rise even beyond. */
const FENCE_MS = 24 * 3_600_000;

export interface LocksOptions {
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly logger: ClusterLogger;
}

/**
 * redlock for one Redis (a Sentinel's master and a Redis Cluster count as one): a failover may give a lock twice, so
 * work that must not be done twice also checks `fence`.
 */
export class RedisLocks implements Locks {
  readonly #options: LocksOptions;
  readonly #redlock: Redlock;

  constructor(options: LocksOptions) {
    this.#options = options;
    const { connection } = options;
    // redlock hands keys and arguments over in one list; the connection adds time-out, metrics and error codes.
    const client = {
      evalsha: (sha: string, keyCount: number, args: (string | number)[]) =>
        connection.send('lock', (redis) => redis.evalsha(sha, keyCount, ...args)).catch(asRedlockExpects),
      eval: (lua: string, keyCount: number, args: (string | number)[]) =>
        connection.send('lock', (redis) => redis.eval(lua, keyCount, ...args)),
    };
    // Retrying is up to whoever wants the lock.
    this.#redlock = new Redlock([client], { retryCount: 0 });
  }

  async withLock<T>(
    name: string,
    options: { ttlMs: number; signal?: AbortSignal },
    work: (held: { signal: AbortSignal; fence: number }) => Promise<T>,
  ): Promise<LockOutcome<T>> {
    options.signal?.throwIfAborted();
    const lock = await this.#acquire(name, options.ttlMs);
    if (lock === undefined) return { outcome: 'not-acquired' };
    const holding = new Holding(lock, options.ttlMs, this.#options.logger);
    try {
      const fence = await this.#fence(name, lock);
      if (fence === undefined) return { outcome: 'lost' };
      options.signal?.throwIfAborted();
      const signal = options.signal === undefined ? holding.lost : AbortSignal.any([holding.lost, options.signal]);
      const value = await work({ signal, fence });
      return (await holding.release()) ? { outcome: 'done', value } : { outcome: 'lost' };
    } catch (error) {
      if (!holding.lost.aborted) throw error;
      this.#options.logger.debug({ err: error, name }, 'work under a lost lock ended with an error');
      return { outcome: 'lost' };
    } finally {
      await holding.release();
    }
  }

  /** @throws MeridianError `cluster-unavailable` */
  async #acquire(name: string, ttlMs: number): Promise<Lock | undefined> {
    try {
      return await this.#redlock.acquire([this.#options.keys.lock(name).holder], ttlMs);
    } catch (error) {
      if (await heldByAnother(error)) return undefined;
      throw error;
    }
  }

  async #fence(name: string, lock: Lock): Promise<number | undefined> {
    const { connection, keys } = this.#options;
    const { holder, fence } = keys.lock(name);
    const reply = await connection.run(SCRIPTS.lock.fence, [holder, fence], [lock.value, FENCE_MS]);
    const number = Number(reply);
    return reply === '' || !Number.isInteger(number) ? undefined : number;
  }
}

/** redlock recognises an unknown script by the words of the server's answer. */
function asRedlockExpects(error: unknown): never {
  if (error instanceof MeridianError && error.cause instanceof Error && error.cause.message.startsWith('NOSCRIPT')) {
    throw error.cause;
  }
  throw error;
}

/** True when the lock is somebody else's; throws the trouble that redlock has wrapped otherwise. */
async function heldByAnother(error: unknown): Promise<boolean> {
  if (!(error instanceof ExecutionError)) throw error;
  for (const attempt of error.attempts) {
    for (const against of (await attempt).votesAgainst.values()) {
      if (!(against instanceof ResourceLockedError)) throw against;
    }
  }
  return true;
}

/** Extends a lock until it is released or lost. */
class Holding {
  readonly #lost = new AbortController();
  readonly #ttlMs: number;
  readonly #logger: ClusterLogger;
  #lock: Lock;
  #timer: NodeJS.Timeout | undefined;
  #extending: Promise<void> | undefined;
  #released: Promise<boolean> | undefined;

  constructor(lock: Lock, ttlMs: number, logger: ClusterLogger) {
    this.#lock = lock;
    this.#ttlMs = ttlMs;
    this.#logger = logger;
    this.#schedule(ttlMs / 3);
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Whether the lock was held up to now. Never throws; called again it gives the same answer. */
  release(): Promise<boolean> {
    this.#released ??= this.#release();
    return this.#released;
  }

  async #release(): Promise<boolean> {
    clearTimeout(this.#timer);
    await this.#extending;
    if (this.#lost.signal.aborted) return false;
    const held = this.#lock.expiration > Date.now();
    try {
      await this.#lock.release();
      return true;
    } catch (error) {
      // It expires by itself. Whether it was ours to the end: another's, no; no answer, by the clock.
      return held && !(await isTaken(error));
    }
  }

  #schedule(inMs: number): void {
    this.#timer = setTimeout(() => {
      this.#extending = this.#extend().finally(() => {
        this.#extending = undefined;
      });
    }, inMs);
  }

  async #extend(): Promise<void> {
    try {
      this.#lock = await this.#lock.extend(this.#ttlMs);
      if (this.#released === undefined) this.#schedule(this.#ttlMs / 3);
    } catch (error) {
      if ((await isTaken(error)) || this.#lock.expiration <= Date.now()) {
        this.#logger.warn({ err: error }, 'a lock was lost');
        this.#lost.abort(new MeridianError('cluster-unavailable', { message: 'the lock was lost', cause: error }));
      } else if (this.#released === undefined) {
        this.#schedule(Math.max(10, Math.min(this.#ttlMs / 10, this.#lock.expiration - Date.now())));
      }
    }
  }
}

async function isTaken(error: unknown): Promise<boolean> {
  try {
    return await heldByAnother(error);
  } catch {
    return false;
  }
}
