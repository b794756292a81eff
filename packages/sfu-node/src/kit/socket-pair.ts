import { EventEmitter } from 'node:events';
import type { ServerWebSocket } from '../signalling/ws-socket.ts';

const OPEN = 1;
const CLOSED = 3;

/** Code of a connection that broke without a close frame (RFC 6455, 7.4.1). */
const BROKEN = 1_006;

export interface SocketClient {
  message(text: string): void;
  closed(code: number, reason: string): void;
}

/**
 * A WebSocket within this process. What either side sends arrives in order, each frame in a turn of the event loop of
 * its own; both ends may be cut without a word.
 */
export class SocketPair {
  readonly server: ServerWebSocket;
  readonly #events = new EventEmitter();
  readonly #client: SocketClient;
  #state: typeof OPEN | typeof CLOSED = OPEN;

  constructor(client: SocketClient) {
    this.#client = client;
    const events = this.#events;
    const pair = this;
    this.server = {
      OPEN,
      get readyState() {
        return pair.#state;
      },
      bufferedAmount: 0,
      on: (event: string, listener: (...args: never[]) => void) => events.on(event, listener as () => void),
      send: (text, sent) =>
        void setImmediate(() => {
          sent();
          if (this.#state === OPEN) this.#client.message(text);
        }),
      close: (code, reason) => this.#later(() => this.#end(code, reason)),
      terminate: () => this.#later(() => this.#end(BROKEN, '')),
      ping: () => this.#later(() => this.#events.emit('pong')),
    };
  }

  get open(): boolean {
    return this.#state === OPEN;
  }

  /** A frame of the client. */
  send(text: string): void {
    this.#later(() => this.#events.emit('message', Buffer.from(text), false));
  }

  /** The client closes in an orderly way. */
  close(): void {
    this.#later(() => this.#end(1_000, ''));
  }

  /** The connection breaks; the node hears of it at once. */
  cut(): void {
    this.#later(() => this.#end(BROKEN, ''));
  }

  /** The node's process is gone: nobody at its end hears anything. */
  abandon(): void {
    this.#events.removeAllListeners();
    this.#later(() => this.#end(BROKEN, ''));
  }

  #later(run: () => void): void {
    setImmediate(() => {
      if (this.#state === OPEN) run();
    });
  }

  #end(code: number, reason: string): void {
    this.#state = CLOSED;
    this.#events.emit('close', code);
    this.#client.closed(code, reason);
  }
}
