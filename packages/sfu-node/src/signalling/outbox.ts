import type { NotificationData, NotificationName, ServerFrame } from '@meridian/protocol';

/** A notification whose data is text already: written once for all who get it. */
export interface EncodedNotification {
  readonly event: NotificationName;
  readonly json: string;
  /** News that replaces an older one of the same key; only set where it may be dropped. */
  readonly droppableKey: string | undefined;
}

/** Events that a slow reader can do without, and what makes a newer one replace an older one. */
function droppableKeyOf<N extends NotificationName>(event: N, data: NotificationData<N>): string | undefined {
  switch (event) {
    case 'active-speakers':
      return event;
    case 'consumer-score':
    case 'consumer-layers':
      return 'consumerId' in data ? `${event}:${data.consumerId}` : undefined;
    default:
      return undefined;
  }
}

export function encodeNotification<N extends NotificationName>(
  event: N,
  data: NotificationData<N>,
): EncodedNotification {
  return { event, json: JSON.stringify(data), droppableKey: droppableKeyOf(event, data) };
}

/** What the outbox needs of a WebSocket. */
export interface OutboxSocket {
  /** Bytes accepted for sending that the peer's side has not taken yet. */
  readonly bufferedAmount: number;
  send(text: string, sent: () => void): void;
}

export interface OutboxOptions {
  readonly socket: OutboxSocket;
  /** From here on droppable news waits, and newer replaces older. Bytes. */
  readonly softLimitBytes: number;
  /** From here on the reader is too slow. Bytes. */
  readonly hardLimitBytes: number;
  readonly onSlowReader: () => void;
  readonly onDropped: (event: NotificationName) => void;
}

/** Everything that goes out on one connection: numbers the notifications, holds droppable ones back. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #waiting = new Map<string, EncodedNotification>();
  #seq = 0;
  #closed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  reply(frame: Exclude<ServerFrame, { t: 'ntf' }>): void {
    this.#send(JSON.stringify(frame));
  }

  notify({ event, json, droppableKey }: EncodedNotification): void {
    if (this.#closed) return;
    if (droppableKey !== undefined && this.#options.socket.bufferedAmount > this.#options.softLimitBytes) {
      const older = this.#waiting.get(droppableKey);
      if (older !== undefined) this.#options.onDropped(event);
      this.#waiting.set(droppableKey, { event, json, droppableKey });
      return;
    }
    if (droppableKey !== undefined) this.#waiting.delete(droppableKey);
    this.#number(event, json);
  }

  /** Nothing goes out any more. */
  close(): void {
    this.#closed = true;
    for (const { event } of this.#waiting.values()) this.#options.onDropped(event);
    this.#waiting.clear();
  }

  #number(event: NotificationName, json: string): void {
    this.#seq += 1;
    this.#send(`{"t":"ntf","seq":${this.#seq},"event":"${event}","data":${json}}`);
  }

  #send(text: string): void {
    if (this.#closed) return;
    this.#options.socket.send(text, this.#flush);
    if (this.#options.socket.bufferedAmount > this.#options.hardLimitBytes) this.#options.onSlowReader();
  }

  /** Called when a frame has gone out: what waited goes next, once there is room. */
  readonly #flush = (): void => {
    while (
      !this.#closed &&
      this.#waiting.size > 0 &&
      this.#options.socket.bufferedAmount <= this.#options.softLimitBytes
    ) {
      const [first] = this.#waiting;
      if (first === undefined) return;
      const [key, { event, json }] = first;
      this.#waiting.delete(key);
      this.#number(event, json);
    }
  };
}
