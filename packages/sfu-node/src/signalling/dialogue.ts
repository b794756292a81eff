import {
  assertNever,
  type Epoch,
  type ErrorCode,
  isRequestMethod,
  MeridianError,
  type NotificationData,
  type NotificationName,
  type RequestMethod,
  type ServerFrame,
} from '@meridian/protocol';
import type { Clock } from '../clock.ts';
import { Answers } from './answers.ts';
import { Lanes, type Order } from './lanes.ts';
import { type EncodedNotification, encodeNotification, notificationFrame, Outbox, type OutboxLine } from './outbox.ts';

/** One request, checked and ready to run. */
export interface PreparedRequest {
  readonly order: Order;
  readonly run: (afterReply: (then: () => void) => void) => Promise<unknown>;
}

export interface DialogueObserver {
  frame(direction: 'in' | 'out', kind: string): void;
  request(method: RequestMethod, outcome: 'ok' | ErrorCode, ms: number): void;
  dropped(event: NotificationName): void;
  rateLimited(): void;
}

export interface DialogueOptions {
  readonly clock: Clock;
  readonly limits: {
    /** Requests that may be under way. */
    readonly maxInFlight: number;
    /** Of notifications that are kept for a resume, and again of answers, bytes. */
    readonly keepBytes: number;
  };
  readonly observer: DialogueObserver;
  /** Checks a request. @throws MeridianError when its data is not of the expected form */
  readonly prepare: (method: RequestMethod, data: unknown) => PreparedRequest;
  /** A request failed on our side (5xx): the client is told the code and the table's sentence, no more. */
  readonly onFailure: (method: RequestMethod, code: ErrorCode, error: unknown) => void;
}

/** Answers that are remembered per request that may be under way. */
const ANSWERS_PER_REQUEST = 2;

/**
 * What a client and the node say to each other, over as many connections as it takes: the numbered notifications, the
 * requests by id, their order. A connection that is resumed takes its dialogue over.
 */
export class Dialogue {
  readonly #options: DialogueOptions;
  readonly #outbox: Outbox;
  readonly #answers: Answers;
  readonly #lanes = new Lanes();
  #line: OutboxLine | undefined;
  #epochs: { readonly first: Epoch; readonly last: Epoch } | undefined;
  /** A frame came over the present connection: the client knows its epoch. */
  #heard = false;
  readonly #over = new AbortController();

  constructor(options: DialogueOptions) {
    this.#options = options;
    const { maxInFlight, keepBytes } = options.limits;
    this.#outbox = new Outbox({ keepBytes, onDropped: (event) => options.observer.dropped(event) });
    this.#answers = new Answers({ most: maxInFlight * ANSWERS_PER_REQUEST, mostSize: keepBytes });
  }

  get closed(): boolean {
    return this.#over.signal.aborted;
  }

  /** Aborts when it is closed. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** Was one of its connections of this epoch? */
  covers(epoch: Epoch): boolean {
    return this.#epochs !== undefined && epoch >= this.#epochs.first && epoch <= this.#epochs.last;
  }

  /** Nothing came yet over the present connection: the client may not know of it. */
  get unheard(): boolean {
    return !this.#heard;
  }

  canReplay(seq: number): boolean {
    return !this.closed && this.#outbox.canReplay(seq);
  }

  notify<N extends NotificationName>(event: N, data: NotificationData<N>): void {
    this.send(encodeNotification(event, data));
  }

  send(notification: EncodedNotification): void {
    if (this.closed) return;
    this.#options.observer.frame('out', 'ntf');
    this.#outbox.notify(notification);
  }

  /** The first connection: `welcome` is notification 1. */
  begin(line: OutboxLine, welcome: NotificationData<'welcome'>): void {
    this.#connect(line, welcome.epoch);
    this.#outbox.connect(line, 0);
    this.notify('welcome', welcome);
  }

  /** The next connection: `welcome` bears the number that the client has, what it missed follows. */
  resume(line: OutboxLine, seq: number, welcome: NotificationData<'welcome'>): void {
    this.#connect(line, welcome.epoch);
    this.#answers.unsettle(this.#outbox.lastSeq);
    this.#options.observer.frame('out', 'ntf');
    line.send(notificationFrame(seq, encodeNotification('welcome', welcome)));
    this.#outbox.connect(line, seq);
  }

  /** A connection is gone; the dialogue waits for the next one. */
  disconnect(line: OutboxLine): void {
    if (this.#line === line) this.#line = undefined;
    this.#outbox.disconnect(line);
  }

  /** The connection has room again. */
  flush(): void {
    this.#outbox.flush();
  }

  /** The client has the notifications up to this number. */
  acknowledge(seq: number): void {
    if (seq > this.#outbox.lastSeq) return;
    this.#outbox.acknowledge(seq);
    this.#answers.acknowledge(seq);
  }

  /** A frame came over the present connection. */
  heard(line: OutboxLine): void {
    if (this.#line === line) this.#heard = true;
  }

  /** Runs a request, or answers it again. Never rejects. */
  async request(id: number, name: string, data: unknown): Promise<void> {
    const { clock, limits, observer, prepare, onFailure } = this.#options;
    if (this.closed) return;
    if (!isRequestMethod(name)) {
      this.refuse(id, new MeridianError('unknown-message'));
      return;
    }
    const asked = this.#answers.ask(id);
    switch (asked.state) {
      case 'running':
        return;
      case 'answered':
        this.#line?.send(asked.frame);
        return;
      case 'forgotten':
        this.refuse(
          id,
          new MeridianError('bad-request', { message: 'Ids of requests have to rise; this one was used.' }),
        );
        return;
      case 'new':
        break;
      default:
        assertNever(asked);
    }
    if (this.#lanes.size >= limits.maxInFlight) {
      observer.rateLimited();
      this.refuse(id, new MeridianError('rate-limited', { message: 'Too many requests are under way.' }));
      return;
    }
    this.#answers.begin(id);
    const startedMs = clock.now();
    const after: (() => void)[] = [];
    try {
      const { order, run } = prepare(name, data);
      const reply = await this.#lanes.run(order, () => run((then) => after.push(then)));
      observer.request(name, 'ok', clock.now() - startedMs);
      this.#answer(id, { t: 'res', id, ok: true, data: reply });
    } catch (thrown) {
      const error = MeridianError.from(thrown);
      observer.request(name, error.code, clock.now() - startedMs);
      if (error.status >= 500) onFailure(name, error.code, thrown);
      this.#answer(id, { t: 'err', id, error: error.toPublicBody() });
    }
    for (const then of after) then();
  }

  /** Answers a request that did not run; it may be sent again. */
  refuse(id: number, error: MeridianError): void {
    this.#options.observer.frame('out', 'err');
    const frame: ServerFrame = { t: 'err', id, error: error.toPublicBody() };
    this.#line?.send(JSON.stringify(frame));
  }

  /** Idempotent. What runs still runs to its end; nobody hears of it. */
  close(): void {
    this.#over.abort();
    this.#line = undefined;
    this.#outbox.close();
  }

  #connect(line: OutboxLine, epoch: Epoch): void {
    this.#line = line;
    this.#heard = false;
    this.#epochs = { first: this.#epochs?.first ?? epoch, last: epoch };
  }

  #answer(id: number, frame: Extract<ServerFrame, { t: 'res' | 'err' }>): void {
    if (this.closed) return;
    this.#options.observer.frame('out', frame.t);
    const text = JSON.stringify(frame);
    this.#answers.answer(id, text, this.#outbox.lastSeq);
    this.#line?.send(text);
  }
}
