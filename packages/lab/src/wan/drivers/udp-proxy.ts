import type { RemoteInfo, Socket } from 'node:dgram';
import type { Link } from '../link.ts';
import type { Scheduler } from '../scheduler.ts';
import { type DatagramObserver, DatagramPath } from './datagram-path.ts';
import { bindUdp, requireLoopback } from './loopback.ts';

export interface UdpProxyOptions {
  readonly scheduler: Scheduler;
  readonly target: { readonly host: string; readonly port: number };
  /** From clients to the target, in order. */
  readonly up: readonly Link[];
  /** From the target to clients, in order. */
  readonly down: readonly Link[];
  readonly host?: string | undefined;
  /** Clients kept at once; one more pushes out the one silent for longest. Default 256. */
  readonly maxClients?: number | undefined;
  readonly observer?: { readonly up?: DatagramObserver; readonly down?: DatagramObserver } | undefined;
}

interface Client {
  readonly upstream: Promise<Socket>;
  /** The same, once it is open. */
  socket: Socket | undefined;
  seenMs: number;
}

/**
 * A UDP address that stands for another one at the far end of some links. Every client has a socket of its own
 * towards the target, which so can tell them apart and answer each.
 */
export class UdpProxy {
  readonly host: string;
  readonly port: number;
  readonly #front: Socket;
  readonly #options: UdpProxyOptions;
  readonly #up: DatagramPath;
  readonly #down: DatagramPath;
  readonly #clients = new Map<string, Client>();
  #closing: Promise<void> | undefined;

  private constructor(front: Socket, options: UdpProxyOptions) {
    const { scheduler } = options;
    this.#front = front;
    this.#options = options;
    this.#up = new DatagramPath({ links: options.up, scheduler, observer: options.observer?.up });
    this.#down = new DatagramPath({ links: options.down, scheduler, observer: options.observer?.down });
    const address = front.address();
    this.host = address.address;
    this.port = address.port;
    front.on('message', (payload, from) => void this.#fromClient(payload, from));
  }

  static async open(options: UdpProxyOptions): Promise<UdpProxy> {
    requireLoopback(options.target.host);
    return new UdpProxy(await bindUdp(requireLoopback(options.host ?? '127.0.0.1')), options);
  }

  /** How many clients have a socket towards the target. */
  get clients(): number {
    return this.#clients.size;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const clients = [...this.#clients.values()];
    this.#clients.clear();
    const closed = (socket: Socket) => new Promise<void>((resolve) => socket.close(() => resolve()));
    await Promise.all([
      closed(this.#front),
      ...clients.map(async (client) => {
        const upstream = await client.upstream.catch(() => undefined);
        if (upstream !== undefined) await closed(upstream);
      }),
    ]);
  }

  #fromClient(payload: Buffer, from: RemoteInfo): void {
    if (this.#closing !== undefined) return;
    const key = `${from.address}:${from.port}`;
    let client = this.#clients.get(key);
    if (client === undefined) {
      this.#makeRoom();
      const opened: Client = { upstream: this.#openUpstream(from), socket: undefined, seenMs: 0 };
      opened.upstream.then(
        (socket) => {
          opened.socket = socket;
        },
        () => this.#clients.delete(key),
      );
      this.#clients.set(key, opened);
      client = opened;
    }
    const known = client;
    const { target } = this.#options;
    known.seenMs = this.#options.scheduler.now();
    this.#up.send(payload, (arrived) => {
      // At once where the socket is open: a promise's continuation would wait for the end of the tick.
      const send = (socket: Socket): void => {
        // A client that was pushed out has no socket any more.
        if (this.#clients.get(key) === known) socket.send(arrived, target.port, target.host);
      };
      if (known.socket === undefined) known.upstream.then(send, () => {});
      else send(known.socket);
    });
  }

  async #openUpstream(client: RemoteInfo): Promise<Socket> {
    const { target } = this.#options;
    const socket = await bindUdp('127.0.0.1');
    socket.on('message', (payload, from) => {
      if (from.port !== target.port || from.address !== target.host) return;
      this.#down.send(payload, (arrived) => {
        if (this.#closing === undefined) this.#front.send(arrived, client.port, client.address);
      });
    });
    return socket;
  }

  #makeRoom(): void {
    if (this.#clients.size < (this.#options.maxClients ?? 256)) return;
    let oldest: [string, Client] | undefined;
    for (const entry of this.#clients) if (oldest === undefined || entry[1].seenMs < oldest[1].seenMs) oldest = entry;
    if (oldest === undefined) return;
    this.#clients.delete(oldest[0]);
    oldest[1].upstream.then(
      (socket) => socket.close(),
      () => {},
    );
  }
}
