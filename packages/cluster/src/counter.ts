import type { ClusterObserver } from './api.ts';

/** Counts the commands that a Cluster sends: pass it as `observe` (or call it from one). For benches and tests. */
export class CommandCounter implements ClusterObserver {
  readonly #counts = new Map<string, number>();

  /** Bound, so that it can be handed on by itself. */
  readonly command = (name: string): void => {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  };

  get total(): number {
    let total = 0;
    for (const count of this.#counts.values()) total += count;
    return total;
  }

  /** Commands by name since the last reset. */
  counts(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }

  reset(): void {
    this.#counts.clear();
  }
}
