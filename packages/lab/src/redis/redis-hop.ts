import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { readReply, replyEnd } from './resp.ts';

/** What becomes of a message that Redis publishes to a subscriber. */
export type Fate = 'pass' | 'twice' | 'lose' | 'late';

/** Counts everything that goes through, and what is held on its way; hops may share one. */
export interface Traffic {
  count: number;
  held: number;
}

export interface RedisHopOptions {
  readonly port: number;
  readonly traffic?: Traffic;
}

/**
 * A TCP hop between one process and Redis. Commands pass untouched; what Redis publishes can be told to come late,
 * twice or not at all, each connection can be made slower or faster than the other ones, and all can be broken.
 */
export class RedisHop {
  readonly #server: Server;
  readonly #options: RedisHopOptions;
  readonly #pipes = new Set<Pipe>();
  readonly #late: (() => void)[] = [];
  #fate: ((text: string) => Fate) | undefined;
  #pace: (() => number) | undefined;
  #closed = false;

  private constructor(server: Server, options: RedisHopOptions) {
    this.#server = server;
    this.#options = options;
    server.on('connection', (client) => this.#join(client));
  }

  static async open(options: RedisHopOptions): Promise<RedisHop> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new RedisHop(server, options);
  }

  get url(): string {
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the hop has no port');
    return `redis://127.0.0.1:${address.port}`;
  }

  /** Decides from now on, message by message; undefined lets everything pass. */
  judge(fate: ((text: string) => Fate) | undefined): void {
    this.#fate = fate;
  }

  /**
   * Holds from now on what goes over any connection for so many milliseconds, asked piece by piece; each connection keeps
   * its order, one way and the other. Undefined lets everything go at once.
   */
  pace(holdMs: (() => number) | undefined): void {
    this.#pace = holdMs;
  }

  /** What was held back arrives now. */
  release(): void {
    for (const deliver of this.#late.splice(0)) deliver();
  }

  /** Breaks the connection that subscribes; what was on its way is lost. It may be made again. */
  breakSubscription(): void {
    this.#late.length = 0;
    for (const pipe of this.#pipes) if (pipe.subscribes) pipe.end();
  }

  /** Everything breaks for good, as when the process is killed; its port is kept and takes nobody. Idempotent. */
  kill(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#late.length = 0;
    for (const pipe of this.#pipes) pipe.end();
  }

  /** Gives the port away as well: whoever knows it has stopped to connect. Idempotent. */
  free(): void {
    this.kill();
    this.#server.close();
  }

  #join(client: Socket): void {
    if (this.#closed) {
      client.destroy();
      return;
    }
    const pipe = new Pipe(client, this.#options, {
      fate: (text) => this.#fate?.(text) ?? 'pass',
      holdMs: () => this.#pace?.() ?? 0,
      late: (deliver) => this.#late.push(deliver),
      ended: () => this.#pipes.delete(pipe),
    });
    this.#pipes.add(pipe);
  }
}

interface PipeHooks {
  readonly fate: (text: string) => Fate;
  readonly holdMs: () => number;
  readonly late: (deliver: () => void) => void;
  readonly ended: () => void;
}

/** One way of one connection: what is held holds up what comes after it. */
class Queue {
  readonly #waiting: { readonly holdMs: number; readonly pass: () => void }[] = [];

  add(holdMs: number, pass: () => void): void {
    if (this.#waiting.length === 0 && holdMs === 0) {
      pass();
      return;
    }
    this.#waiting.push({ holdMs, pass });
    if (this.#waiting.length === 1) this.#next();
  }

  #next(): void {
    const [first] = this.#waiting;
    if (first === undefined) return;
    const go = () => {
      first.pass();
      this.#waiting.shift();
      this.#next();
    };
    if (first.holdMs === 0) go();
    else setTimeout(go, first.holdMs);
  }
}

class Pipe {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #hooks: PipeHooks;
  readonly #traffic: Traffic | undefined;
  readonly #toRedis = new Queue();
  readonly #fromRedis = new Queue();
  subscribes = false;
  #rest: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(client: Socket, { port, traffic }: RedisHopOptions, hooks: PipeHooks) {
    this.#client = client;
    this.#hooks = hooks;
    this.#traffic = traffic;
    this.#server = connect({ port, host: '127.0.0.1', noDelay: true });
    for (const socket of [client, this.#server]) socket.on('error', () => this.end()).on('close', () => this.end());
    client.on('data', (chunk) => {
      if (!this.subscribes && /\r\nsubscribe\r\n/i.test(chunk.toString('latin1'))) this.subscribes = true;
      this.#hold(this.#toRedis, () => this.#server.write(chunk));
    });
    this.#server.on('data', (chunk) => {
      this.#hold(this.#fromRedis, () => {
        if (this.subscribes) this.#sift(chunk);
        else client.write(chunk);
      });
    });
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#client.destroy();
    this.#server.destroy();
    this.#hooks.ended();
  }

  #hold(queue: Queue, pass: () => void): void {
    const traffic = this.#traffic;
    if (traffic) {
      traffic.count += 1;
      traffic.held += 1;
    }
    queue.add(this.#hooks.holdMs(), () => {
      if (traffic) {
        traffic.count += 1;
        traffic.held -= 1;
      }
      if (!this.#ended) pass();
    });
  }

  #sift(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (let end = replyEnd(this.#rest, at); at < this.#rest.length && end !== undefined; ) {
      this.#pass(this.#rest.subarray(at, end));
      at = end;
      end = at < this.#rest.length ? replyEnd(this.#rest, at) : undefined;
    }
    this.#rest = this.#rest.subarray(at);
  }

  #pass(bytes: Buffer): void {
    const text = publishedText(bytes);
    const deliver = () => void (this.#ended || this.#client.write(bytes));
    const fate = text === undefined ? 'pass' : this.#hooks.fate(text);
    switch (fate) {
      case 'pass':
        deliver();
        break;
      case 'twice':
        deliver();
        deliver();
        break;
      case 'late':
        this.#hooks.late(deliver);
        break;
      case 'lose':
        break;
    }
  }
}

function publishedText(bytes: Buffer): string | undefined {
  if (bytes[0] !== 0x3e && bytes[0] !== 0x2a) return undefined;
  const { reply } = readReply(bytes, 0);
  if (!Array.isArray(reply) || reply[0] !== 'message') return undefined;
  return typeof reply[2] === 'string' ? reply[2] : undefined;
}
