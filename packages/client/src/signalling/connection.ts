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
  resumeProtocol,
  ServerFrame,
  SIGNALLING_PROTOCOL,
  TOKEN_PROTOCOL_PREFIX,
} from '@meridian/protocol';
import { ClientError, fromBody, isSdkError, type SdkError, throwIfAborted, toSdkError } from '../errors.ts';
import type { Runtime, SocketClosed } from '../runtime.ts';
import { errorOfClose } from './close.ts';
import { Line, type Welcome } from './line.ts';
import { PendingRequests } from './pending-requests.ts';

export type { Welcome } from './line.ts';
export type Notification = {
  [N in NotificationName]: { readonly event: N; readonly data: NotificationData<N> };
}[NotificationName];

export interface ConnectOptions {
  readonly runtime: Runtime;
  readonly wsUrl: string;
  readonly sessionToken: string;
  readonly signal?: AbortSignal | undefined;
}

export interface ConnectionEvents {
  notification(notification: Notification): void;
  /**
   * The WebSocket is gone, without a word of the node: `resume` makes another one, `abandon` gives up. Without this
   * handler, and where the node keeps nothing for a resume, such a loss ends the connection.
   */
  suspended?(error: SdkError): void;
  /** Last event; not after `close` and `abandon`. */
  closed(error: SdkError): void;
}

const OPEN_WITHIN_MS = 6_000;
const ANSWER_WITHIN_MS = 10_000;
/** So much earlier than the node wants it a silent line is given up: within 10 s it has to be noticed here as well. */
const EARLIER_MS = 1_000;

/**
 * The client's end of one attachment, from the node's `welcome` until `closed`. It outlives its WebSocket: while it
 * is suspended requests wait, and with the next WebSocket numbers and requests go on as if nothing had been.
 */
export class SignallingConnection {
  readonly #options: ConnectOptions;
  readonly #runtime: Runtime;
  readonly #pending: PendingRequests;
  readonly #backlog: Notification[] = [];
  #welcome: Welcome;
  #line: Line | undefined;
  #events: ConnectionEvents | undefined;
  #closed: SdkError | undefined;
  #sessionToken: string;
  #nextId = 1;
  #lastSeq: number;
  #heardAtMs: number;
  /** Frames that came in. */
  #heard = 0;
  #rttMs: number | null = null;
  #ping: { id: number; sentAtMs: number } | undefined;
  #cancelPing = () => {};
  #cancelSilence = () => {};
  #cancelCheck = () => {};

  /**
   * Opens the WebSocket and waits for `welcome`.
   * @throws MeridianError what the node closed with; ClientError `node-unreachable`, `aborted`
   */
  static async open(options: ConnectOptions): Promise<SignallingConnection> {
    const { runtime, wsUrl, sessionToken, signal } = options;
    const line = await Line.open({
      runtime,
      wsUrl,
      signal,
      protocols: [SIGNALLING_PROTOCOL, `${TOKEN_PROTOCOL_PREFIX}${sessionToken}`],
      withinMs: OPEN_WITHIN_MS,
    });
    return new SignallingConnection(options, line);
  }

  private constructor(options: ConnectOptions, line: Line) {
    this.#options = options;
    this.#runtime = options.runtime;
    this.#pending = new PendingRequests(options.runtime);
    this.#sessionToken = options.sessionToken;
    this.#welcome = line.welcome;
    this.#lastSeq = line.seq;
    this.#heardAtMs = this.#runtime.now();
    this.#use(line);
  }

  /** As the node said it last. */
  get welcome(): Welcome {
    return this.#welcome;
  }

  /** The newest one; the node renews it while the connection lasts. */
  get sessionToken(): string {
    return this.#sessionToken;
  }

  /** Not ended; it may be suspended. */
  get isOpen(): boolean {
    return this.#closed === undefined;
  }

  get isSuspended(): boolean {
    return this.#closed === undefined && this.#line === undefined;
  }

  /** Round trip of the last ping, milliseconds. */
  get rttMs(): number | null {
    return this.#rttMs;
  }

  /** Notifications that came before this call are delivered now, in order. */
  receive(events: ConnectionEvents): void {
    this.#events = events;
    for (const notification of this.#backlog.splice(0)) events.notification(notification);
    if (this.#closed !== undefined) events.closed(this.#closed);
  }

  /**
   * The answer may take a resume in between; the deadline is the request's own.
   * @throws MeridianError what the node answered, `deadline-exceeded`, `payload-too-large`
   * @throws ClientError `connection-lost` when the connection ends first (`sent: false` in its details where the node
   * cannot have seen it), `aborted`
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
    const text = this.#frame({ t: 'req', id, method, data });
    const reply = this.#pending.add({
      id,
      text,
      withinMs: options.withinMs ?? ANSWER_WITHIN_MS,
      signal: options.signal,
    });
    this.#flush();
    // The schema was looked up by the method: TypeScript does not follow that through the table.
    return parseOrThrow(REQUESTS[method].reply, await reply, 'bad-request', `reply to ${method}`) as ReplyData<M>;
  }

  /** Sends without waiting for the answer: for pages that go away. */
  tell<M extends RequestMethod>(method: M, data: RequestInput<M>): void {
    if (this.#closed !== undefined) return;
    this.#nextId += 1;
    this.#line?.send(this.#frame({ t: 'req', id: this.#nextId, method, data }));
  }

  /** Asks for a sign of life now; without one within `withinMs` the WebSocket counts as lost. */
  check(withinMs: number): void {
    if (this.#line === undefined) return;
    this.#sendPing();
    const heardBefore = this.#heard;
    this.#cancelCheck();
    this.#cancelCheck = this.#runtime.after(withinMs, () => {
      if (this.#heard === heardBefore) this.#lose('no answer to a ping');
    });
  }

  /**
   * One attempt to go on over a new WebSocket, while suspended.
   * @throws MeridianError `session-lost` when the node has nothing left to go on with, or what it closed with
   * @throws ClientError `node-unreachable`, `aborted`; why it was closed meanwhile
   */
  async resume({ signal, withinMs = OPEN_WITHIN_MS }: { signal?: AbortSignal; withinMs?: number } = {}): Promise<void> {
    const point = { epoch: this.#welcome.epoch, seq: this.#lastSeq };
    const line = await Line.open({
      runtime: this.#runtime,
      wsUrl: this.#options.wsUrl,
      protocols: [SIGNALLING_PROTOCOL, `${TOKEN_PROTOCOL_PREFIX}${this.#sessionToken}`, resumeProtocol(point)],
      withinMs,
      signal,
    });
    if (this.#closed !== undefined || this.#line !== undefined || !line.welcome.resumed || line.seq !== point.seq) {
      line.close('not resumed');
      throw this.#closed ?? new MeridianError('session-lost');
    }
    this.#welcome = line.welcome;
    this.#heardAtMs = this.#runtime.now();
    this.#pending.unsend();
    this.#use(line);
    this.#flush();
  }

  /** Idempotent; waiting requests fail with `room-left`. */
  close(): void {
    this.abandon(new ClientError('room-left'));
  }

  /** Idempotent; waiting requests fail with this error. */
  abandon(error: SdkError): void {
    if (this.#closed !== undefined) return;
    this.#events = undefined;
    const line = this.#line;
    this.#end(error);
    line?.close('left');
  }

  #use(line: Line): void {
    this.#line = line;
    this.#schedulePing(0);
    this.#watchSilence();
    line.listen({
      text: (text) => this.#onText(line, text),
      closed: (how) => this.#onLineClosed(line, how),
    });
  }

  /** Sends what waits to be sent, oldest first. */
  #flush(): void {
    const line = this.#line;
    if (line === undefined) return;
    for (const request of this.#pending.unsent()) {
      try {
        line.send(request.text);
        request.markSent();
      } catch (error) {
        request.fail(toSdkError(error, 'connection-lost'));
      }
    }
  }

  /** @throws MeridianError `payload-too-large` */
  #frame(
    frame: { t: 'req'; id: number; method: string; data: unknown } | { t: 'ping'; id: number; seq: number },
  ): string {
    const text = JSON.stringify(frame);
    // UTF-16 units are at most as many as UTF-8 bytes; only near the limit the exact count matters.
    if (text.length * 3 > this.#welcome.maxFrameBytes) {
      const bytes = new TextEncoder().encode(text).length;
      if (bytes > this.#welcome.maxFrameBytes) throw new MeridianError('payload-too-large');
    }
    return text;
  }

  #onText(line: Line, text: string): void {
    if (this.#line !== line) return;
    this.#heardAtMs = this.#runtime.now();
    this.#heard += 1;
    try {
      const frame = parseJson(ServerFrame, text);
      switch (frame.t) {
        case 'res':
          this.#pending.settle(frame.id, { data: frame.data });
          return;
        case 'err':
          this.#pending.settle(frame.id, { error: fromBody(frame.error) });
          return;
        case 'pong':
          if (frame.id === this.#ping?.id) this.#rttMs = this.#heardAtMs - this.#ping.sentAtMs;
          return;
        case 'ntf':
          this.#onNotification(frame.seq, frame.event, frame.data);
          return;
      }
    } catch (cause) {
      // Nothing that a resume would mend: the same frame would come again.
      this.#drop(new ClientError('connection-lost', { cause, details: { why: 'unreadable frame' } }), line);
    }
  }

  #onNotification(seq: number, event: string, data: unknown): void {
    if (seq !== this.#lastSeq + 1) throw new Error(`notification ${seq} after ${this.#lastSeq}`);
    this.#lastSeq = seq;
    // A newer node may know more events than this client: they say nothing to it.
    if (!isNotificationName(event)) return;
    const notification = readNotification(event, data);
    if (notification.event === 'session-token') this.#sessionToken = notification.data.sessionToken;
    if (this.#events === undefined) this.#backlog.push(notification);
    else this.#events.notification(notification);
  }

  #schedulePing(delayMs: number): void {
    this.#cancelPing = this.#runtime.after(delayMs, () => {
      if (this.#line === undefined) return;
      this.#sendPing();
      this.#schedulePing(this.#welcome.pingEveryMs);
    });
  }

  /** One timer that is due when the line would be dead, and put off by whatever came meanwhile. */
  #watchSilence(): void {
    const { pingEveryMs, deadAfterMs } = this.#welcome;
    const patienceMs = Math.max(deadAfterMs - EARLIER_MS, Math.min(deadAfterMs, pingEveryMs * 1.5));
    const look = () => {
      const silentMs = this.#runtime.now() - this.#heardAtMs;
      if (silentMs >= patienceMs) this.#lose(`silent for ${Math.round(silentMs)} ms`);
      else this.#cancelSilence = this.#runtime.after(patienceMs - silentMs, look);
    };
    this.#cancelSilence = this.#runtime.after(patienceMs, look);
  }

  #sendPing(): void {
    this.#ping = { id: this.#nextId, sentAtMs: this.#runtime.now() };
    this.#nextId += 1;
    this.#line?.send(this.#frame({ t: 'ping', id: this.#ping.id, seq: this.#lastSeq }));
  }

  #onLineClosed(line: Line, how: SocketClosed): void {
    if (this.#line !== line) return;
    const error = errorOfClose(how);
    // Sent again it would cut the next WebSocket as well.
    const tooLarge = isSdkError(error, 'payload-too-large') && this.#pending.failLargest(error);
    const lost = tooLarge ? new ClientError('connection-lost', { details: { closeCode: how.code } }) : error;
    this.#dropLine(lost);
  }

  /** Our own verdict that this WebSocket is of no more use. */
  #lose(why: string): void {
    const line = this.#line;
    if (line === undefined) return;
    this.#dropLine(new ClientError('connection-lost', { details: { why } }));
    line.close('abandoned');
  }

  /** Our own verdict that the whole connection is of no more use. */
  #drop(error: SdkError, line: Line): void {
    this.#end(error);
    line.close('abandoned');
  }

  #dropLine(error: SdkError): void {
    const suspended = this.#events?.suspended;
    if (suspended === undefined || !isSdkError(error, 'connection-lost') || this.#welcome.resumeWindowMs === 0) {
      this.#end(error);
      return;
    }
    this.#rest();
    suspended(error);
  }

  /** No line any more, and nothing that would use one. */
  #rest(): void {
    this.#line = undefined;
    this.#cancelPing();
    this.#cancelSilence();
    this.#cancelCheck();
  }

  #end(error: SdkError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    this.#rest();
    this.#pending.failAll(error);
    this.#events?.closed(error);
  }
}

/** One arm per event keeps name and data together in the type. */
function readNotification<N extends NotificationName>(event: N, data: unknown): Notification {
  const read = { event, data: parseOrThrow(NOTIFICATIONS[event], data, 'bad-request', event) };
  return read as Notification;
}
