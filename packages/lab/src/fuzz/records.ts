import { eventually } from '@meridian/harness';
import { LightPeer } from '../light/light-peer.ts';
import type { RawRedis } from '../redis/raw-redis.ts';
import { garble, mutate } from './mutate.ts';
import type { Random } from './random.ts';
import type { Tally } from './tally.ts';

/** A failed attempt may leave a place reserved for its life of 15 s, and the room has 50. */
const HEALING = { withinMs: 15_000, everyMs: 500 };
/** Chat lines and burnt tokens leave thousands of keys that are all alike: so many of each kind are broken. */
const MOST_OF_A_KIND = 25;

export interface RecordAttackOptions {
  readonly raw: RawRedis;
  readonly prefix: string;
  readonly url: string;
  /** A room in which only this attack's own people are. */
  readonly room: string;
  readonly nodes: number;
  readonly region: string;
  readonly random: Random;
  readonly tally: Tally;
  readonly say: (line: string) => void;
}

/**
 * Breaks what lies in Redis, one kind of record after the other, under a running cluster: afterwards all nodes have to be
 * in the registry again, and people have to get into a room and out.
 */
export async function breakRecords(options: RecordAttackOptions): Promise<void> {
  const { raw, prefix, random, tally } = options;
  for (const family of [':{nodes}:', ':{n:', ':{r:', ':{s:', ':{chat}:', ':{l:', ':{c:', ':{revoked}:']) {
    const resident = await eventually(
      'somebody gets into the room to stay',
      () => comeIn(options, 'Resident'),
      HEALING,
    );
    const keys = (await raw.keys(prefix + family)).filter(
      (key) => !key.includes('{r:') || key.includes(`{r:${resident.joined.roomId}}`),
    );
    const counts = new Map<string, number>();
    for (const key of keys) {
      const kind = key
        .slice(prefix.length)
        .replace(/\{(n|r|s|l|c):[^}]*\}/, '{$1}')
        .replace(/:(node|jti|line):.*/, ':$1');
      const count = (counts.get(kind) ?? 0) + 1;
      if (count > MOST_OF_A_KIND || !(await breakKey(raw, key, random))) continue;
      counts.set(kind, count);
      tally.sent += 1;
      const started = performance.now();
      try {
        await heals(options);
        tally.add(`record ${kind}`, performance.now() - started < 1_500 ? 'healed or skipped at once' : 'healed');
      } catch (error) {
        tally.add(`record ${kind}`, 'not healed');
        options.say(`not healed: ${key}: ${String(error)}`);
        tally.violation(`after ${kind} was broken: ${error instanceof Error ? error.message : String(error)}`);
        await raw.send('DEL', key);
      }
    }
    await resident.leave().catch(() => {});
  }
}

/** Replaces every value under a key by garbage of the same type. Returns false for a key that is gone. */
async function breakKey(raw: RawRedis, key: string, random: Random): Promise<boolean> {
  const garbage = (text: string) => brokenText(text, random);
  switch (await raw.send('TYPE', key)) {
    case 'string':
      await raw.send('SET', key, garbage(String(await raw.send('GET', key))), 'KEEPTTL', 'XX');
      return true;
    case 'hash': {
      const fields = await raw.list('HGETALL', key);
      for (let i = 0; i + 1 < fields.length; i += 2)
        await raw.send('HSET', key, fields[i] ?? '', garbage(fields[i + 1] ?? ''));
      await raw.send('HSET', key, 'no such field ]{', 'garbage');
      return true;
    }
    case 'zset':
      await raw.send('ZADD', key, 1, 'no such member ]{');
      return true;
    case 'stream':
      await raw.send('XADD', key, '*', 'no', 'such', 'field', 'garbage');
      return true;
    default:
      return false;
  }
}

function brokenText(text: string, random: Random): string | Buffer {
  return random.chance(0.5) && isJson(text) ? JSON.stringify(mutate(JSON.parse(text), random)) : garble(text, random);
}

function isJson(text: string | Buffer): boolean {
  try {
    JSON.parse(text.toString());
    return true;
  } catch {
    return false;
  }
}

/** @throws Error when they do not get in with a microphone; nobody is left in the room then. */
async function comeIn(
  { url, room, region }: Pick<RecordAttackOptions, 'url' | 'room' | 'region'>,
  name: string,
): Promise<LightPeer> {
  const peer = await LightPeer.join({ url, room, name, region });
  try {
    await peer.publish(['audio']);
    return peer;
  } catch (error) {
    await peer.leave();
    throw error;
  }
}

async function heals({ raw, prefix, url, room, nodes, region }: RecordAttackOptions): Promise<void> {
  await eventually(
    'all nodes are known and people get into the room',
    async () => {
      const reply: unknown = await (await fetch(`${url}/v1/nodes`, { signal: AbortSignal.timeout(5_000) })).json();
      const known =
        typeof reply === 'object' && reply !== null && 'nodes' in reply && Array.isArray(reply.nodes)
          ? reply.nodes.length
          : 0;
      const entries = await raw.keys(`${prefix}:{nodes}:node:`);
      if (known !== nodes || entries.length !== nodes) throw new Error(`${known} nodes are known of ${nodes}`);
      const visitor = await comeIn({ url, room, region }, 'Visitor');
      try {
        await visitor.connection.request('send-chat', { text: 'hello' });
      } finally {
        await visitor.leave();
      }
    },
    HEALING,
  );
}
