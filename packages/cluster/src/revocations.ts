import { UserId } from '@meridian/protocol';
import { z } from 'zod';
import type { ClusterLogger } from './api.ts';
import type { Keys } from './keys.ts';
import type { Revocation, Revocations } from './ports.ts';
import { REPLIES } from './records.ts';
import type { RedisConnection } from './redis/connection.ts';
import { SCRIPTS } from './scripts.ts';

/** A user id holds no colon, so the last part is the version. */
const Member = z
  .string()
  .regex(/^[^:]+:\d{1,15}$/)
  .transform((text) => {
    const [userId = '', ver = ''] = text.split(':');
    return { userId, ver: Number(ver) };
  })
  .pipe(z.object({ userId: UserId, ver: z.int().nonnegative() }));

/** One sorted set for all users: its members say who and which version, its scores when. */
export class RedisRevocations implements Revocations {
  readonly #connection: RedisConnection;
  readonly #keys: Keys;
  readonly #logger: ClusterLogger;

  constructor(options: { connection: RedisConnection; keys: Keys; logger: ClusterLogger }) {
    this.#connection = options.connection;
    this.#keys = options.keys;
    this.#logger = options.logger;
  }

  async add(revocations: readonly Revocation[], keepMs: number): Promise<void> {
    if (revocations.length === 0) return;
    const members = revocations.map(({ userId, ver }) => `${userId}:${ver}`);
    await this.#connection.run(SCRIPTS.revocations.add, [this.#keys.revocations], [keepMs, ...members]);
  }

  async since(fromMs: number): Promise<{ revocations: Revocation[]; lastMs: number }> {
    const reply = await this.#connection.send('revocations.since', (client) =>
      client.zrangebyscore(this.#keys.revocations, Math.max(0, Math.floor(fromMs)), '+inf', 'WITHSCORES'),
    );
    const flat = REPLIES.texts.parse(reply);
    const revocations: Revocation[] = [];
    let lastMs = fromMs;
    for (let i = 0; i + 1 < flat.length; i += 2) {
      lastMs = Math.max(lastMs, Number(flat[i + 1]) || 0);
      const member = Member.safeParse(flat[i]);
      if (member.success) revocations.push(member.data);
      else this.#logger.warn({ what: 'revocation' }, 'a record in Redis is broken; it is skipped');
    }
    return { revocations, lastMs };
  }
}
