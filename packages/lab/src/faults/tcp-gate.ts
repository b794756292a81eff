import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * A TCP address in front of another one. `cut` breaks what runs through it and takes nothing new; `hold` is a
 * network that swallows everything: connections stay, and nothing comes through any more in either direction.
 */
export class TcpGate {
  readonly port: number;
  readonly #server: Server;
  readonly #target: number;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #state: 'open' | 'held' | 'cut' = 'open';

  private constructor(server: Server, port: number, target: number) {
    this.#server = server;
    this.port = port;
    this.#target = target;
    server.on('connection', (client) => this.#join(client));
  }

  /** On a free port of loopback, to another port of loopback. */
  static async open(target: number): Promise<TcpGate> {
    const server = createServer({ noDelay: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the gate has no port');
    return new TcpGate(server, address.port, target);
  }

  cut(): void {
    this.#state = 'cut';
    this.#breakAll();
  }

  /** Breaks what runs through it now; new connections are welcome. */
  drop(): void {
    this.#breakAll();
  }

  hold(): void {
    this.#state = 'held';
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  /** What was held back meanwhile is lost with its connections, as after a partition that lasted long. */
  mend(): void {
    if (this.#state === 'held') this.#breakAll();
    this.#state = 'open';
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.cut();
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #breakAll(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  #join(client: Socket): void {
    if (this.#state === 'cut') {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ host: '127.0.0.1', port: this.#target, noDelay: true });
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    client.on('data', (chunk) => server.write(chunk));
    server.on('data', (chunk) => client.write(chunk));
    if (this.#state === 'held') for (const socket of pair) socket.pause();
  }
}
