import { connect, type Socket } from 'node:net';
import { encodeCommand, type Reply, readReply, replyEnd } from './resp.ts';

/** A bare connection to Redis for looking in, and for doing to it what no client of Meridian would. */
export class RawRedis {
  readonly #socket: Socket;
  readonly #waiting: PromiseWithResolvers<Reply>[] = [];
  #rest: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('the connection to Redis is closed'));
    });
  }

  /** @throws Error when nothing listens there */
  static async open(port: number): Promise<RawRedis> {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RawRedis(socket);
  }

  /** @throws Error as Redis answered */
  async send(...parts: (string | number | Buffer)[]): Promise<Reply> {
    const reply = Promise.withResolvers<Reply>();
    this.#waiting.push(reply);
    this.#socket.write(encodeCommand(parts));
    return await reply.promise;
  }

  /** The same for a command that answers with a list of texts. */
  async list(...parts: (string | number)[]): Promise<string[]> {
    const reply = await this.send(...parts);
    return Array.isArray(reply) ? reply.map(String) : [];
  }

  /** Every key that begins so. */
  async keys(prefix = ''): Promise<string[]> {
    return (await this.list('KEYS', `${prefix.replace(/[*?[\]\\]/g, '\\$&')}*`)).sort();
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at < this.#rest.length && replyEnd(this.#rest, at) !== undefined) {
      const { reply, end } = readReply(this.#rest, at);
      const waiting = this.#waiting.shift();
      if (reply instanceof Error) waiting?.reject(reply);
      else waiting?.resolve(reply);
      at = end;
    }
    this.#rest = this.#rest.subarray(at);
  }
}
