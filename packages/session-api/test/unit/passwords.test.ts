import argon2 from 'argon2';
import { describe, expect, test } from 'vitest';
import { argon2id, Passwords } from '../../src/accounts/passwords.ts';

/** Counts what is done, and lets the test say when it is finished. */
class SlowHasher {
  verifications = 0;
  hashes = 0;
  running = 0;
  mostRunning = 0;
  readonly #waiting: (() => void)[] = [];
  #open = true;

  hash = async (password: string) => {
    this.hashes += 1;
    await this.#work();
    return `hash of ${password}`;
  };

  verify = async (hash: string, password: string) => {
    this.verifications += 1;
    await this.#work();
    return hash === `hash of ${password}`;
  };

  block(): void {
    this.#open = false;
  }

  release(): void {
    this.#open = true;
    for (const go of this.#waiting.splice(0)) go();
  }

  async #work() {
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    if (!this.#open) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.running -= 1;
  }
}

describe('passwords', () => {
  test('are hashed with argon2id and the parameters OWASP recommends', async () => {
    const hash = await new Passwords({ concurrency: 1, maxWaiting: 0 }).hash('correct horse');

    expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,(?:t=2,p=1|p=1,t=2)\$/);
    expect(await argon2id.verify(hash, 'correct horse')).toBe(true);
    expect(await argon2id.verify(hash, 'correct horsf')).toBe(false);
  });

  test('match in either Unicode composition', async () => {
    const passwords = new Passwords({ concurrency: 1, maxWaiting: 0 });
    const stored = await passwords.hash('caf\u00e9 cr\u00e8me');

    expect(await passwords.verify(stored, 'cafe\u0301 cre\u0300me')).toMatchObject({ matches: true });
  });

  test('are hashed anew when the stored hash has other parameters, and only then', async () => {
    const passwords = new Passwords({ concurrency: 1, maxWaiting: 0 });
    const weak = await argon2.hash('correct horse', { memoryCost: 8_192, timeCost: 1, parallelism: 1 });
    const verdict = await passwords.verify(weak, 'correct horse');
    const rehashed = verdict.matches ? verdict.rehashed : undefined;

    expect(rehashed).toMatch(/m=19456/);
    expect(await passwords.verify(rehashed, 'correct horse')).toEqual({ matches: true, rehashed: undefined });
    expect(await passwords.verify(weak, 'wrong')).toEqual({ matches: false });
  });

  test('an unknown account costs exactly one verification, as a known one does', async () => {
    const hasher = new SlowHasher();
    const passwords = new Passwords({ hasher, concurrency: 1, maxWaiting: 0 });
    await passwords.prepare();
    const hashesBefore = hasher.hashes;

    expect(await passwords.verify(undefined, 'anything')).toEqual({ matches: false });
    expect([hasher.verifications, hasher.hashes - hashesBefore]).toEqual([1, 0]);
    expect(await passwords.verify('hash of another', 'anything')).toEqual({ matches: false });
    expect([hasher.verifications, hasher.hashes - hashesBefore]).toEqual([2, 0]);
  });

  test('not even the password of the dummy opens an unknown account', async () => {
    const passwords = new Passwords({ hasher: new SlowHasher(), concurrency: 1, maxWaiting: 0 });

    expect(await passwords.verify(undefined, 'the password of nobody')).toEqual({ matches: false });
  });

  test('are worked on a bounded number at once, and a flood is refused instead of queued without end', async () => {
    const hasher = new SlowHasher();
    const passwords = new Passwords({ hasher, concurrency: 2, maxWaiting: 3 });
    hasher.block();
    const accepted = Array.from({ length: 5 }, (_, i) => passwords.hash(`password ${i}`));

    await expect(passwords.hash('one too many')).rejects.toMatchObject({ code: 'rate-limited', retryAfterMs: 1_000 });
    expect(passwords.pending).toBe(5);
    hasher.release();
    expect(await Promise.all(accepted)).toHaveLength(5);
    expect(hasher.mostRunning).toBe(2);
    expect(passwords.pending).toBe(0);
  });

  test('a failure gives its turn back', async () => {
    const hasher = { hash: async () => Promise.reject(new Error('no memory')), verify: async () => false };
    const passwords = new Passwords({ hasher, concurrency: 1, maxWaiting: 0 });
    await expect(passwords.hash('a')).rejects.toThrow('no memory');

    await expect(passwords.hash('b')).rejects.toThrow('no memory');
    expect(passwords.pending).toBe(0);
  });
});
