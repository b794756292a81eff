import { connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP hop in front of Redis that can be cut, held still, or told to lose what Redis publishes. */
export class Hop {
  readonly #server: Server;
  readonly #to: number;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #refusing = false;
  #deafSubscribers = false;

  private constructor(server: Server, to: number) {
    this.#server = server;
    this.#to = to;
    server.on('connection', (client) => this.#join(client));
  }

  static async open(to: number): Promise<Hop> {
    const server = createServer();
    const hop = new Hop(server, to);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return hop;
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the hop has no port');
    return `redis://127.0.0.1:${address.port}`;
  }

  /** Connections break and no new ones come through. */
  cut(): void {
    this.#refusing = true;
    for (const [client, server] of this.#pairs) {
      client.destroy();
      server.destroy();
    }
  }

  mend(): void {
    this.#refusing = false;
  }

  /** Nothing that is published comes through any more, while commands do: as when pub/sub is broken. */
  loseMessages(lose: boolean): void {
    this.#deafSubscribers = lose;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(client: Socket): void {
    if (this.#refusing) {
      client.destroy();
      return;
    }
    const server = connect(this.#to, '127.0.0.1');
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    client.pipe(server);
    server.on('data', (chunk) => {
      // A push of RESP3 begins with ">": on such a connection only the answers to SUBSCRIBE are let through.
      if (this.#deafSubscribers && chunk.includes('$7\r\nmessage\r\n')) return;
      client.write(chunk);
    });
  }
}
