import { createHash, randomUUID } from 'node:crypto';
import type { Keys } from './keys.ts';
import type { SharedLimits } from './ports.ts';
import { REPLIES } from './records.ts';
import type { RedisConnection } from './redis/connection.ts';
import { SCRIPTS } from './scripts.ts';

/** What is limited may be any text of a client's (an address, an e-mail address): keys hold a digest of it. */
const digest = (name: string, who: string): string =>
  createHash('sha256').update(name).update('\0').update(who).digest('base64url').slice(0, 27);

export class RedisSharedLimits implements SharedLimits {
  readonly #connection: RedisConnection;
  readonly #keys: Keys;

  constructor(connection: RedisConnection, keys: Keys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  async count(name: string, who: string, amount: number, windowMs: number) {
    const key = this.#keys.counter(digest(name, who));
    const reply = await this.#connection.run(SCRIPTS.limits.count, [key], [amount, windowMs]);
    const [count, resetMs] = REPLIES.pair.parse(reply);
    return { count, resetMs };
  }

  async attempt(name: string, who: string, { limit, windowMs }: { limit: number; windowMs: number }) {
    const key = this.#keys.attempts(digest(name, who));
    const reply = await this.#connection.run(SCRIPTS.limits.attempt, [key], [limit, windowMs, randomUUID()]);
    const [allowed, retryAfterMs] = REPLIES.pair.parse(reply);
    return allowed === 1 ? ({ allowed: true } as const) : ({ allowed: false, retryAfterMs } as const);
  }

  async forget(name: string, who: string): Promise<void> {
    await this.#connection.send('limits.forget', (client) => client.del(this.#keys.attempts(digest(name, who))));
  }
}
