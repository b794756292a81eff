import { createSocket, type Socket } from 'node:dgram';

interface Way {
  readonly upstream: Socket;
  lost: boolean;
}

/** A UDP way to a port on loopback, as a network address translator makes it: each client port has one of its own, and may lose it. */
export class UdpWay {
  readonly #socket = createSocket('udp4');
  readonly #ways = new Map<number, Way>();
  readonly #targetPort: number;

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#socket.on('message', (datagram, { port }) => this.#pass(datagram, port));
  }

  static async open(targetPort: number): Promise<UdpWay> {
    const way = new UdpWay(targetPort);
    await new Promise<void>((resolve) => way.#socket.bind(0, '127.0.0.1', resolve));
    return way;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Nothing passes any more for the ports that have a way now, as when their network is gone; a new port gets a new one. Returns how many. */
  lose(): number {
    let count = 0;
    for (const way of this.#ways.values()) {
      if (!way.lost) count += 1;
      way.lost = true;
    }
    return count;
  }

  async close(): Promise<void> {
    for (const { upstream } of this.#ways.values()) upstream.close();
    this.#ways.clear();
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #pass(datagram: Buffer, port: number): void {
    const way = this.#ways.get(port) ?? this.#open(port);
    if (!way.lost) way.upstream.send(datagram, this.#targetPort, '127.0.0.1');
  }

  #open(port: number): Way {
    const way: Way = { upstream: createSocket('udp4'), lost: false };
    way.upstream.on('message', (datagram) => {
      if (!way.lost) this.#socket.send(datagram, port, '127.0.0.1');
    });
    this.#ways.set(port, way);
    return way;
  }
}
