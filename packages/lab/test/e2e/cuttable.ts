import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket, connect as tcpConnect } from 'node:net';

/** A TCP way to a server on loopback that a test can cut, freeze and open again. */
export class CuttableWay {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs = new Set<{ client: Socket; upstream: Socket }>();
  /** New connections are refused (closed at once). */
  refuses = false;
  /** Connections, that are open or come, stay open, but nothing gets through: half-open to both ends. */
  #frozen = false;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as AddressInfo).port;
  }

  static async open(targetPort: number): Promise<CuttableWay> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const way = new CuttableWay(server);
    server.on('connection', (client) => way.#join(client, targetPort));
    return way;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Resets everything that is open. Returns how many there were. */
  cut(): number {
    const { size } = this.#pairs;
    for (const { client, upstream } of [...this.#pairs]) {
      client.resetAndDestroy();
      upstream.resetAndDestroy();
    }
    return size;
  }

  freeze(frozen: boolean): void {
    this.#frozen = frozen;
    for (const { client, upstream } of this.#pairs) {
      for (const socket of [client, upstream]) {
        if (frozen) socket.pause();
        else socket.resume();
      }
    }
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #join(client: Socket, targetPort: number): void {
    if (this.refuses) {
      client.resetAndDestroy();
      return;
    }
    const upstream = tcpConnect(targetPort, '127.0.0.1');
    const pair = { client, upstream };
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      from.on('data', (chunk) => to.write(chunk));
      from.on('error', end);
      from.on('close', end);
    }
    if (this.#frozen) {
      client.pause();
      upstream.pause();
    }
  }
}
