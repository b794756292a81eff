import { assertNever } from '@meridian/protocol';
import { uniformAt } from './random.ts';
import type { LossSettings } from './settings.ts';

/**
 * Says which packets are lost. It steps once per packet offered, whether or not that packet is dropped for
 * another reason, so the pattern depends on the seed and the packet's number alone, never on timing.
 */
export class LossProcess {
  readonly #seed: number;
  #index = 0;
  #bad = false;

  constructor(seed: number) {
    this.#seed = seed;
  }

  next(loss: LossSettings | null): boolean {
    const step = uniformAt(this.#seed, 2 * this.#index);
    const fate = uniformAt(this.#seed, 2 * this.#index + 1);
    this.#index += 1;
    if (loss === null) return false;
    switch (loss.kind) {
      case 'independent':
        return fate < loss.ratio;
      case 'gilbert-elliott':
        if (this.#bad) this.#bad = step >= loss.badToGood;
        else this.#bad = step < loss.goodToBad;
        return fate < (this.#bad ? loss.lossInBad : loss.lossInGood);
      default:
        return assertNever(loss);
    }
  }
}
