import type { Emits } from './ports.ts';

type EventMap = Record<string, readonly unknown[]>;

/**
 * A typed emitter whose listeners cannot break its owner: what a listener throws goes to `onError`.
 * Once closed it emits nothing and takes no more listeners, so that nothing is held by a dead object.
 */
export class Emitter<Events extends EventMap> implements Emits<Events> {
  readonly #listeners: { [E in keyof Events]?: Set<(...args: Events[E]) => void> } = {};
  readonly #onError: (error: unknown) => void;
  #closed = false;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  on<E extends keyof Events>(event: E, listener: (...args: Events[E]) => void): () => void {
    if (this.#closed) return () => {};
    const listeners: Set<(...args: Events[E]) => void> = this.#listeners[event] ?? new Set();
    this.#listeners[event] = listeners;
    // Wrapped, so that one function may be added twice and each undoing removes its own.
    const entry = (...args: Events[E]) => listener(...args);
    listeners.add(entry);
    return () => {
      listeners.delete(entry);
    };
  }

  emit<E extends keyof Events>(event: E, ...args: Events[E]): void {
    const set = this.#listeners[event];
    if (set === undefined) return;
    for (const listener of [...set]) {
      try {
        listener(...args);
      } catch (error) {
        this.#onError(error);
      }
    }
  }

  /** Drops all listeners. */
  close(): void {
    this.#closed = true;
    for (const event of Object.keys(this.#listeners)) {
      const key: keyof Events = event;
      this.#listeners[key]?.clear();
      delete this.#listeners[key];
    }
  }
}
