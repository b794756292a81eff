import { eventually } from '@meridian/harness';
import {
  Asker,
  isNotificationName,
  type NotificationData,
  type NotificationName,
  parseJson,
  type ReplyData,
  type RequestInput,
  type RequestMethod,
  type ResumePoint,
  readNotification,
  resumeProtocol,
  ServerFrame,
  SIGNALLING_PROTOCOL,
  TOKEN_PROTOCOL_PREFIX,
} from '@meridian/protocol';
import { WebSocket } from 'ws';

export interface Heard {
  readonly seq: number;
  readonly event: NotificationName;
  readonly data: unknown;
}

/** A client as the protocol describes it: every frame of the node is checked against its schema. */
export class TestClient {
  readonly socket: WebSocket;
  readonly heard: Heard[] = [];
  readonly pongs: number[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  closeInfo: { code: number; reason: string } | undefined;
  readonly #asker: Asker;

  constructor(url: string, protocols: string[], headers: Record<string, string> = {}, nextId = 1) {
    this.#asker = new Asker((text) => this.socket.send(text), nextId);
    this.socket = new WebSocket(url, protocols, { headers });
    this.socket.on('message', (data) => this.#receive(data.toString()));
    this.socket.on('error', () => {});
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        this.closeInfo = { code, reason: reason.toString() };
        this.#asker.fail(new Error(`closed with ${code}`));
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
    return new TestClient(`${nodeUrl.replace('http', 'ws')}/ws`, protocols, options.headers, options.nextId);
  }

  /** Number of the last notification that came. */
  get lastSeq(): number {
    return this.heard.at(-1)?.seq ?? 0;
  }

  /** The id that the next request will have. */
  get nextId(): number {
    return this.#asker.nextId;
  }

  request<M extends RequestMethod>(method: M, data: RequestInput<M>): Promise<ReplyData<M>> {
    return this.#asker.request(method, data);
  }

  /** A request that need not be one of the protocol's. */
  send(request: { method: string; data: unknown }): Promise<unknown> {
    return this.sendAs(this.#asker.takeId(), request);
  }

  /** Sent again under the id that it had, or under one of the test's own. */
  sendAs(id: number, request: { method: string; data: unknown }): Promise<unknown> {
    return this.#asker.ask(id, request);
  }

  /** A sign of life that says what has come. */
  ping(seq: number = this.lastSeq): void {
    this.socket.send(JSON.stringify({ t: 'ping', id: this.#asker.takeId(), seq }));
  }

  all<N extends NotificationName>(event: N): NotificationData<N>[] {
    return this.heard.filter((one) => one.event === event).map((one) => readNotification(event, one.data));
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

  /** The connection breaks without a word. */
  async breakOff(): Promise<void> {
    this.socket.terminate();
    await this.closed;
  }

  #receive(text: string): void {
    const frame = parseJson(ServerFrame, text, 'internal', 'server frame');
    this.#asker.hear(frame);
    if (frame.t === 'pong') this.pongs.push(frame.id);
    if (frame.t !== 'ntf') return;
    if (!isNotificationName(frame.event)) throw new Error(`unknown notification ${frame.event}`);
    readNotification(frame.event, frame.data);
    this.heard.push({ seq: frame.seq, event: frame.event, data: frame.data });
  }
}

export const leaveAll = (...clients: readonly TestClient[]) =>
  Promise.all(clients.map((one) => one.request('leave', {})));
