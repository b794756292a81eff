import { NOTIFICATIONS, type NotificationData, parseJson, parseOrThrow, ServerFrame } from '@meridian/protocol';
import { ClientError, isSdkError, type SdkError, throwIfAborted } from '../errors.ts';
import type { Runtime, Socket, SocketClosed } from '../runtime.ts';
import { errorOfClose } from './close.ts';

export type Welcome = NotificationData<'welcome'>;

export interface LineOptions {
  readonly runtime: Pick<Runtime, 'after' | 'openSocket'>;
  readonly wsUrl: string;
  readonly protocols: readonly string[];
  /** Until `welcome`, milliseconds. */
  readonly withinMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface LineEvents {
  text(text: string): void;
  /** Last event; not after `close`. */
  closed(how: SocketClosed): void;
}

const NORMAL_CLOSE = 1000;

/** One WebSocket that has said `welcome`. A connection may use several, one after the other. */
export class Line {
  readonly welcome: Welcome;
  /** Number of the welcome: 1, or where the connection goes on. */
  readonly seq: number;
  readonly #socket: Socket;
  #events: LineEvents | undefined;
  /** What came before anybody listened. */
  readonly #texts: string[] = [];
  #closedEarly: SocketClosed | undefined;
  #open = true;

  /**
   * @throws MeridianError what the node closed with
   * @throws ClientError `node-unreachable` (with `silent` in its details when nothing came at all), `bad-reply`, `aborted`
   */
  static async open(options: LineOptions): Promise<Line> {
    const { runtime, wsUrl, protocols, withinMs, signal } = options;
    throwIfAborted(signal);
    return new Promise((resolve, reject) => {
      let line: Line | undefined;
      let opened = false;
      const fail = (error: SdkError) => {
        settled();
        reject(error);
      };
      const onAbort = () => {
        fail(new ClientError('aborted', { cause: signal?.reason }));
        socket.close(NORMAL_CLOSE, 'aborted');
      };
      const cancelDeadline = runtime.after(withinMs, () => {
        fail(new ClientError('node-unreachable', { details: { withinMs, silent: true } }));
        socket.close(NORMAL_CLOSE, 'too slow');
      });
      const settled = () => {
        cancelDeadline();
        signal?.removeEventListener('abort', onAbort);
      };
      const socket = runtime.openSocket(wsUrl, protocols, {
        open: () => {
          opened = true;
        },
        message: (text) => {
          if (line !== undefined) return line.#onText(text);
          try {
            line = new Line(socket, readWelcome(text));
          } catch (cause) {
            fail(new ClientError('bad-reply', { cause }));
            return socket.close(NORMAL_CLOSE, 'no welcome');
          }
          settled();
          resolve(line);
        },
        closed: (how) => {
          if (line !== undefined) return line.#onClosed(how);
          const error = errorOfClose(how);
          const silent = isSdkError(error, 'connection-lost');
          fail(silent ? new ClientError('node-unreachable', { cause: error, details: { opened } }) : error);
        },
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  private constructor(socket: Socket, { seq, welcome }: { seq: number; welcome: Welcome }) {
    this.#socket = socket;
    this.seq = seq;
    this.welcome = welcome;
  }

  /** What came before this call is delivered now, in order. */
  listen(events: LineEvents): void {
    this.#events = events;
    for (const text of this.#texts.splice(0)) this.#onText(text);
    if (this.#closedEarly !== undefined) this.#onClosed(this.#closedEarly);
  }

  send(text: string): void {
    if (this.#open) this.#socket.send(text);
  }

  /** Idempotent; says nothing more. */
  close(why: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.close(NORMAL_CLOSE, why);
  }

  #onText(text: string): void {
    if (!this.#open) return;
    if (this.#events === undefined) this.#texts.push(text);
    else this.#events.text(text);
  }

  #onClosed(how: SocketClosed): void {
    if (!this.#open) return;
    if (this.#events === undefined) {
      this.#closedEarly = how;
      return;
    }
    this.#open = false;
    this.#events.closed(how);
  }
}

function readWelcome(text: string): { seq: number; welcome: Welcome } {
  const frame = parseJson(ServerFrame, text);
  if (frame.t !== 'ntf' || frame.event !== 'welcome') throw new Error('welcome must come first');
  const welcome = parseOrThrow(NOTIFICATIONS.welcome, frame.data);
  if (!welcome.resumed && frame.seq !== 1) throw new Error('a new connection counts from 1');
  return { seq: frame.seq, welcome };
}
