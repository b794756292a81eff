import type { NotificationData, NotificationName } from '@meridian/protocol';

/** A notification whose data is text already: written once for all who get it. */
export interface EncodedNotification {
  readonly event: NotificationName;
  readonly json: string;
  /** News that replaces an older one of the same key; only set where it may be dropped. */
  readonly droppableKey: string | undefined;
  /** News that this one makes worthless. */
  readonly voids: readonly string[];
}

const NOTHING: readonly string[] = [];
const scoreKey = (consumerId: string) => `consumer-score:${consumerId}`;
const layersKey = (consumerId: string) => `consumer-layers:${consumerId}`;

/** Events that a slow reader can do without, and what makes a newer one replace an older one. */
function droppableKeyOf<N extends NotificationName>(event: N, data: NotificationData<N>): string | undefined {
  switch (event) {
    case 'active-speakers':
      return event;
    case 'consumer-score':
      return 'consumerId' in data ? scoreKey(data.consumerId) : undefined;
    case 'consumer-layers':
      return 'consumerId' in data ? layersKey(data.consumerId) : undefined;
    default:
      return undefined;
  }
}

export function encodeNotification<N extends NotificationName>(
  event: N,
  data: NotificationData<N>,
): EncodedNotification {
  const gone = event === 'consumer-closed' && 'consumerId' in data ? data.consumerId : undefined;
  return {
    event,
    json: JSON.stringify(data),
    droppableKey: droppableKeyOf(event, data),
    voids: gone === undefined ? NOTHING : [scoreKey(gone), layersKey(gone)],
  };
}

export const notificationFrame = (seq: number, { event, json }: Pick<EncodedNotification, 'event' | 'json'>) =>
  `{"t":"ntf","seq":${seq},"event":"${event}","data":${json}}`;

/** What the outbox needs of a connection. */
export interface OutboxLine {
  /** So much is unread that news which may be dropped had better wait. */
  readonly congested: boolean;
  send(text: string): void;
}

export interface OutboxOptions {
  /** Notifications that the client has not acknowledged are kept up to this size, bytes. */
  readonly keepBytes: number;
  readonly onDropped: (event: NotificationName) => void;
}

interface Kept {
  readonly seq: number;
  readonly notification: EncodedNotification;
  readonly bytes: number;
}

/** What keeping one costs besides its text (which all who get it share), bytes. */
const OVERHEAD_BYTES = 64;

/**
 * Everything that a client is told, over as many connections as it takes: numbers the notifications, keeps them until
 * they are acknowledged, and sends again what a broken connection swallowed. News that may be dropped is
 * held back while nobody reads, newer in place of older, and numbered when it goes out.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #waiting = new Map<string, EncodedNotification>();
  #kept: Kept[] = [];
  #keptBytes = 0;
  #line: OutboxLine | undefined;
  /** Number of the last notification. */
  #last = 0;
  /** All up to this number are gone: acknowledged, or too much to keep. */
  #gone = 0;
  #closed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Number of the last notification; 0 before the first. */
  get lastSeq(): number {
    return this.#last;
  }

  /** What is kept, bytes. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  notify(notification: EncodedNotification): void {
    if (this.#closed) return;
    const { droppableKey } = notification;
    for (const key of notification.voids) this.#drop(key);
    if (droppableKey !== undefined) {
      this.#drop(droppableKey);
      if (this.#line === undefined || this.#line.congested) {
        this.#waiting.set(droppableKey, notification);
        return;
      }
    }
    this.#number(notification);
  }

  /** The client has all up to this number. */
  acknowledge(seq: number): void {
    if (seq > this.#last) return;
    while (this.#kept[0] !== undefined && this.#kept[0].seq <= seq) this.#forgetOldest();
  }

  /** Is all that follows this number still to be had? */
  canReplay(seq: number): boolean {
    return seq >= this.#gone && seq <= this.#last;
  }

  /** From now on notifications go out here; those after `seq` first. */
  connect(line: OutboxLine, seq: number): void {
    if (this.#closed) return;
    this.#line = line;
    this.acknowledge(seq);
    for (const { seq: number, notification } of this.#kept) line.send(notificationFrame(number, notification));
    this.flush();
  }

  /** The connection is gone; another one may come. */
  disconnect(line: OutboxLine): void {
    if (this.#line === line) this.#line = undefined;
  }

  /** There is room again: what waited goes out. */
  flush(): void {
    while (!this.#closed && this.#line !== undefined && !this.#line.congested) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      const [key, notification] = first;
      this.#waiting.delete(key);
      this.#number(notification);
    }
  }

  /** Nothing goes out any more. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#line = undefined;
    for (const key of [...this.#waiting.keys()]) this.#drop(key);
    this.#kept = [];
    this.#keptBytes = 0;
  }

  #drop(key: string): void {
    const older = this.#waiting.get(key);
    if (older === undefined) return;
    this.#waiting.delete(key);
    this.#options.onDropped(older.event);
  }

  #number(notification: EncodedNotification): void {
    this.#last += 1;
    const kept = {
      seq: this.#last,
      notification,
      bytes: notification.json.length + OVERHEAD_BYTES,
    };
    this.#kept.push(kept);
    this.#keptBytes += kept.bytes;
    while (this.#keptBytes > this.#options.keepBytes) this.#forgetOldest();
    this.#line?.send(notificationFrame(kept.seq, notification));
  }

  #forgetOldest(): void {
    const oldest = this.#kept.shift();
    if (oldest === undefined) return;
    this.#keptBytes -= oldest.bytes;
    this.#gone = oldest.seq;
  }
}
