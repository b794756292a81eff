import {
  ChatMessage,
  isMeridianError,
  MeridianError,
  type RoomId,
  type SessionId,
  type UserId,
} from '@meridian/protocol';
import type { ClusterLogger } from './api.ts';
import type { Keys } from './keys.ts';
import type { ChatOutbox, Locks } from './ports.ts';
import { encode, QueuedLine, REPLIES, type RecordReader } from './records.ts';
import { backOffMs } from './redis/clients.ts';
import type { RedisConnection } from './redis/connection.ts';
import { SCRIPTS } from './scripts.ts';

const GROUP = 'store';
const MOST_LINES = 100;
/** Pause between two looks at an empty queue, milliseconds. */
const IDLE_MS = 200;
/** How often others look whether the drainer is still there, milliseconds. */
const STANDBY_MS = 1_000;
/** A drainer that dies is followed by another one after this time, milliseconds. */
const LOCK_MS = 3_000;
const MAX_BACK_OFF_MS = 5_000;

export interface ChatOutboxOptions {
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly records: RecordReader;
  readonly locks: Locks;
  readonly logger: ClusterLogger;
}

interface Taken {
  readonly entryId: string;
  /** undefined for a line that cannot be read. */
  readonly message: ChatMessage | undefined;
}

/**
 * One stream for all rooms with one reader at a time (the holder of a lock): the order is that of Redis, and what a
 * crashed reader left behind is handed over before anything younger. Entries go only once they are in the store.
 */
export class RedisChatOutbox implements ChatOutbox {
  readonly #options: ChatOutboxOptions;

  constructor(options: ChatOutboxOptions) {
    this.#options = options;
  }

  async append(line: {
    roomId: RoomId;
    sessionId: SessionId;
    userId: UserId;
    name: string;
    text: string;
  }): Promise<ChatMessage> {
    const { connection, keys, records } = this.#options;
    const json = encode(line);
    const entryId = await connection.send('chat.append', (client) => client.xadd(keys.chat, '*', 'line', json));
    const message = entryId === null ? undefined : readLine(records, entryId, json);
    if (message === undefined) throw new MeridianError('internal', { message: 'the line cannot be read back' });
    return message;
  }

  async drain(
    keep: (messages: ChatMessage[]) => Promise<void>,
    options: { consumer: string; signal: AbortSignal },
  ): Promise<void> {
    const { locks, logger } = this.#options;
    const { signal } = options;
    for (let failures = 0; !signal.aborted; ) {
      try {
        const held = await locks.withLock('chat-outbox', { ttlMs: LOCK_MS, signal }, ({ signal: until }) =>
          this.#drainHeld(keep, options.consumer, until, () => {
            failures = 0;
          }),
        );
        await pause(held.outcome === 'not-acquired' ? STANDBY_MS : IDLE_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        logger.warn({ err: error, failures }, 'chat lines could not be kept; they are handed over again');
        await pause(Math.min(MAX_BACK_OFF_MS, backOffMs(failures) * Math.min(failures, 5)), signal);
      }
    }
  }

  async #drainHeld(
    keep: (messages: ChatMessage[]) => Promise<void>,
    consumer: string,
    signal: AbortSignal,
    progress: () => void,
  ): Promise<void> {
    while (!signal.aborted) {
      const taken = await this.#take(consumer);
      if (taken.length === 0) {
        await pause(IDLE_MS, signal);
        continue;
      }
      const messages = taken.flatMap(({ message }) => message ?? []);
      if (signal.aborted) return;
      if (messages.length > 0) await keep(messages);
      await this.#settle(taken.map(({ entryId }) => entryId));
      progress();
    }
  }

  async #take(consumer: string): Promise<Taken[]> {
    const { connection, keys, records } = this.#options;
    const reply = await connection.run(SCRIPTS.chat.take, [keys.chat], [GROUP, consumer, MOST_LINES]);
    const flat = REPLIES.texts.parse(reply);
    const taken: Taken[] = [];
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const entryId = flat[i] ?? '';
      taken.push({ entryId, message: readLine(records, entryId, flat[i + 1] ?? '') });
    }
    return taken;
  }

  /** The lines are in the store: only now they leave the stream. A failure means that they are handed over twice. */
  async #settle(entryIds: readonly string[]): Promise<void> {
    const { connection, keys, logger } = this.#options;
    try {
      await connection.run(SCRIPTS.chat.settle, [keys.chat], [GROUP, ...entryIds]);
    } catch (error) {
      if (!isMeridianError(error, 'cluster-unavailable')) throw error;
      logger.warn({ err: error }, 'kept chat lines could not be acknowledged; they are handed over again');
      throw error;
    }
  }
}

/**
 * The id of a line: the stream entry's milliseconds and sequence number, padded with zeros, so that ids sort as text
 * in the order in which Redis accepted the lines.
 */
export function messageIdOf(entryId: string): string | undefined {
  const match = /^(\d{1,15})-(\d{1,8})$/.exec(entryId);
  return match ? `${match[1]?.padStart(15, '0')}-${match[2]?.padStart(8, '0')}` : undefined;
}

function readLine(records: RecordReader, entryId: string, json: string): ChatMessage | undefined {
  const line = records.read(QueuedLine, 'chat line', json);
  const id = messageIdOf(entryId);
  if (line === undefined || id === undefined) return undefined;
  return ChatMessage.safeParse({ ...line, id, sentAtMs: Number(entryId.split('-', 1)[0]) }).data;
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
