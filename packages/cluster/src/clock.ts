import type { ClusterLogger } from './api.ts';
import type { Keys } from './keys.ts';
import { REPLIES } from './records.ts';
import type { RedisConnection } from './redis/connection.ts';
import { SCRIPTS } from './scripts.ts';

/** How often the clocks are compared, milliseconds. */
const EVERY_MS = 30_000;
/** A machine's clock that is off by more than this is reported, milliseconds. */
const REPORTED_MS = 2_000;

/**
 * The clock of Redis as seen from here: deadlines that travel between nodes are measured by it, since the nodes' own
 * clocks may differ by more than a deadline. Off by half a round trip at most.
 */
export class RedisClock {
  readonly #connection: RedisConnection;
  readonly #keys: Keys;
  readonly #logger: ClusterLogger;
  #offsetMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #isOff = false;
  #closed = false;

  constructor(connection: RedisConnection, keys: Keys, logger: ClusterLogger) {
    this.#connection = connection;
    this.#keys = keys;
    this.#logger = logger;
  }

  /** Compares the clocks now, and again from time to time. @throws MeridianError `cluster-unavailable` */
  async start(): Promise<void> {
    await this.#compare();
    this.#connection.onStatus((status) => {
      // A failover may have brought another machine's clock.
      if (status === 'up') this.#compareQuietly();
    });
    this.#timer = setInterval(() => this.#compareQuietly(), EVERY_MS);
    this.#timer.unref();
  }

  /** Milliseconds since 1970. */
  now(): number {
    return Math.round(performance.timeOrigin + performance.now() + this.#offsetMs);
  }

  /**
   * What has to be added to this machine's clock to have that of Redis, milliseconds. Looks at the machine's clock every
   * time: it may be set while the process runs.
   */
  get offsetMs(): number {
    return this.now() - Date.now();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
  }

  async #compare(): Promise<void> {
    const sent = performance.now();
    const answer = REPLIES.clock.parse(await this.#connection.run(SCRIPTS.clock, [this.#keys.registry.index]));
    const halfway = (sent + performance.now()) / 2;
    // Redis cuts its time to whole milliseconds.
    this.#offsetMs = answer + 0.5 - (performance.timeOrigin + halfway);
    this.#report();
  }

  #report(): void {
    const { offsetMs } = this;
    const isOff = Math.abs(offsetMs) > REPORTED_MS;
    if (isOff === this.#isOff) return;
    this.#isOff = isOff;
    if (isOff) {
      const way = offsetMs > 0 ? 'behind' : 'ahead of';
      this.#logger.warn({ offsetMs }, `the clock of this machine is ${way} that of Redis; tokens go by that of Redis`);
    } else this.#logger.info({ offsetMs }, 'the clock of this machine agrees with that of Redis again');
  }

  #compareQuietly(): void {
    if (this.#closed) return;
    this.#compare().catch((error: unknown) => this.#logger.debug({ err: error }, 'the clocks could not be compared'));
  }
}
