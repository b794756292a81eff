import { MeridianError } from '@meridian/protocol';
import argon2, { type HashOptions } from 'argon2';

/** OWASP's Password Storage Cheat Sheet for argon2id: 19 MiB, two passes, one lane. */
export const ARGON2ID = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const satisfies HashOptions;

/** The two calls that cost time and memory. Tests count them. */
export interface PasswordHasher {
  hash(password: string): Promise<string>;
  verify(hash: string, password: string): Promise<boolean>;
}

export const argon2id: PasswordHasher = {
  hash: (password) => argon2.hash(password, { ...ARGON2ID, type: argon2.argon2id }),
  verify: (hash, password) => argon2.verify(hash, password),
};

export interface PasswordsOptions {
  readonly hasher?: PasswordHasher;
  /** How many are worked on at once; each takes 19 MiB and one of libuv's four threads. */
  readonly concurrency: number;
  /** How many may wait; more are refused. */
  readonly maxWaiting: number;
}

export type Verdict =
  | { readonly matches: false }
  /** `rehashed` replaces the stored hash when that was made with other parameters. */
  | { readonly matches: true; readonly rehashed: string | undefined };

/** Hashes and checks passwords, a bounded number at once, so that a flood of logins starves nothing else. */
export class Passwords {
  readonly #hasher: PasswordHasher;
  readonly #concurrency: number;
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #dummy: Promise<string> | undefined;

  constructor({ hasher = argon2id, concurrency, maxWaiting }: PasswordsOptions) {
    this.#hasher = hasher;
    this.#concurrency = concurrency;
    this.#maxWaiting = maxWaiting;
  }

  /** How many are being worked on or wait. */
  get pending(): number {
    return this.#running + this.#waiting.length;
  }

  /** Makes the hash that unknown accounts are checked against, so that the first such login is not slower. */
  async prepare(): Promise<void> {
    await this.#dummyHash();
  }

  /** A PHC string. @throws MeridianError `rate-limited` when too many wait already */
  hash(password: string): Promise<string> {
    return this.#bounded(() => this.#hasher.hash(normalized(password)));
  }

  /**
   * Checks a password. Without a stored hash (unknown account) a dummy is checked all the same: one
   * verification either way, so that neither the answer nor its time tells whether the account exists.
   * @throws MeridianError `rate-limited` when too many wait already
   */
  verify(stored: string | undefined, password: string): Promise<Verdict> {
    return this.#bounded(async () => {
      const hash = stored ?? (await this.#dummyHash());
      const matches = await this.#hasher.verify(hash, normalized(password));
      if (!matches || stored === undefined) return { matches: false };
      return {
        matches: true,
        rehashed: argon2.needsRehash(stored, ARGON2ID) ? await this.#hasher.hash(normalized(password)) : undefined,
      };
    });
  }

  #dummyHash(): Promise<string> {
    this.#dummy ??= this.#hasher.hash('the password of nobody').catch((error: unknown) => {
      this.#dummy = undefined;
      throw error;
    });
    return this.#dummy;
  }

  async #bounded<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#concurrency) this.#running += 1;
    else {
      if (this.#waiting.length >= this.#maxWaiting) throw new MeridianError('rate-limited', { retryAfterMs: 1_000 });
      // Whoever finishes hands its turn over: the number of running ones does not change.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running -= 1;
      else next();
    }
  }
}

/** NIST SP 800-63B: the same password typed on another keyboard must be the same. */
const normalized = (password: string): string => password.normalize('NFKC');
