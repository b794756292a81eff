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
  type ResumePoint,
  resumeProtocol,
  ServerFrame,
  SIGNALLING_PROTOCOL,
  TOKEN_PROTOCOL_PREFIX,
} from '@meridian/protocol';
import { WebSocket } from 'ws';
import type { z } from 'zod';

const REPLIES: { readonly [M in RequestMethod]: { readonly reply: z.ZodType<ReplyData<M>> } } = REQUESTS;
const HEARD: { readonly [N in NotificationName]: z.ZodType<NotificationData<N>> } = NOTIFICATIONS;
const WELCOME_MS = 10_000;

export interface Heard {
  readonly event: NotificationName;
  readonly data: unknown;
}

/** One WebSocket as the protocol describes it: numbers, pings, answers; every frame is checked. */
export class LightConnection {
  readonly welcome: NotificationData<'welcome'>;
  readonly #socket: WebSocket;
  readonly #pending: Map<number, PromiseWithResolvers<unknown>>;
  readonly #counter: { seq: number; nextId: number };
  readonly #ping: NodeJS.Timeout;

  private constructor(parts: {
    welcome: NotificationData<'welcome'>;
    socket: WebSocket;
    pending: Map<number, PromiseWithResolvers<unknown>>;
    counter: { seq: number; nextId: number };
  }) {
    this.welcome = parts.welcome;
    this.#socket = parts.socket;
    this.#pending = parts.pending;
    this.#counter = parts.counter;
    this.#ping = setInterval(() => {
      if (this.open)
        this.#socket.send(JSON.stringify({ t: 'ping', id: this.#counter.nextId++, seq: this.#counter.seq }));
    }, this.welcome.pingEveryMs);
    this.#socket.once('close', () => clearInterval(this.#ping));
  }

  /** Resolves when the node has said `welcome`. @throws MeridianError when it closes instead */
  static async open(options: {
    wsUrl: string;
    token: string;
    resume?: (ResumePoint & { readonly nextId: number }) | undefined;
    onHeard: (heard: Heard) => void;
  }): Promise<LightConnection> {
    const { wsUrl, token, resume, onHeard } = options;
    const protocols = [SIGNALLING_PROTOCOL, `${TOKEN_PROTOCOL_PREFIX}${token}`];
    if (resume !== undefined) protocols.push(resumeProtocol(resume));
    const socket = new WebSocket(wsUrl, protocols);
    const pending = new Map<number, PromiseWithResolvers<unknown>>();
    const counter = { seq: resume?.seq ?? 0, nextId: resume?.nextId ?? 1 };
    const welcome = Promise.withResolvers<NotificationData<'welcome'>>();
    const late = setTimeout(() => {
      welcome.reject(new MeridianError('deadline-exceeded', { message: 'no welcome came' }));
      socket.terminate();
    }, WELCOME_MS);
    socket.on('error', (cause) => welcome.reject(new MeridianError('session-lost', { cause })));
    socket.on('close', (code, reason) => {
      const error = new MeridianError('session-lost', { message: `closed with ${code} ${reason.toString()}` });
      welcome.reject(error);
      for (const one of pending.values()) one.reject(error);
      pending.clear();
    });
    socket.on('message', (raw) => {
      const frame = parseJson(ServerFrame, raw.toString(), 'internal', 'server frame');
      if (frame.t === 'res') settle(pending, frame.id)?.resolve(frame.data);
      else if (frame.t === 'err') settle(pending, frame.id)?.reject(MeridianError.fromBody(frame.error));
      else if (frame.t === 'ntf') {
        if (!isNotificationName(frame.event)) throw new Error(`unknown notification ${frame.event}`);
        counter.seq = frame.seq;
        if (frame.event === 'welcome') welcome.resolve(parseOrThrow(HEARD.welcome, frame.data, 'internal', 'welcome'));
        onHeard({ event: frame.event, data: frame.data });
      }
    });
    try {
      return new LightConnection({ welcome: await welcome.promise, socket, pending, counter });
    } finally {
      clearTimeout(late);
    }
  }

  get open(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Where it can be taken up again. */
  get resumePoint(): ResumePoint & { readonly nextId: number } {
    return { epoch: this.welcome.epoch, seq: this.#counter.seq, nextId: this.#counter.nextId };
  }

  /** @throws MeridianError as the node answered; `session-lost` when the connection ends first */
  async request<M extends RequestMethod>(method: M, data: RequestInput<M>): Promise<ReplyData<M>> {
    if (!this.open) throw new MeridianError('session-lost');
    const id = this.#counter.nextId++;
    const pending = Promise.withResolvers<unknown>();
    this.#pending.set(id, pending);
    this.#socket.send(JSON.stringify({ t: 'req', id, method, data }));
    return parseOrThrow(REPLIES[method].reply, await pending.promise, 'internal', `reply to ${method}`);
  }

  /** Breaks it without a word. */
  cut(): void {
    this.#socket.terminate();
  }

  async close(): Promise<void> {
    if (this.#socket.readyState === WebSocket.CLOSED) return;
    const closed = new Promise<void>((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.close();
    await closed;
  }
}

export function heardAs<N extends NotificationName>(event: N, heard: Heard): NotificationData<N> | undefined {
  return heard.event === event ? parseOrThrow(HEARD[event], heard.data, 'internal', event) : undefined;
}

function settle(pending: Map<number, PromiseWithResolvers<unknown>>, id: number) {
  const one = pending.get(id);
  pending.delete(id);
  return one;
}
