import { MeridianError } from '@meridian/protocol';
import type { Cancel, Clock } from '../clock.ts';
import { keyOf, type RelayItem } from './relay-item.ts';

/** One holder's claim on a relayed producer. */
export interface Pull {
  /**
   * Resolves once it can be consumed here. Rejects with `producer-not-found` when the origin does not
   * have it, `closed` when the relays of this room close; a relay that fails is tried again and keeps
   * it pending.
   */
  readonly ready: Promise<void>;
  /** Gives the claim up. Idempotent. */
  release(): void;
}

interface Want {
  readonly item: RelayItem;
  holders: number;
  ready: PromiseWithResolvers<void>;
  arrived: boolean;
  cancelGrace: Cancel | undefined;
}

export interface WantsOptions {
  readonly clock: Clock;
  /** How long something that nobody wants any more stays wanted, milliseconds. */
  readonly graceMs: number;
  /** The set of wanted things has changed. */
  readonly onChange: () => void;
}

/** Who wants what from one origin: claims are counted, the last one's end takes effect after a grace. */
export class Wants {
  readonly #options: WantsOptions;
  readonly #wants = new Map<string, Want>();

  constructor(options: WantsOptions) {
    this.#options = options;
  }

  get wanted(): ReadonlyMap<string, { readonly item: RelayItem }> {
    return this.#wants;
  }

  has(key: string): boolean {
    return this.#wants.has(key);
  }

  add(item: RelayItem): Pull {
    const key = keyOf(item);
    let want = this.#wants.get(key);
    if (want === undefined) {
      want = { item, holders: 0, ready: quietResolvers(), arrived: false, cancelGrace: undefined };
      this.#wants.set(key, want);
      this.#options.onChange();
    }
    want.cancelGrace?.();
    want.cancelGrace = undefined;
    want.holders += 1;
    const held = want;
    let released = false;
    return {
      ready: held.ready.promise,
      release: () => {
        if (released) return;
        released = true;
        this.#release(key, held);
      },
    };
  }

  /** It can be consumed now. */
  arrived(key: string): void {
    const want = this.#wants.get(key);
    if (want === undefined) return;
    want.arrived = true;
    want.ready.resolve();
  }

  /** The link is gone: everything has to come again. Claims made from now on wait for that. */
  allLost(): void {
    for (const want of this.#wants.values()) {
      if (!want.arrived) continue;
      want.arrived = false;
      want.ready = quietResolvers();
    }
  }

  /** It is not to be had: the claims on it are void. */
  refuse(key: string, error: MeridianError): void {
    const want = this.#wants.get(key);
    if (want === undefined) return;
    this.#wants.delete(key);
    want.cancelGrace?.();
    want.ready.reject(error);
    this.#options.onChange();
  }

  close(): void {
    for (const key of [...this.#wants.keys()]) this.refuse(key, new MeridianError('closed'));
  }

  #release(key: string, want: Want): void {
    want.holders -= 1;
    if (want.holders > 0 || this.#wants.get(key) !== want) return;
    want.cancelGrace = this.#options.clock.after(this.#options.graceMs, () => {
      // A claim made meanwhile would have cancelled this.
      if (this.#wants.get(key) !== want) return;
      this.#wants.delete(key);
      want.ready.reject(new MeridianError('closed'));
      this.#options.onChange();
    });
  }
}

/** A promise whose rejection counts as handled: nobody may be waiting for it. */
function quietResolvers(): PromiseWithResolvers<void> {
  const resolvers = Promise.withResolvers<void>();
  resolvers.promise.catch(() => {});
  return resolvers;
}
