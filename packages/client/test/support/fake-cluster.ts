import {
  type ChatMessage,
  ClientFrame,
  type ErrorCode,
  MeridianError,
  type NotificationName,
  parseJson,
  parseOrThrow,
  parseResumeProtocol,
  REQUESTS,
  type RequestMethod,
} from '@meridian/protocol';
import { testFakeParameters } from 'mediasoup-client';
import type { SocketEvents } from '../../src/index.ts';
import { participant } from './builders.ts';
import { type FakeRuntime, HttpFailure } from './fake-runtime.ts';

export const ROOM_URL = 'https://meet.example.org/r/weekly';

type Reply = (data: unknown) => unknown;

/** What a node keeps of one attachment over its WebSockets. */
class FakeAttachment {
  epoch: number;
  seq = 0;
  /** Notifications by number, as they were sent. */
  readonly log = new Map<number, unknown>();
  /** Requests by id, with the frame that answered each. */
  readonly answered = new Map<number, unknown>();
  readonly running = new Set<number>();
  readonly requests: { method: string; data: unknown }[] = [];
  connection: FakeConnection | undefined;
  /** The node has forgotten it: nothing to resume. */
  gone = false;

  constructor(epoch: number) {
    this.epoch = epoch;
  }
}

/** A node's end of one WebSocket, with answers that a test may replace. */
export class FakeConnection {
  readonly nodeId: string;
  readonly sessionToken: string;
  readonly attachment: FakeAttachment;
  readonly resumed: boolean;
  readonly #events: SocketEvents;
  readonly #answer: (method: string, data: unknown) => unknown;
  #open = true;
  pings = 0;
  /** What the client's last ping acknowledged. */
  acknowledged: number | undefined;
  /** Keep answers back until `release`. */
  hold = false;
  readonly #held: { method: string; answer: () => void }[] = [];
  /** Goes deaf: answers nothing any more, as a frozen process. */
  deaf = false;
  closedByClient: { code: number; reason: string } | undefined;

  constructor(options: {
    nodeId: string;
    sessionToken: string;
    attachment: FakeAttachment;
    resumed: boolean;
    events: SocketEvents;
    answer: (method: string, data: unknown) => unknown;
  }) {
    this.nodeId = options.nodeId;
    this.sessionToken = options.sessionToken;
    this.attachment = options.attachment;
    this.resumed = options.resumed;
    this.attachment.connection = this;
    this.#events = options.events;
    this.#answer = options.answer;
  }

  get epoch(): number {
    return this.attachment.epoch;
  }

  get requests(): { method: string; data: unknown }[] {
    return this.attachment.requests;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  get methods(): string[] {
    return this.requests.map(({ method }) => method);
  }

  of(method: RequestMethod): unknown[] {
    return this.requests.filter((one) => one.method === method).map(({ data }) => data);
  }

  /** Kept for a resume when nobody is there to hear it. */
  notify(event: NotificationName | string, data: unknown): void {
    const { attachment } = this;
    attachment.seq += 1;
    const frame = { t: 'ntf', seq: attachment.seq, event, data };
    attachment.log.set(attachment.seq, frame);
    (attachment.connection ?? this).raw(frame);
  }

  /** `welcome`, and after a resume what was missed since `from`. */
  welcome(data: unknown, from?: number): void {
    if (from === undefined) {
      this.notify('welcome', data);
      return;
    }
    this.raw({ t: 'ntf', seq: from, event: 'welcome', data });
    for (const [seq, frame] of this.attachment.log) if (seq > from) this.raw(frame);
  }

  raw(frame: unknown): void {
    if (this.#open) this.#events.message(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  skipNumbers(count: number): void {
    this.attachment.seq += count;
  }

  end(code: number, reason = ''): void {
    if (!this.#open) return;
    this.#open = false;
    this.#events.closed({ code, reason });
  }

  receive(text: string): void {
    if (!this.#open || this.deaf) return;
    const frame = parseJson(ClientFrame, text);
    if (frame.t === 'ping') {
      this.pings += 1;
      this.acknowledged = frame.seq;
      queueMicrotask(() => this.raw({ t: 'pong', id: frame.id }));
      return;
    }
    const { id, method } = frame;
    const { answered, running } = this.attachment;
    const before = answered.get(id);
    if (before !== undefined) return void queueMicrotask(() => this.raw(before));
    if (running.has(id)) return;
    running.add(id);
    this.requests.push({ method, data: frame.data });
    const answer = () => this.#reply(id, method, frame.data);
    if (this.hold) this.#held.push({ method, answer });
    else queueMicrotask(answer);
  }

  /** Answers held requests, the oldest of each method first. */
  release(...methods: RequestMethod[]): void {
    for (const method of methods) {
      const index = this.#held.findIndex((one) => one.method === method);
      if (index < 0) throw new Error(`no ${method} is waiting`);
      this.#held.splice(index, 1)[0]?.answer();
    }
  }

  #reply(id: number, method: string, asked: unknown): void {
    try {
      const known = REQUESTS[method as RequestMethod];
      const data: unknown = parseOrThrow(known.request, asked);
      this.#answerWith(id, { t: 'res', id, ok: true, data: this.#answer(method, data) });
    } catch (error) {
      if (error instanceof MeridianError) this.#answerWith(id, { t: 'err', id, error: error.toBody() });
      else throw error;
    }
  }

  #answerWith(id: number, frame: unknown): void {
    this.attachment.answered.set(id, frame);
    (this.attachment.connection ?? this).raw(frame);
  }

  closedBy(code: number, reason: string): void {
    this.closedByClient = { code, reason };
    if (!this.#open) return;
    this.#open = false;
    queueMicrotask(() => this.#events.closed({ code, reason }));
  }
}

/** A session service and its nodes, as far as a client can tell. */
export class FakeCluster {
  readonly connections: FakeConnection[] = [];
  readonly sessionRequests: Record<string, unknown>[] = [];
  nodes = ['ams-1', 'sin-1'];
  /** How long lost connections can be resumed; 0: not at all. */
  resumeWindowMs = 0;
  pingEveryMs = 5_000;
  deadAfterMs = 12_000;
  /** WebSockets are neither accepted nor refused. */
  readonly black = new Set<string>();
  /** Nodes whose WebSocket cannot be reached. */
  readonly dead = new Set<string>();
  /** Replace an HTTP answer: `POST /v1/sessions` -> what to do. Return undefined for the usual answer. */
  readonly http = new Map<string, (body: unknown, token: string | undefined) => unknown>();
  /** Replace the answer to a signalling request. */
  readonly answers = new Map<string, Reply>();
  /** New connections keep their answers back. */
  holdAnswers = false;
  /** Nodes close in place of a welcome. */
  closeInstead: { code: number; reason: string } | undefined;
  readonly room = ROOM;
  participants: unknown[] = [];
  producers: unknown[] = [];
  messages: ChatMessage[] = [];
  /** Replaces `messages`. */
  onMessages: ((url: URL) => unknown) | undefined;
  #sessions = 0;
  #published = 0;

  /** Answers all that this runtime asks for. */
  serve(runtime: FakeRuntime): void {
    runtime.onFetch = ({ method, url, token, body }) => this.#onFetch(method, url, token, body);
    runtime.onSocket = (url, protocols, events) => this.#onSocket(url, protocols, events);
  }

  /** The newest one. */
  get connection(): FakeConnection {
    const last = this.connections.at(-1);
    if (last === undefined) throw new Error('nobody has connected');
    return last;
  }

  consumer(consumerId: string, more: Record<string, unknown> = {}): Record<string, unknown> {
    const { kind, rtpParameters } = testFakeParameters.generateConsumerRemoteParameters({
      id: consumerId,
      codecMimeType: more.kind === 'video' ? 'video/VP8' : 'audio/opus',
    });
    return {
      consumerId,
      producerId: `p-${consumerId}`,
      sessionId: 's-other',
      kind,
      source: kind === 'video' ? 'camera' : 'microphone',
      type: kind === 'video' ? 'simulcast' : 'simple',
      rtpParameters,
      producerPaused: false,
      ...more,
    };
  }

  fail(code: ErrorCode): never {
    const error = new MeridianError(code);
    throw new HttpFailure(error.status, { error: error.toBody() });
  }

  refuse(method: RequestMethod, code: ErrorCode): void {
    this.answers.set(method, () => {
      throw new MeridianError(code);
    });
  }

  #onFetch(method: string, url: URL, token: string | undefined, body: unknown): unknown {
    const key = `${method} ${url.pathname}`;
    const replaced = this.http.get(key)?.(body, token);
    if (replaced !== undefined) return replaced;
    switch (key) {
      case 'POST /v1/guests':
        return {
          user: { userId: 'user-1', kind: 'guest', name: 'Anna' },
          userToken: 'user-token',
          expiresAtMs: 9_999_999,
        };
      case 'GET /v1/nodes':
        return {
          nodes: this.nodes.map((nodeId) => ({
            nodeId,
            region: nodeId.slice(0, 3),
            regionName: nodeId,
            coordinates: { latitude: 0, longitude: 0 },
            probeUrl: `https://${nodeId}.example.org/probe`,
            state: 'ready',
            load: { sessions: 0, maxSessions: 100 },
            distanceKm: null,
          })),
          location: null,
          locatedBy: 'none',
          probe: 3,
        };
      case 'GET /probe':
        return {};
      case 'POST /v1/sessions':
        return this.#createSession(parseRecord(body));
      case 'POST /v1/rooms/weekly/join':
        return {
          roomToken: `room-token-for-${token}`,
          expiresAtMs: 9_999_999,
          room: ROOM,
          grants: GRANTS,
        };
      case 'GET /v1/rooms/weekly/messages':
        return this.onMessages?.(url) ?? { messages: this.messages, before: null };
      default:
        throw new HttpFailure(404, { error: new MeridianError('not-found').toBody() });
    }
  }

  #createSession(body: Record<string, unknown>): unknown {
    this.sessionRequests.push(body);
    const avoid = Array.isArray(body.avoid) ? body.avoid : [];
    const nodeId = this.nodes.find((one) => !avoid.includes(one)) ?? this.nodes[0] ?? 'none';
    const previous = typeof body.previousSessionToken === 'string' ? body.previousSessionToken : undefined;
    this.#sessions += 1;
    const sessionId = previous?.split('.')[1] ?? `s-${this.#sessions}`;
    return {
      sessionId,
      sessionToken: `token${this.#sessions}.${sessionId}`,
      expiresAtMs: 9_999_999,
      wsUrl: `wss://${nodeId}.example.org/ws`,
      decision: {
        nodeId,
        region: nodeId.slice(0, 3),
        reason: 'lowest-rtt',
        explanation: 'It answered fastest.',
        rttMs: 12,
        distanceKm: null,
      },
      iceServers: [],
    };
  }

  #onSocket(url: string, protocols: readonly string[], events: SocketEvents) {
    const nodeId = new URL(url).hostname.split('.')[0] ?? '';
    if (this.dead.has(nodeId)) {
      queueMicrotask(() => events.closed({ code: 1006, reason: '' }));
      return { send() {}, close() {} };
    }
    if (this.black.has(nodeId)) return { send() {}, close() {} };
    const sessionToken = (protocols[1] ?? '').replace('meridian.token.', '');
    const point = parseResumeProtocol(protocols[2] ?? '');
    const epoch = this.connections.length + 1;
    const old = this.connections.findLast(
      (one) => one.nodeId === nodeId && one.epoch === point?.epoch && !one.attachment.gone,
    )?.attachment;
    const resumed = point !== undefined && old !== undefined && point.seq <= old.seq;
    const attachment = resumed ? old : new FakeAttachment(epoch);
    attachment.epoch = epoch;
    const connection = new FakeConnection({
      nodeId,
      sessionToken,
      attachment,
      resumed,
      events,
      answer: this.#answersFor(nodeId, sessionToken),
    });
    connection.hold = this.holdAnswers;
    this.connections.push(connection);
    queueMicrotask(() => {
      events.open();
      if (this.closeInstead !== undefined) return connection.end(this.closeInstead.code, this.closeInstead.reason);
      connection.welcome(
        {
          sessionId: sessionToken.split('.')[1],
          nodeId,
          region: nodeId.slice(0, 3),
          epoch: connection.epoch,
          routerRtpCapabilities: testFakeParameters.generateRouterRtpCapabilities(),
          pingEveryMs: this.pingEveryMs,
          deadAfterMs: this.deadAfterMs,
          maxFrameBytes: 65_536,
          resumed,
          resumeWindowMs: this.resumeWindowMs,
        },
        resumed ? point.seq : undefined,
      );
    });
    return {
      send: (text: string) => connection.receive(text),
      close: (code: number, reason: string) => connection.closedBy(code, reason),
    };
  }

  #answersFor(nodeId: string, sessionToken: string): (method: string, data: unknown) => unknown {
    const self = participant(sessionToken.split('.')[1] ?? '', { nodeId, name: 'Anna' });
    const usual: Record<string, Reply> = {
      join: () => ({
        roomId: 'room-1',
        slug: 'weekly',
        grants: GRANTS,
        self,
        revision: 1,
        participants: [self, ...this.participants],
        producers: this.producers,
        dataProducers: [],
        sendTransport: transport(),
        recvTransport: transport(),
      }),
      publish: () => {
        this.#published += 1;
        return { producerId: `producer-${this.#published}` };
      },
      'publish-data': () => ({ dataProducerId: 'data-producer-1' }),
      'restart-ice': () => ({ iceParameters: transport().iceParameters }),
    };
    return (method, data) => this.answers.get(method)?.(data) ?? usual[method]?.(data) ?? {};
  }
}

const GRANTS = { publish: true, subscribe: true, chat: true, moderate: false };
const ROOM = {
  roomId: 'room-1',
  slug: 'weekly',
  title: 'Weekly',
  visibility: 'public',
  duplicates: 'allow',
  capacity: 50,
  ownerId: 'user-9',
  createdAtMs: 1,
  path: '/r/weekly',
  role: 'visitor',
};

function transport() {
  const { id, iceParameters, iceCandidates, dtlsParameters, sctpParameters } =
    testFakeParameters.generateTransportRemoteParameters();
  return { id: `t${id}`, iceParameters, iceCandidates, dtlsParameters, sctpParameters };
}

function parseRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}
