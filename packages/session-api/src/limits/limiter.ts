import type { Cluster } from '@meridian/cluster';
import { AttemptWindow } from '../accounts/attempts.ts';
import type { Logger } from '../logger.ts';
import type { Metrics } from '../metrics.ts';
import { SharedAttempts } from './shared-attempts.ts';
import { SharedCounter } from './shared-counter.ts';

const ATTEMPT_WINDOW_MS = 15 * 60_000;
const MOST_ACCOUNTS = 50_000;
/** Addresses or users remembered per limit. */
const MOST_KEYS = 20_000;

export interface LimiterOptions {
  readonly cluster: Pick<Cluster, 'limits' | 'status'>;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** Milliseconds; the window of attempts follows it. */
  readonly now: () => number;
}

/** Makes the limits that all instances share; each falls back to this instance's own counts while Redis is away. */
export class Limiter {
  readonly #options: LimiterOptions;

  constructor(options: LimiterOptions) {
    this.#options = options;
  }

  counter(name: string, limit: number, windowMs: number): SharedCounter {
    const { cluster, now } = this.#options;
    const isShared = () => cluster.status === 'up';
    const onUnshared = this.#onUnshared;
    return new SharedCounter({
      name,
      limit,
      windowMs,
      shared: cluster.limits,
      isShared,
      now,
      mostKeys: MOST_KEYS,
      onUnshared,
    });
  }

  attempts(name: string, limit: number): SharedAttempts {
    const { cluster, now } = this.#options;
    const windowMs = ATTEMPT_WINDOW_MS;
    return new SharedAttempts({
      name,
      limit,
      windowMs,
      local: new AttemptWindow({ limit, windowMs, maxKeys: MOST_ACCOUNTS, now }),
      shared: cluster.limits,
      isShared: () => cluster.status === 'up',
      onUnshared: this.#onUnshared,
    });
  }

  readonly #onUnshared = (err: unknown): void => {
    const { metrics, log } = this.#options;
    metrics.limitUnshared();
    log.debug({ err }, 'a limit counts on this instance alone');
  };
}
