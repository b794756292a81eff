import {
  isNotificationName,
  MeridianError,
  NOTIFICATIONS,
  type NotificationData,
  type NotificationName,
  parseJson,
  parseOrThrow,
  REQUESTS,
  type ReplyData,
  type RequestInput,
  type RequestMethod,
  ServerFrame,
  SIGNALLING_PROTOCOL,
  TOKEN_PROTOCOL_PREFIX,
} from '@meridian/protocol';
import { ClientError, fromBody, isSdkError, type SdkError, throwIfAborted, toSdkError } from '../errors.ts';
import type { Runtime, Socket } from '../runtime.ts';
import { errorOfClose } from './close.ts';

export type Welcome = NotificationData<'welcome'>;
export type Notification = {
  [N in NotificationName]: { readonly event: N; readonly data: NotificationData<N> };
}[NotificationName];

export interface ConnectOptions {
  readonly runtime: Runtime;
  readonly wsUrl: string;
  readonly sessionToken: string;
  readonly signal?: AbortSignal | undefined;
}

const OPEN_WITHIN_MS = 6_000;
const ANSWER_WITHIN_MS = 10_000;
const NORMAL_CLOSE = 1000;

interface Waiting {
  readonly settle: (outcome: { data: unknown } | { error: SdkError }) => void;
}

/** The client's end of one WebSocket, open from the node's `welcome` until `closed`. */
export class SignallingConnection {
  readonly welcome: Welcome;
  readonly #runtime: Runtime;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  readonly #backlog: Notification[] = [];
  #receiver: ((notification: Notification) => void) | undefined;
  #onClosed: ((error: SdkError) => void) | undefined;
  #closed: SdkError | undefined;
  #nextId = 1;
  #lastSeq = 1;
  #heardAtMs: number;
  /** Frames that came in. */
  #heard = 0;
  #rttMs: number | null = null;
  #ping: { id: number; sentAtMs: number } | undefined;
  #cancelPing = () => {};
  #cancelCheck = () => {};

  /**
   * Opens the WebSocket and waits for `welcome`.
   * @throws MeridianError what the node closed with; ClientError `node-unreachable`, `aborted`
   */
  static async open(options: ConnectOptions): Promise<SignallingConnection> {
    const { runtime, wsUrl, sessionToken, signal } = options;
    throwIfAborted(signal);
    return new Promise((resolve, reject) => {
      let connection: SignallingConnection | undefined;
      let opened = false;
      const fail = (error: SdkError) => {
        settled();
        reject(error);
      };
      const onAbort = () => {
        fail(new ClientError('aborted', { cause: signal?.reason }));
        socket.close(NORMAL_CLOSE, 'aborted');
      };
      const cancelDeadline = runtime.after(OPEN_WITHIN_MS, () => {
        fail(new ClientError('node-unreachable', { details: { withinMs: OPEN_WITHIN_MS } }));
        socket.close(NORMAL_CLOSE, 'too slow');
      });
      const settled = () => {
        cancelDeadline();
        signal?.removeEventListener('abort', onAbort);
      };
      const socket = runtime.openSocket(wsUrl, [SIGNALLING_PROTOCOL, `${TOKEN_PROTOCOL_PREFIX}${sessionToken}`], {
        open: () => {
          opened = true;
        },
        message: (text) => {
          if (connection !== undefined) return connection.#onMessage(text);
          try {
            connection = new SignallingConnection(runtime, socket, readWelcome(text));
          } catch (cause) {
            fail(new ClientError('bad-reply', { cause }));
            return socket.close(NORMAL_CLOSE, 'no welcome');
          }
          settled();
          resolve(connection);
        },
        closed: (how) => {
          const error = errorOfClose(how);
          if (connection !== undefined) return connection.#end(error);
          const silent = isSdkError(error, 'connection-lost');
          fail(silent ? new ClientError('node-unreachable', { cause: error, details: { opened } }) : error);
        },
      });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  private constructor(runtime: Runtime, socket: Socket, welcome: Welcome) {
    this.#runtime = runtime;
    this.#socket = socket;
    this.welcome = welcome;
    this.#heardAtMs = runtime.now();
    this.#schedulePing(0);
  }

  get isOpen(): boolean {
    return this.#closed === undefined;
  }

  /** Round trip of the last ping, milliseconds. */
  get rttMs(): number | null {
    return this.#rttMs;
  }

  /** Notifications that came before this call are delivered now, in order. */
  receive(receiver: (notification: Notification) => void, onClosed: (error: SdkError) => void): void {
    this.#receiver = receiver;
    this.#onClosed = onClosed;
    for (const notification of this.#backlog.splice(0)) receiver(notification);
    if (this.#closed !== undefined) onClosed(this.#closed);
  }

  /**
   * @throws MeridianError what the node answered, `deadline-exceeded`, `payload-too-large`
   * @throws ClientError `connection-lost` when the connection ends first, `aborted`
   */
  async request<M extends RequestMethod>(
    method: M,
    data: RequestInput<M>,
    options: { signal?: AbortSignal | undefined; withinMs?: number } = {},
  ): Promise<ReplyData<M>> {
    throwIfAborted(options.signal);
    if (this.#closed !== undefined) throw this.#closed;
    const id = this.#nextId;
    this.#nextId += 1;
    const reply = this.#expect(id, options);
    try {
      this.#send({ t: 'req', id, method, data });
    } catch (error) {
      this.#waiting.get(id)?.settle({ error: toSdkError(error, 'connection-lost') });
    }
    // The schema was looked up by the method: TypeScript does not follow that through the table.
    return parseOrThrow(REQUESTS[method].reply, await reply, 'bad-request', `reply to ${method}`) as ReplyData<M>;
  }

  /** Sends without waiting for the answer: for pages that go away. */
  tell<M extends RequestMethod>(method: M, data: RequestInput<M>): void {
    if (this.#closed !== undefined) return;
    this.#nextId += 1;
    this.#send({ t: 'req', id: this.#nextId, method, data });
  }

  /** Asks for a sign of life now; without one within `withinMs` the connection counts as lost. */
  check(withinMs: number): void {
    if (this.#closed !== undefined) return;
    this.#sendPing();
    const heardBefore = this.#heard;
    this.#cancelCheck();
    this.#cancelCheck = this.#runtime.after(withinMs, () => {
      if (this.#heard === heardBefore) this.#abandon('no answer to a ping');
    });
  }

  /** Idempotent; waiting requests fail with `room-left`. */
  close(): void {
    if (this.#closed !== undefined) return;
    this.#onClosed = undefined;
    this.#end(new ClientError('room-left'));
    this.#socket.close(NORMAL_CLOSE, 'left');
  }

  #expect(id: number, options: { signal?: AbortSignal | undefined; withinMs?: number }): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const settle: Waiting['settle'] = (outcome) => {
        if (!this.#waiting.delete(id)) return;
        cancel();
        options.signal?.removeEventListener('abort', onAbort);
        if ('error' in outcome) reject(outcome.error);
        else resolve(outcome.data);
      };
      const onAbort = () => settle({ error: new ClientError('aborted', { cause: options.signal?.reason }) });
      const cancel = this.#runtime.after(options.withinMs ?? ANSWER_WITHIN_MS, () =>
        settle({ error: new MeridianError('deadline-exceeded') }),
      );
      options.signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.set(id, { settle });
    });
  }

  #send(frame: { t: 'req'; id: number; method: string; data: unknown } | { t: 'ping'; id: number }): void {
    const text = JSON.stringify(frame);
    // UTF-16 units are at most as many as UTF-8 bytes; only near the limit the exact count matters.
    if (text.length * 3 > this.welcome.maxFrameBytes) {
      const bytes = new TextEncoder().encode(text).length;
      if (bytes > this.welcome.maxFrameBytes) throw new MeridianError('payload-too-large');
    }
    this.#socket.send(text);
  }

  #onMessage(text: string): void {
    if (this.#closed !== undefined) return;
    this.#heardAtMs = this.#runtime.now();
    this.#heard += 1;
    try {
      const frame = parseJson(ServerFrame, text);
      switch (frame.t) {
        case 'res':
          this.#waiting.get(frame.id)?.settle({ data: frame.data });
          return;
        case 'err':
          this.#waiting.get(frame.id)?.settle({ error: fromBody(frame.error) });
          return;
        case 'pong':
          if (frame.id === this.#ping?.id) this.#rttMs = this.#heardAtMs - this.#ping.sentAtMs;
          return;
        case 'ntf':
          this.#onNotification(frame.seq, frame.event, frame.data);
          return;
      }
    } catch (cause) {
      this.#abandon('unreadable frame', cause);
    }
  }

  #onNotification(seq: number, event: string, data: unknown): void {
    if (seq !== this.#lastSeq + 1) throw new Error(`notification ${seq} after ${this.#lastSeq}`);
    this.#lastSeq = seq;
    // A newer node may know more events than this client: they say nothing to it.
    if (!isNotificationName(event)) return;
    const notification = readNotification(event, data);
    if (this.#receiver === undefined) this.#backlog.push(notification);
    else this.#receiver(notification);
  }

  #schedulePing(delayMs: number): void {
    this.#cancelPing = this.#runtime.after(delayMs, () => {
      if (this.#closed !== undefined) return;
      const silentMs = this.#runtime.now() - this.#heardAtMs;
      if (silentMs > this.welcome.deadAfterMs) return this.#abandon(`silent for ${Math.round(silentMs)} ms`);
      this.#sendPing();
      this.#schedulePing(this.welcome.pingEveryMs);
    });
  }

  #sendPing(): void {
    this.#ping = { id: this.#nextId, sentAtMs: this.#runtime.now() };
    this.#nextId += 1;
    this.#send({ t: 'ping', id: this.#ping.id });
  }

  /** Our own verdict that the connection is of no more use. */
  #abandon(why: string, cause?: unknown): void {
    this.#end(new ClientError('connection-lost', { cause, details: { why } }));
    this.#socket.close(NORMAL_CLOSE, 'abandoned');
  }

  #end(error: SdkError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    this.#cancelPing();
    this.#cancelCheck();
    for (const waiting of [...this.#waiting.values()]) waiting.settle({ error });
    this.#onClosed?.(error);
  }
}

function readWelcome(text: string): Welcome {
  const frame = parseJson(ServerFrame, text);
  if (frame.t !== 'ntf' || frame.event !== 'welcome' || frame.seq !== 1) throw new Error('welcome must come first');
  return parseOrThrow(NOTIFICATIONS.welcome, frame.data);
}

/** One arm per event keeps name and data together in the type. */
function readNotification<N extends NotificationName>(event: N, data: unknown): Notification {
  const read = { event, data: parseOrThrow(NOTIFICATIONS[event], data, 'bad-request', event) };
  return read as Notification;
}
