import {
  ClientFrame,
  CreateSessionReply,
  ERRORS,
  ErrorBody,
  JoinRoomReply,
  parseJson,
  parseOrThrow,
  REQUESTS,
  type RequestMethod,
  ServerFrame,
  SIGNALLING_PROTOCOL,
  TOKEN_PROTOCOL_PREFIX,
} from '@meridian/protocol';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { enterAsGuest, post } from '../light/api.ts';
import { garble, type Json, mutate, nastyValue } from './mutate.ts';
import type { Random } from './random.ts';
import { type Knowledge, REQUEST_SAMPLES } from './samples.ts';
import type { Tally } from './tally.ts';

const METHODS = Object.keys(REQUESTS).filter((name): name is RequestMethod => Object.hasOwn(REQUESTS, name));
/** Unanswered requests that are under way at most. */
const WINDOW = 200;
const ANSWER_MS = 10_000;
const LOOK_MS = 20;
const JOIN_ATTEMPTS = 50;
const JOIN_PAUSE_MS = 200;
const Joined = REQUESTS.join.reply;
const Opened = z.object({ producerId: z.string().optional(), consumerId: z.string().optional() });

/** A participant with a valid session that sends frames no client would send, and checks each answer. */
export class FrameAttacker {
  readonly #options: { url: string; room: string; region: string };
  readonly #random: Random;
  readonly #tally: Tally;
  readonly #pending = new Map<number, { method: string; text: string }>();
  #userToken: string | undefined;
  #session: CreateSessionReply | undefined;
  #socket: WebSocket | undefined;
  #known: { -readonly [K in keyof Knowledge]: Knowledge[K] } | undefined;
  #maxFrameBytes = 65_536;
  #nextId = 1;
  #wake: (() => void) | undefined;

  constructor(options: { url: string; room: string; region: string; random: Random; tally: Tally }) {
    this.#options = options;
    this.#random = options.random;
    this.#tally = options.tally;
  }

  get sessionId(): string | undefined {
    return this.#session?.sessionId;
  }

  get sessionToken(): string | undefined {
    return this.#session?.sessionToken;
  }

  get wsUrl(): string | undefined {
    return this.#session?.wsUrl;
  }

  get userToken(): string | undefined {
    return this.#userToken;
  }

  /** Sends so many requests over the connection of a participant; comes back into the room when it was put out. */
  async sendRequests(count: number): Promise<void> {
    for (let left = count; left > 0; left -= 1) {
      if (this.#socket?.readyState !== WebSocket.OPEN && !(await this.#enter())) return;
      await this.#room();
      this.#sendRequest();
    }
    await this.#drained();
  }

  /** Garbage that ends its connection: each on an attached connection of its own. */
  async sendGarbage(count: number): Promise<void> {
    for (let left = count; left > 0; left -= 1) {
      if (this.#session === undefined && !(await this.#enter())) return;
      const session = this.#session;
      if (session === undefined) return;
      const socket = new WebSocket(session.wsUrl, [
        SIGNALLING_PROTOCOL,
        `${TOKEN_PROTOCOL_PREFIX}${session.sessionToken}`,
      ]);
      const closed = new Promise<number>((resolve) => {
        socket.once('close', (code) => resolve(code));
        socket.once('error', () => {});
      });
      await Promise.race([closed, new Promise((resolve) => socket.once('message', resolve))]);
      if (socket.readyState === WebSocket.OPEN) this.#sendOneGarbage(socket);
      this.#tally.sent += 1;
      const code = await Promise.race([closed, this.#answerToPing(socket)]);
      socket.terminate();
      this.#tally.add('garbage frames', code === 'lives' ? 'ignored' : `closed with ${code}`);
      if (typeof code === 'number' && !CLOSE_CODES.has(code))
        this.#tally.violation(`garbage was answered by close code ${code}`);
    }
    // The participant's own connection was replaced by these.
    this.#socket?.terminate();
    this.#socket = undefined;
  }

  close(): void {
    this.#socket?.terminate();
  }

  #sendOneGarbage(socket: WebSocket): void {
    const random = this.#random;
    const text = JSON.stringify({ t: 'req', id: 1, method: 'get-stats', data: {} });
    switch (random.below(6)) {
      case 0:
        socket.send(garble(text, random), { binary: true });
        break;
      case 1:
        socket.send('x'.repeat(this.#maxFrameBytes + 1 + random.below(this.#maxFrameBytes)));
        break;
      case 2:
        socket.send('x'.repeat(this.#maxFrameBytes * 5));
        break;
      case 3:
        socket.send(text.slice(0, 5), { fin: false });
        socket.send(garble(text.slice(5), random).toString(), { fin: random.chance(0.7) });
        break;
      case 4:
        socket.send(JSON.stringify(mutate({ t: 'req', id: 1, method: 'get-stats', data: {} }, random)));
        break;
      default:
        // As text, whatever it is: invalid UTF-8 has to be refused by the WebSocket itself.
        socket.send(garble(text, random), { binary: false });
    }
  }

  #answerToPing(socket: WebSocket): Promise<'lives' | number> {
    return new Promise((resolve) => {
      if (socket.readyState !== WebSocket.OPEN) return;
      socket.once('pong', () => setTimeout(() => resolve('lives'), 5));
      socket.ping();
      setTimeout(() => resolve(0), ANSWER_MS).unref();
    });
  }

  #sendRequest(): void {
    const random = this.#random;
    const known = this.#known;
    if (known === undefined) return;
    const method = random.pick(METHODS);
    if (method === 'leave' && !random.chance(0.005)) return;
    const id = this.#nextId++;
    const sample = REQUEST_SAMPLES[method](known, random);
    let frame: Json = { t: 'req', id, method, data: random.chance(0.05) ? sample : mutate(sample, random) };
    if (random.chance(0.1)) {
      const changed = random.chance(0.5)
        ? { ...frame, method: random.pick(['__proto__', 'constructor', 'toString', '', 'jOIN', 'join ']) }
        : { ...frame, extra: nastyValue(random) };
      frame = changed;
    }
    const text = JSON.stringify(frame);
    // What is no frame at all ends the connection: that is the other attack.
    if (!ClientFrame.safeParse(JSON.parse(text)).success || Buffer.byteLength(text) > this.#maxFrameBytes) return;
    this.#pending.set(id, { method, text: text.slice(0, 400) });
    this.#socket?.send(text);
    this.#tally.sent += 1;
  }

  /** Gets into the room, at the latest after some tries: the cluster may be healing from another attack. */
  async #enter(): Promise<boolean> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#join();
        return true;
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        this.#tally.add('joins', `refused: ${why}`);
        if (attempt === JOIN_ATTEMPTS) {
          this.#tally.violation(`an attacker with a valid session does not get in any more: ${why}`);
          return false;
        }
        await new Promise((resolve) => setTimeout(resolve, JOIN_PAUSE_MS));
      }
    }
  }

  async #join(): Promise<void> {
    const { url, room, region } = this.#options;
    this.#pending.clear();
    this.#userToken ??= await enterAsGuest(url, 'Attacker');
    const session = await post(CreateSessionReply, `${url}/v1/sessions`, { room, region }, this.#userToken);
    this.#session = session;
    const socket = new WebSocket(session.wsUrl, [
      SIGNALLING_PROTOCOL,
      `${TOKEN_PROTOCOL_PREFIX}${session.sessionToken}`,
    ]);
    const first = Promise.withResolvers<void>();
    const joined = Promise.withResolvers<z.infer<typeof Joined>>();
    socket.on('error', () => {});
    socket.on('close', (code, reason) => {
      first.reject(new Error(`closed with ${code} ${reason.toString()}`));
      joined.reject(new Error(`closed with ${code} ${reason.toString()}`));
      this.#tally.add('connections', `closed with ${code}`);
      if (socket === this.#socket && !CLOSE_CODES.has(code))
        this.#tally.violation(`an attacker was cut off with ${code}`);
    });
    joined.promise.catch(() => {});
    first.promise.catch(() => {});
    socket.on('message', (raw) => {
      const frame = parseJson(ServerFrame, raw.toString(), 'internal', 'server frame');
      if (frame.t === 'ntf' && frame.event === 'welcome') first.resolve();
      if (frame.t === 'res' && frame.id === 0) joined.resolve(parseOrThrow(Joined, frame.data, 'internal', 'join'));
      else if (frame.t === 'res') this.#answered(frame.id, 'ok', frame.data);
      else if (frame.t === 'err') {
        if (frame.id === 0) joined.reject(new Error(frame.error.code));
        else this.#answered(frame.id, frame.error.code, frame.error);
      } else if (frame.t === 'ntf' && frame.event === 'consumer-opened') this.#learn(frame.data);
    });
    await first.promise;
    const place = await post(JoinRoomReply, `${url}/v1/rooms/${room}/join`, {}, session.sessionToken);
    socket.send(
      JSON.stringify({
        t: 'req',
        id: 0,
        method: 'join',
        data: { roomToken: place.roomToken, rtpCapabilities: { codecs: [], headerExtensions: [] } },
      }),
    );
    const { sendTransport, recvTransport, producers, participants } = await joined.promise;
    this.#socket = socket;
    this.#known = {
      sendTransportId: sendTransport.id,
      recvTransportId: recvTransport.id,
      producerIds: ['no-such-producer', ...producers.map(({ producerId }) => producerId)],
      consumerIds: ['no-such-consumer'],
      sessionIds: ['no-such-session', ...participants.map(({ sessionId }) => sessionId)],
      roomToken: place.roomToken,
    };
  }

  #answered(id: number, outcome: string, body: unknown): void {
    const asked = this.#pending.get(id);
    this.#pending.delete(id);
    if (this.#pending.size === 0 || this.#pending.size < WINDOW / 2) this.#wake?.();
    if (asked === undefined) return;
    this.#tally.add(`request ${asked.method}`, outcome);
    if (outcome === 'ok') {
      this.#learn(body);
      return;
    }
    if (!Object.hasOwn(ERRORS, outcome) || !ErrorBody.safeParse(body).success) {
      this.#tally.violation(`an answer has no stable code: ${JSON.stringify(body)}`);
    }
    if (outcome === 'internal') this.#tally.violation(`the node failed by itself at ${asked.text}`);
  }

  #learn(body: unknown): void {
    const opened = Opened.safeParse(body);
    if (!opened.success || this.#known === undefined) return;
    const { producerId, consumerId } = opened.data;
    if (producerId !== undefined) this.#known.producerIds = [...this.#known.producerIds.slice(-20), producerId];
    if (consumerId !== undefined) this.#known.consumerIds = [...this.#known.consumerIds.slice(-20), consumerId];
  }

  /** Waits while too many are unanswered. */
  async #room(): Promise<void> {
    const since = performance.now();
    while (this.#pending.size >= WINDOW && this.#socket?.readyState === WebSocket.OPEN) {
      await this.#nextAnswer();
      if (performance.now() - since > ANSWER_MS) this.#unanswered();
    }
  }

  async #drained(): Promise<void> {
    const since = performance.now();
    while (this.#pending.size > 0 && this.#socket?.readyState === WebSocket.OPEN) {
      await this.#nextAnswer();
      if (performance.now() - since > ANSWER_MS) this.#unanswered();
    }
    this.#pending.clear();
  }

  /** Looks again after an answer, or soon. */
  #nextAnswer(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, LOOK_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #unanswered(): void {
    for (const { text } of this.#pending.values()) this.#tally.violation(`no answer within ${ANSWER_MS} ms: ${text}`);
    this.#pending.clear();
  }
}

/** Codes that say what was wrong: of the table of errors, and of the WebSocket protocol itself. */
const CLOSE_CODES: ReadonlySet<number> = new Set([
  1_000,
  1_002,
  1_003,
  1_005,
  1_006,
  1_007,
  1_009,
  ...Object.values(ERRORS).map(({ close }) => close),
]);
