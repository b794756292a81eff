import { seedOf, uniformAt } from '../wan/model/random.ts';

/** Draws one after the other from one seed. */
export class Random {
  readonly #seed: number;
  #drawn = 0;

  constructor(seed: number, stream: string) {
    this.#seed = seedOf(seed, stream);
  }

  /** In [0, 1). */
  next(): number {
    return uniformAt(this.#seed, this.#drawn++);
  }

  /** A whole number in [0, below). */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** @throws RangeError for an empty list */
  pick<T>(list: readonly T[]): T {
    const found = list[this.below(list.length)];
    if (found === undefined) throw new RangeError('there is nothing to pick from');
    return found;
  }
}
