import {
  Asker,
  isNotificationName,
  MeridianError,
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

const WELCOME_MS = 10_000;

export interface Heard {
  readonly event: NotificationName;
  readonly data: unknown;
}

/** One WebSocket as the protocol describes it: numbers, pings, answers; every frame is checked. */
export class LightConnection {
  readonly welcome: NotificationData<'welcome'>;
  readonly #socket: WebSocket;
  readonly #asker: Asker;
  readonly #heard: { seq: number };
  readonly #ping: NodeJS.Timeout;

  private constructor(parts: {
    welcome: NotificationData<'welcome'>;
    socket: WebSocket;
    asker: Asker;
    heard: { seq: number };
  }) {
    this.welcome = parts.welcome;
    this.#socket = parts.socket;
    this.#asker = parts.asker;
    this.#heard = parts.heard;
    this.#ping = setInterval(() => {
      if (!this.open) return;
      this.#socket.send(JSON.stringify({ t: 'ping', id: this.#asker.takeId(), seq: this.#heard.seq }));
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
    const asker = new Asker((text) => socket.send(text), resume?.nextId);
    const last = { seq: resume?.seq ?? 0 };
    const welcome = Promise.withResolvers<NotificationData<'welcome'>>();
    const late = setTimeout(() => {
      welcome.reject(new MeridianError('deadline-exceeded', { message: 'no welcome came' }));
      socket.terminate();
    }, WELCOME_MS);
    socket.on('error', (cause) => welcome.reject(new MeridianError('session-lost', { cause })));
    socket.on('close', (code, reason) => {
      const error = new MeridianError('session-lost', { message: `closed with ${code} ${reason.toString()}` });
      welcome.reject(error);
      asker.fail(error);
    });
    socket.on('message', (raw) => {
      const frame = parseJson(ServerFrame, raw.toString(), 'internal', 'server frame');
      asker.hear(frame);
      if (frame.t !== 'ntf') return;
      if (!isNotificationName(frame.event)) throw new Error(`unknown notification ${frame.event}`);
      last.seq = frame.seq;
      if (frame.event === 'welcome') welcome.resolve(readNotification('welcome', frame.data));
      onHeard({ event: frame.event, data: frame.data });
    });
    try {
      return new LightConnection({ welcome: await welcome.promise, socket, asker, heard: last });
    } finally {
      clearTimeout(late);
    }
  }

  get open(): boolean {
    return this.#socket.readyState === WebSocket.OPEN;
  }

  /** Where it can be taken up again. */
  get resumePoint(): ResumePoint & { readonly nextId: number } {
    return { epoch: this.welcome.epoch, seq: this.#heard.seq, nextId: this.#asker.nextId };
  }

  /** @throws MeridianError as the node answered; `session-lost` when the connection ends first */
  async request<M extends RequestMethod>(method: M, data: RequestInput<M>): Promise<ReplyData<M>> {
    if (!this.open) throw new MeridianError('session-lost');
    return this.#asker.request(method, data);
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
  return heard.event === event ? readNotification(event, heard.data) : undefined;
}
