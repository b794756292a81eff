import type { Locks } from '@meridian/cluster';
import type { Store } from '@meridian/store';

const DAY_MS = 86_400_000;
const LOCK_TTL_MS = 30_000;

export interface PurgeOptions {
  readonly store: Store;
  readonly locks: Locks;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Chat older than this goes, days; 0 keeps it. */
  readonly chatKeepDays: number;
  /** From one purge to the next, milliseconds. */
  readonly everyMs: number;
  readonly onDone: (removed: { invitations: number; messages: number }) => void;
  readonly onFailed: (cause: unknown) => void;
}

/** Removes what has run out. Of several instances one does it at a time. */
export class Purge {
  readonly #options: PurgeOptions;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(options: PurgeOptions) {
    this.#options = options;
    this.#timer = setInterval(() => {
      this.run().catch(options.onFailed);
    }, options.everyMs).unref();
  }

  /** Purges now; concurrent calls share one purge. @throws MeridianError `store-unavailable`, `cluster-unavailable` */
  run(): Promise<void> {
    this.#running ??= this.#purge().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Idempotent. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort();
    await this.#running?.catch(() => {});
  }

  async #purge(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    const { store, locks, now, chatKeepDays, onDone } = this.#options;
    const outcome = await locks.withLock(
      'purge',
      { ttlMs: LOCK_TTL_MS, signal: this.#stop.signal },
      async ({ signal }) => {
        const invitations = await store.purgeInvitations(now());
        const messages =
          chatKeepDays > 0 && !signal.aborted ? await store.messages.purge(now() - chatKeepDays * DAY_MS) : 0;
        return { invitations, messages };
      },
    );
    if (outcome.outcome === 'done') onDone(outcome.value);
  }
}
