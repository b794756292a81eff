/** A typed event source. Each event carries one value. */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<(value: never) => void>>();

  /** Returns the undoing. A listener that throws does not keep others from being told. */
  on<E extends keyof Events>(event: E, listener: (value: Events[E]) => void): () => void {
    let set = this.#listeners.get(event);
    if (set === undefined) {
      set = new Set();
      this.#listeners.set(event, set);
    }
    const own = set;
    own.add(listener);
    return () => {
      own.delete(listener);
    };
  }

  protected emit<E extends keyof Events>(event: E, value: Events[E]): void {
    const listeners = this.#listeners.get(event);
    if (listeners === undefined) return;
    for (const listener of [...listeners] as ((value: Events[E]) => void)[]) {
      try {
        listener(value);
      } catch (error) {
        // The listener's own mistake: it surfaces as an uncaught error, outside of our control flow.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  protected removeAllListeners(): void {
    this.#listeners.clear();
  }
}
