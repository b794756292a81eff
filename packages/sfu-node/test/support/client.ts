import { eventually } from '@meridian/harness';
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

export interface Heard {
  readonly seq: number;
  readonly event: NotificationName;
  readonly data: unknown;
}

const REPLIES: { readonly [M in RequestMethod]: { readonly reply: z.ZodType<ReplyData<M>> } } = REQUESTS;
const HEARD: { readonly [N in NotificationName]: z.ZodType<NotificationData<N>> } = NOTIFICATIONS;

/** A client as the protocol describes it: every frame of the node is checked against its schema. */
export class TestClient {
  readonly socket: WebSocket;
  readonly heard: Heard[] = [];
  readonly pongs: number[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  closeInfo: { code: number; reason: string } | undefined;
  readonly #pending = new Map<number, PromiseWithResolvers<unknown>>();
  #nextId = 1;

  constructor(url: string, protocols: string[], headers: Record<string, string> = {}) {
    this.socket = new WebSocket(url, protocols, { headers });
    this.socket.on('message', (data) => this.#receive(data.toString()));
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        this.closeInfo = { code, reason: reason.toString() };
        for (const { reject } of this.#pending.values()) reject(new Error(`closed with ${code}`));
        this.#pending.clear();
        resolve(this.closeInfo);
      });
    });
  }

  static withToken(nodeUrl: string, token: string, headers: Record<string, string> = {}): TestClient {
    const protocols = [SIGNALLING_PROTOCOL, `${TOKEN_PROTOCOL_PREFIX}${token}`];
    return new TestClient(`${nodeUrl.replace('http', 'ws')}/ws`, protocols, headers);
  }

  /** A connection that goes on where another one was lost; its requests go on counting from `nextId`. */
  static resuming(
    nodeUrl: string,
    token: string,
    point: ResumePoint | string,
    options: { nextId?: number; headers?: Record<string, string> } = {},
  ): TestClient {
    const named = typeof point === 'string' ? point : resumeProtocol(point);
    const protocols = [SIGNALLING_PROTOCOL, `${TOKEN_PROTOCOL_PREFIX}${token}`, named];
    const client = new TestClient(`${nodeUrl.replace('http', 'ws')}/ws`, protocols, options.headers);
    client.#nextId = options.nextId ?? 1;
    return client;
  }

  /** Number of the last notification that came. */
  get lastSeq(): number {
    return this.heard.at(-1)?.seq ?? 0;
  }

  /** The id that the next request will have. */
  get nextId(): number {
    return this.#nextId;
  }

  async request<M extends RequestMethod>(method: M, data: RequestInput<M>): Promise<ReplyData<M>> {
    const reply = await this.send({ method, data });
    return parseOrThrow(REPLIES[method].reply, reply, 'internal', `reply to ${method}`);
  }

  /** A request that need not be one of the protocol's. */
  send({ method, data }: { method: string; data: unknown }): Promise<unknown> {
    return this.sendAs(this.#nextId++, { method, data });
  }

  /** Sent again under the id that it had, or under one of the test's own. */
  sendAs(id: number, { method, data }: { method: string; data: unknown }): Promise<unknown> {
    const pending = Promise.withResolvers<unknown>();
    this.#pending.set(id, pending);
    this.socket.send(JSON.stringify({ t: 'req', id, method, data }));
    return pending.promise;
  }

  /** A sign of life that says what has come. */
  ping(seq: number = this.lastSeq): void {
    this.socket.send(JSON.stringify({ t: 'ping', id: this.#nextId++, seq }));
  }

  all<N extends NotificationName>(event: N): NotificationData<N>[] {
    return this.heard.filter((one) => one.event === event).map((one) => parseOrThrow(HEARD[event], one.data));
  }

  /** The first notification of that name that fits, heard already or to come. */
  async until<N extends NotificationName>(
    event: N,
    fits: (data: NotificationData<N>) => boolean = () => true,
  ): Promise<NotificationData<N>> {
    const found = await eventually(
      `a ${event} that fits (heard: ${this.heard.map((one) => one.event).join(', ')})`,
      () => {
        const data = this.all(event).find(fits);
        return data === undefined ? false : { data };
      },
    );
    return found.data;
  }

  async close(): Promise<void> {
    this.socket.close();
    await this.closed;
  }

  #receive(text: string): void {
    const frame = parseJson(ServerFrame, text, 'internal', 'server frame');
    switch (frame.t) {
      case 'res':
        this.#pending.get(frame.id)?.resolve(frame.data);
        this.#pending.delete(frame.id);
        break;
      case 'err':
        this.#pending.get(frame.id)?.reject(MeridianError.fromBody(frame.error));
        this.#pending.delete(frame.id);
        break;
      case 'ntf':
        if (!isNotificationName(frame.event)) throw new Error(`unknown notification ${frame.event}`);
        parseOrThrow(NOTIFICATIONS[frame.event], frame.data, 'internal', frame.event);
        this.heard.push({ seq: frame.seq, event: frame.event, data: frame.data });
        break;
      case 'pong':
        this.pongs.push(frame.id);
        break;
    }
  }
}
