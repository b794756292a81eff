import { ClientFrame, ERRORS, type ErrorCode, MeridianError, parseJson, type ServerFrame } from '@meridian/protocol';
import type { Cancel, Clock } from '../clock.ts';
import { type BucketOptions, TokenBucket } from '../token-bucket.ts';
import type { Dialogue } from './dialogue.ts';
import type { OutboxLine } from './outbox.ts';

/** What a connection needs of a WebSocket. */
export interface SignallingSocket {
  readonly isOpen: boolean;
  /** Bytes accepted for sending that the peer's side has not taken yet. */
  readonly bufferedAmount: number;
  send(text: string, sent: () => void): void;
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
  /** Requests that may wait for the attachment. */
  readonly maxInFlight: number;
  readonly pingEveryMs: number;
  readonly deadAfterMs: number;
}

export interface ConnectionObserver {
  frame(direction: 'in' | 'out', kind: string): void;
  rateLimited(): void;
}

export type ConnectionFault = 'protocol-error' | 'slow-reader' | 'dead-peer';

export interface ConnectionOptions {
  readonly socket: SignallingSocket;
  readonly limits: ConnectionLimits;
  readonly clock: Clock;
  readonly observer: ConnectionObserver;
  /** The peer broke the rules, reads too slowly or is silent: whoever owns the session ends it. */
  readonly onFault: (fault: ConnectionFault, error: MeridianError) => void;
}

/** Refusals that a peer may collect before it is cut off: this many at once, one more per second. */
const PATIENCE: BucketOptions = { perSecond: 1, burst: 200 };
/** How long a peer may take to answer our close frame, milliseconds. */
const CLOSE_TIMEOUT_MS = 2_000;

/** A timer that comes so much too late says that the node stood still, milliseconds. */
const STALL_MS = 100;

type Request = Extract<ClientFrame, { t: 'req' }>;

/** One WebSocket: frames in and out, limits, signs of life. What they mean is the dialogue's business. */
export class Connection implements OutboxLine {
  readonly #options: ConnectionOptions;
  readonly #frames: TokenBucket;
  readonly #patience: TokenBucket;
  readonly #cancelPing: Cancel;
  #cancelWatch: Cancel = () => {};
  #heardAtMs: number;
  #dialogue: Dialogue | undefined;
  /** Requests that came before the attachment. */
  #early: Request[] = [];
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { socket, limits, clock } = options;
    this.#frames = new TokenBucket(limits.frames, clock.now());
    this.#patience = new TokenBucket(PATIENCE, clock.now());
    this.#heardAtMs = clock.now();
    this.#cancelPing = clock.every(limits.pingEveryMs, () => {
      if (socket.isOpen) socket.ping();
    });
    this.#watch();
  }

  get closed(): boolean {
    return this.#closed;
  }

  get congested(): boolean {
    const { socket, limits } = this.#options;
    return socket.bufferedAmount > limits.maxBufferedBytes / 4;
  }

  send(text: string): void {
    if (this.#closed) return;
    const { socket, limits } = this.#options;
    socket.send(text, this.#sent);
    if (socket.bufferedAmount > limits.maxBufferedBytes) this.#fault('slow-reader', new MeridianError('slow-reader'));
  }

  /** It is attached: what came before is served now, in order. */
  serve(dialogue: Dialogue): void {
    this.#dialogue = dialogue;
    for (const { id, method, data } of this.#early.splice(0)) void dialogue.request(id, method, data);
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
    this.#dialogue?.heard(this);
    if (waitMs > 0) {
      this.#refuse(frame, waitMs);
      return;
    }
    switch (frame.t) {
      case 'ping':
        if (frame.seq !== undefined) this.#dialogue?.acknowledge(frame.seq);
        this.#reply({ t: 'pong', id: frame.id });
        break;
      case 'req':
        this.#request(frame);
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
    this.#cancelPing();
    this.#cancelWatch();
    this.#early = [];
    this.#dialogue?.disconnect(this);
  }

  #fault(fault: ConnectionFault, error: MeridianError): void {
    if (this.#closed) return;
    this.#options.onFault(fault, error);
    // In case nobody owns it yet.
    this.close(error.code);
    if (fault === 'dead-peer') this.#options.socket.terminate();
  }

  /**
   * Looks exactly when the peer would be dead: not later, however seldom pings are sent. A node that stood still
   * itself asked nobody meanwhile: its peers then get the time of two pings more.
   */
  #watch(): void {
    const { clock, limits } = this.#options;
    const dueMs = this.#heardAtMs + limits.deadAfterMs;
    this.#cancelWatch = clock.after(Math.max(0, dueMs - clock.now()), () => {
      const nowMs = clock.now();
      if (nowMs - dueMs > STALL_MS) {
        this.#heardAtMs = Math.max(this.#heardAtMs, nowMs - limits.deadAfterMs + 2 * limits.pingEveryMs);
      }
      // What has come already is read first.
      this.#cancelWatch = clock.soon(() => {
        const silentMs = clock.now() - this.#heardAtMs;
        if (silentMs >= limits.deadAfterMs) this.#fault('dead-peer', new MeridianError('session-lost'));
        else this.#watch();
      });
    });
  }

  #request(frame: Request): void {
    if (this.#dialogue !== undefined) void this.#dialogue.request(frame.id, frame.method, frame.data);
    else if (this.#early.length < this.#options.limits.maxInFlight) this.#early.push(frame);
    else {
      this.#options.observer.rateLimited();
      this.#replyError(frame.id, new MeridianError('rate-limited', { message: 'Too many requests are under way.' }));
    }
  }

  #refuse(frame: ClientFrame, retryAfterMs: number): void {
    this.#options.observer.rateLimited();
    const error = new MeridianError('rate-limited', { retryAfterMs });
    if (this.#patience.take(this.#options.clock.now()) > 0) this.#fault('protocol-error', error);
    else if (frame.t === 'req') this.#replyError(frame.id, error);
  }

  #replyError(id: number, error: MeridianError): void {
    this.#reply({ t: 'err', id, error: error.toPublicBody() });
  }

  #reply(frame: Extract<ServerFrame, { t: 'pong' | 'err' }>): void {
    this.#options.observer.frame('out', frame.t);
    this.send(JSON.stringify(frame));
  }

  readonly #sent = (): void => {
    if (!this.#closed) this.#dialogue?.flush();
  };
}
