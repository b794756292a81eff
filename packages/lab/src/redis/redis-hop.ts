import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { readReply, replyEnd } from './resp.ts';

/** What becomes of a message that Redis publishes to a subscriber. */
export type Fate = 'pass' | 'twice' | 'lose' | 'late';

/** Counts everything that goes through; hops may share one. */
export interface Traffic {
  count: number;
}

export interface RedisHopOptions {
  readonly port: number;
  readonly traffic?: Traffic;
}

/**
 * A TCP hop between one process and Redis. Commands pass untouched; what Redis publishes can be told to come late,
 * twice or not at all, and the connections can be broken.
 */
export class RedisHop {
  readonly #server: Server;
  readonly #options: RedisHopOptions;
  readonly #pipes = new Set<Pipe>();
  readonly #late: (() => void)[] = [];
  #fate: ((text: string) => Fate) | undefined;
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
      late: (deliver) => this.#late.push(deliver),
      ended: () => this.#pipes.delete(pipe),
    });
    this.#pipes.add(pipe);
  }
}

interface PipeHooks {
  readonly fate: (text: string) => Fate;
  readonly late: (deliver: () => void) => void;
  readonly ended: () => void;
}

class Pipe {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #hooks: PipeHooks;
  subscribes = false;
  #rest: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(client: Socket, { port, traffic }: RedisHopOptions, hooks: PipeHooks) {
    this.#client = client;
    this.#hooks = hooks;
    this.#server = connect({ port, host: '127.0.0.1', noDelay: true });
    for (const socket of [client, this.#server]) socket.on('error', () => this.end()).on('close', () => this.end());
    client.on('data', (chunk) => {
      if (traffic) traffic.count += 1;
      if (!this.subscribes && /\r\nsubscribe\r\n/i.test(chunk.toString('latin1'))) this.subscribes = true;
      this.#server.write(chunk);
    });
    this.#server.on('data', (chunk) => {
      if (traffic) traffic.count += 1;
      if (this.subscribes) this.#sift(chunk);
      else client.write(chunk);
    });
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#client.destroy();
    this.#server.destroy();
    this.#hooks.ended();
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
