import { randomInt, randomUUID } from 'node:crypto';
import { ChatMessage, isMeridianError, MessageId } from '@meridian/protocol';
import type { ClusterLogger } from './api.ts';
import type { Keys } from './keys.ts';
import type { ChatDraft, ChatOutbox, Locks } from './ports.ts';
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
/** How long a line is known again that was accepted although nobody heard of it, milliseconds. */
const KNOWN_MS = 10 * 60_000;
/** Numbers of drafts begin here or above: two processes hardly ever give out the same one in the same millisecond. */
const FIRST_NUMBERS = { least: 10_000_000, most: 90_000_000 };

export interface ChatOutboxOptions {
  readonly connection: RedisConnection;
  readonly keys: Keys;
  readonly records: RecordReader;
  readonly locks: Locks;
  /** Milliseconds since 1970, by the clock of Redis. */
  readonly now: () => number;
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
  #last = { ms: 0, number: 0 };

  constructor(options: ChatOutboxOptions) {
    this.#options = options;
  }

  draft(line: Omit<ChatMessage, 'id' | 'sentAtMs'>): ChatDraft {
    const ms = Math.max(this.#options.now(), this.#last.ms);
    const isSame = ms === this.#last.ms;
    const number = isSame ? this.#last.number + 1 : randomInt(FIRST_NUMBERS.least, FIRST_NUMBERS.most);
    this.#last = { ms, number };
    const id = messageIdOf(ms, number);
    return { key: randomUUID(), message: { ...line, id, sentAtMs: ms } };
  }

  async append({ key, message }: ChatDraft, { late = false } = {}): Promise<ChatMessage> {
    const { connection, keys } = this.#options;
    const { id: draftId, sentAtMs: _, ...line } = message;
    const reply = await connection.run(
      SCRIPTS.chat.append,
      [keys.chat, keys.lastChat, keys.chatLine(key)],
      [encode(line), draftId, late ? '1' : '0', KNOWN_MS],
    );
    const id = MessageId.parse(REPLIES.text.parse(reply));
    return { ...message, id, sentAtMs: timeOf(id) };
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
    for (let i = 0; i + 2 < flat.length; i += 3) {
      taken.push({ entryId: flat[i] ?? '', message: readLine(records, flat[i + 2] ?? '', flat[i + 1] ?? '') });
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
 * The id of a line: milliseconds and a number, padded with zeros, so that ids sort as text in the order in which the
 * lines were accepted.
 */
export function messageIdOf(ms: number, number: number): MessageId {
  return MessageId.parse(`${String(ms).padStart(15, '0')}-${String(number).padStart(8, '0')}`);
}

const timeOf = (id: MessageId): number => Number(id.slice(0, 15));

function readLine(records: RecordReader, id: string, json: string): ChatMessage | undefined {
  const line = records.read(QueuedLine, 'chat line', json);
  if (line === undefined || !/^\d{15}-\d{8}$/.test(id)) return undefined;
  return ChatMessage.safeParse({ ...line, id, sentAtMs: Number(id.slice(0, 15)) }).data;
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
