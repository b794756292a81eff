import type { SharedLimits } from '@meridian/cluster';
import { MeridianError } from '@meridian/protocol';
import type { AttemptWindow } from '../accounts/attempts.ts';

export interface SharedAttemptsOptions {
  readonly name: string;
  readonly limit: number;
  readonly windowMs: number;
  /** Counts on this instance alone: what holds while Redis is away. */
  readonly local: AttemptWindow;
  readonly shared: Pick<SharedLimits, 'attempt' | 'forget'>;
  readonly isShared: () => boolean;
  readonly onUnshared: (cause: unknown) => void;
}

/** Attempts per account in a sliding window, over all instances of the service. */
export class SharedAttempts {
  readonly #options: SharedAttemptsOptions;

  constructor(options: SharedAttemptsOptions) {
    this.#options = options;
  }

  /** Counts an attempt, before the work is done. @throws MeridianError `rate-limited` with the time until the next one passes */
  async attempt(key: string): Promise<void> {
    const { name, limit, windowMs, local, shared, isShared, onUnshared } = this.#options;
    local.attempt(key);
    if (!isShared()) return;
    try {
      const outcome = await shared.attempt(name, key, { limit, windowMs });
      if (!outcome.allowed) throw new MeridianError('rate-limited', { retryAfterMs: outcome.retryAfterMs });
    } catch (error) {
      if (error instanceof MeridianError && error.code === 'rate-limited') throw error;
      onUnshared(error);
    }
  }

  /** The attempt was the owner's: earlier mistakes are forgotten. */
  succeeded(key: string): void {
    const { name, local, shared, isShared, onUnshared } = this.#options;
    local.succeeded(key);
    if (isShared()) shared.forget(name, key).catch(onUnshared);
  }
}
