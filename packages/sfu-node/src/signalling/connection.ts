import {
  ClientFrame,
  ERRORS,
  type ErrorCode,
  isRequestMethod,
  MeridianError,
  type NotificationData,
  type NotificationName,
  parseJson,
  type RequestMethod,
} from '@meridian/protocol';
import type { Cancel, Clock } from '../clock.ts';
import { type BucketOptions, TokenBucket } from '../token-bucket.ts';
import { Lanes, type Order } from './lanes.ts';
import { type EncodedNotification, encodeNotification, Outbox, type OutboxSocket } from './outbox.ts';

/** What a connection needs of a WebSocket. */
export interface SignallingSocket extends OutboxSocket {
  readonly isOpen: boolean;
  close(code: number, reason: string): void;
  /** Ends it without a handshake. */
  terminate(): void;
  /** A WebSocket ping; the answer counts as a sign of life. */
  ping(): void;
}

export interface ConnectionLimits {
  readonly maxFrameBytes: number;
  readonly maxBufferedBytes: number;
  readonly frames: BucketOptions;
  readonly maxInFlight: number;
  readonly pingEveryMs: number;
  readonly deadAfterMs: number;
}

/** One request, checked and ready to run. */
export interface PreparedRequest {
  readonly order: Order;
  readonly run: (afterReply: (then: () => void) => void) => Promise<unknown>;
}

export interface ConnectionObserver {
  frame(direction: 'in' | 'out', kind: string): void;
  request(method: RequestMethod, outcome: 'ok' | ErrorCode, ms: number): void;
  dropped(event: NotificationName): void;
  rateLimited(): void;
}

export interface ConnectionOptions {
  readonly socket: SignallingSocket;
  readonly limits: ConnectionLimits;
  readonly clock: Clock;
  readonly observer: ConnectionObserver;
  /** Checks a request. @throws MeridianError when its data is not of the expected form */
  readonly prepare: (method: RequestMethod, data: unknown) => PreparedRequest;
  /** The peer broke the rules, reads too slowly or is silent: whoever owns the session ends it. */
  readonly onFault: (fault: 'protocol-error' | 'slow-reader' | 'dead-peer', error: MeridianError) => void;
  /** A request failed on our side (5xx): the client is told the code and the table's sentence, no more. */
  readonly onFailure: (method: RequestMethod, code: ErrorCode, error: unknown) => void;
}

/** Refusals that a peer may collect before it is cut off: this many at once, one more per second. */
const PATIENCE: BucketOptions = { perSecond: 1, burst: 200 };
/** How long a peer may take to answer our close frame, milliseconds. */
const CLOSE_TIMEOUT_MS = 2_000;

/** One WebSocket: frames in and out, limits, order of requests, signs of life. Knows nothing of rooms. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #outbox: Outbox;
  readonly #lanes = new Lanes();
  readonly #frames: TokenBucket;
  readonly #patience: TokenBucket;
  readonly #cancelHeartbeat: Cancel;
  #heardAtMs: number;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { socket, limits, clock, observer } = options;
    this.#frames = new TokenBucket(limits.frames, clock.now());
    this.#patience = new TokenBucket(PATIENCE, clock.now());
    this.#heardAtMs = clock.now();
    this.#outbox = new Outbox({
      socket,
      softLimitBytes: limits.maxBufferedBytes / 4,
      hardLimitBytes: limits.maxBufferedBytes,
      onSlowReader: () => this.#fault('slow-reader', new MeridianError('slow-reader')),
      onDropped: (event) => observer.dropped(event),
    });
    this.#cancelHeartbeat = clock.every(limits.pingEveryMs, () => this.#heartbeat());
  }

  get closed(): boolean {
    return this.#closed;
  }

  notify<N extends NotificationName>(event: N, data: NotificationData<N>): void {
    this.send(encodeNotification(event, data));
  }

  send(notification: EncodedNotification): void {
    if (this.#closed) return;
    this.#options.observer.frame('out', 'ntf');
    this.#outbox.notify(notification);
  }

  /** Something that every request has to wait for (the attachment). */
  before<T>(work: () => Promise<T>): Promise<T> {
    return this.#lanes.run({ kind: 'barrier' }, work);
  }

  /** The peer is there: a frame, a ping or a pong came. */
  heard(): void {
    this.#heardAtMs = this.#options.clock.now();
  }

  /** A frame came. */
  receive(data: string | undefined, bytes: number): void {
    if (this.#closed) return;
    this.heard();
    if (bytes > this.#options.limits.maxFrameBytes) {
      this.#fault('protocol-error', new MeridianError('payload-too-large'));
      return;
    }
    if (data === undefined) {
      this.#fault('protocol-error', new MeridianError('bad-request', { message: 'frames are text' }));
      return;
    }
    const waitMs = this.#frames.take(this.#options.clock.now());
    let frame: ClientFrame;
    try {
      frame = parseJson(ClientFrame, data, 'bad-request', 'frame');
    } catch (error) {
      this.#fault('protocol-error', MeridianError.from(error));
      return;
    }
    this.#options.observer.frame('in', frame.t);
    if (waitMs > 0) {
      this.#refuse(frame, waitMs);
      return;
    }
    switch (frame.t) {
      case 'ping':
        this.#options.observer.frame('out', 'pong');
        this.#outbox.reply({ t: 'pong', id: frame.id });
        break;
      case 'req':
        void this.#serve(frame.id, frame.method, frame.data);
        break;
    }
  }

  /** Closes with the code of the error, or 1000. Idempotent; nothing is sent afterwards. */
  close(code: ErrorCode | undefined): void {
    if (this.#closed) return;
    this.#release();
    const { socket, clock } = this.#options;
    socket.close(code === undefined ? 1_000 : ERRORS[code].close, code ?? 'left');
    // A peer that does not answer is not waited for.
    clock.after(CLOSE_TIMEOUT_MS, () => socket.terminate());
  }

  /** The WebSocket is gone. */
  lost(): void {
    this.#release();
  }

  #release(): void {
    this.#closed = true;
    this.#cancelHeartbeat();
    this.#outbox.close();
  }

  #fault(fault: 'protocol-error' | 'slow-reader' | 'dead-peer', error: MeridianError): void {
    if (this.#closed) return;
    this.#options.onFault(fault, error);
    // In case nobody owns it yet.
    this.close(error.code);
    if (fault === 'dead-peer') this.#options.socket.terminate();
  }

  #heartbeat(): void {
    const { clock, limits, socket } = this.#options;
    if (clock.now() - this.#heardAtMs >= limits.deadAfterMs) {
      this.#fault('dead-peer', new MeridianError('session-lost'));
    } else if (socket.isOpen) {
      socket.ping();
    }
  }

  #refuse(frame: ClientFrame, retryAfterMs: number): void {
    this.#options.observer.rateLimited();
    const error = new MeridianError('rate-limited', { retryAfterMs });
    if (this.#patience.take(this.#options.clock.now()) > 0) this.#fault('protocol-error', error);
    else if (frame.t === 'req') this.#answerError(frame.id, error);
  }

  #answerError(id: number, error: MeridianError): void {
    this.#options.observer.frame('out', 'err');
    this.#outbox.reply({ t: 'err', id, error: error.toPublicBody() });
  }

  async #serve(id: number, name: string, data: unknown): Promise<void> {
    const { clock, limits, observer, prepare, onFailure } = this.#options;
    if (!isRequestMethod(name)) {
      this.#answerError(id, new MeridianError('unknown-message'));
      return;
    }
    if (this.#lanes.size >= limits.maxInFlight) {
      observer.rateLimited();
      this.#answerError(id, new MeridianError('rate-limited', { message: 'Too many requests are under way.' }));
      return;
    }
    const startedMs = clock.now();
    const after: (() => void)[] = [];
    try {
      const { order, run } = prepare(name, data);
      const reply = await this.#lanes.run(order, () => run((then) => after.push(then)));
      observer.request(name, 'ok', clock.now() - startedMs);
      observer.frame('out', 'res');
      this.#outbox.reply({ t: 'res', id, ok: true, data: reply });
    } catch (thrown) {
      const error = MeridianError.from(thrown);
      observer.request(name, error.code, clock.now() - startedMs);
      if (error.status >= 500) onFailure(name, error.code, thrown);
      this.#answerError(id, error);
    }
    for (const then of after) then();
  }
}
