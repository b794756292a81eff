import { enterAsGuest, post } from '@meridian/lab';
import {
  Asker,
  CreateSessionReply,
  isNotificationName,
  JoinRoomReply,
  type NotificationName,
  parseJson,
  type RequestInput,
  type RequestMethod,
  readNotification,
  ServerFrame,
  SIGNALLING_PROTOCOL,
  TOKEN_PROTOCOL_PREFIX,
} from '@meridian/protocol';

/** One WebSocket to a node; everything that comes is handed on. */
class Line {
  readonly #socket: WebSocket;
  readonly #asker = new Asker((text) => this.#socket.send(text));
  readonly closed: Promise<void>;

  constructor(session: CreateSessionReply, onNotice: (event: NotificationName, data: unknown) => void) {
    this.#socket = new WebSocket(session.wsUrl, [
      SIGNALLING_PROTOCOL,
      `${TOKEN_PROTOCOL_PREFIX}${session.sessionToken}`,
    ]);
    this.#socket.addEventListener('message', ({ data }) => {
      const frame = parseJson(ServerFrame, String(data));
      this.#asker.hear(frame);
      if (frame.t === 'ntf' && isNotificationName(frame.event)) onNotice(frame.event, frame.data);
    });
    this.closed = new Promise((resolve) => this.#socket.addEventListener('close', () => resolve()));
  }

  request<M extends RequestMethod>(method: M, data: RequestInput<M>): Promise<unknown> {
    return this.#asker.request(method, data);
  }
}

/** Somebody in a call who does as nodes ask: moves when told to. Without media. */
export class MovingGuest {
  readonly heard: NotificationName[] = [];
  /** On which node it is, and was. */
  readonly nodes: string[] = [];
  /** How its last connection ended, if it was not asked for. */
  troubles: unknown[] = [];
  readonly #url: string;
  readonly #room: string;
  #userToken = '';
  #session: CreateSessionReply | undefined;
  #line: Line | undefined;
  #moving: Promise<void> = Promise.resolve();

  private constructor(url: string, room: string) {
    this.#url = url;
    this.#room = room;
  }

  static async join(url: string, room: string, name: string, region?: string): Promise<MovingGuest> {
    const guest = new MovingGuest(url, room);
    guest.#userToken = await enterAsGuest(url, name);
    await guest.#attach({ handover: false, ...(region === undefined ? {} : { region }) });
    return guest;
  }

  get sessionId(): string | undefined {
    return this.#session?.sessionId;
  }

  async leave(): Promise<void> {
    await this.#moving;
    await this.#line?.request('leave', {});
    await this.#line?.closed;
  }

  async #attach({ handover, region }: { handover: boolean; region?: string }): Promise<void> {
    const former = this.#session;
    const session = await post(
      CreateSessionReply,
      `${this.#url}/v1/sessions`,
      {
        room: this.#room,
        ...(region === undefined ? {} : { region }),
        ...(former === undefined ? {} : { previousSessionToken: former.sessionToken, avoid: [former.decision.nodeId] }),
      },
      this.#userToken,
    );
    const welcomed = Promise.withResolvers<unknown>();
    const line = new Line(session, (event, data) => {
      this.heard.push(event);
      if (event === 'welcome') welcomed.resolve(data);
      if (event === 'session-ended') this.troubles.push(data);
      if (event === 'move-asked') this.#moving = this.#moving.then(() => this.#move());
    });
    const { routerRtpCapabilities } = readNotification('welcome', await welcomed.promise);
    const place = await post(JoinRoomReply, `${this.#url}/v1/rooms/${this.#room}/join`, {}, session.sessionToken);
    const { roomToken } = place;
    await line.request('join', { roomToken, rtpCapabilities: routerRtpCapabilities, handover });
    this.#session = session;
    this.#line = line;
    this.nodes.push(session.decision.nodeId);
  }

  async #move(): Promise<void> {
    const former = this.#line;
    try {
      await this.#attach({ handover: true });
      await former?.request('leave', {});
    } catch (error) {
      this.troubles.push(error);
    }
  }
}
