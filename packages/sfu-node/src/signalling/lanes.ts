/**
 * In which order the requests of one connection run.
 * - `barrier`: after everything before it, and nothing after it starts before it is done (join).
 * - a lane: one after the other with the same name (what concerns one producer or consumer).
 * - `free`: as soon as the barriers before it are done (subscribe, which may wait for a relay).
 */
export type Order =
  | { readonly kind: 'barrier' }
  | { readonly kind: 'lane'; readonly name: string }
  | { readonly kind: 'free' };

export class Lanes {
  readonly #tails = new Map<string, Promise<unknown>>();
  readonly #running = new Set<Promise<unknown>>();
  #barrier: Promise<unknown> = Promise.resolve();

  /** Work under way or waiting. */
  get size(): number {
    return this.#running.size;
  }

  run<T>(order: Order, work: () => Promise<T>): Promise<T> {
    const result = this.#after(order).then(work);
    const settled = result.then(
      () => {},
      () => {},
    );
    this.#running.add(settled);
    void settled.then(() => this.#running.delete(settled));
    if (order.kind === 'barrier') this.#barrier = settled;
    if (order.kind === 'lane') {
      this.#tails.set(order.name, settled);
      void settled.then(() => {
        if (this.#tails.get(order.name) === settled) this.#tails.delete(order.name);
      });
    }
    return result;
  }

  #after(order: Order): Promise<unknown> {
    switch (order.kind) {
      case 'barrier':
        return Promise.all(this.#running);
      case 'lane':
        // The lane's tail came after the barrier that was in force then; a newer barrier waited for it.
        return Promise.all([this.#barrier, this.#tails.get(order.name)]);
      case 'free':
        return this.#barrier;
    }
  }
}
