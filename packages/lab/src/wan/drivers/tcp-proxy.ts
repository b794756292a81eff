import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Link } from '../link.ts';
import type { Scheduler } from '../scheduler.ts';
import { requireLoopback } from './loopback.ts';
import { StreamPath } from './stream-path.ts';

/** What a segment carries at most and what its headers take (IPv4, TCP, time stamps), bytes. */
const SEGMENT_BYTES = 1_448;
const TCP_HEADERS = 52;
/** Bytes on their way in one direction before its sender is not read from any more. */
const WINDOW_BYTES = 4 << 20;

export interface TcpProxyOptions {
  readonly scheduler: Scheduler;
  readonly target: { readonly host: string; readonly port: number };
  readonly up: readonly Link[];
  readonly down: readonly Link[];
  readonly host?: string | undefined;
}

/**
 * A TCP address that stands for another one at the far end of some links. The handshake costs what it would:
 * the target sees a connection one way later, and the client's first byte sets out after a round trip.
 */
export class TcpProxy {
  readonly host: string;
  readonly port: number;
  readonly #server: Server;
  readonly #connections: Set<Connection>;
  #closing: Promise<void> | undefined;

  private constructor(server: Server, connections: Set<Connection>, address: { host: string; port: number }) {
    this.#server = server;
    this.#connections = connections;
    this.host = address.host;
    this.port = address.port;
  }

  static async open(options: TcpProxyOptions): Promise<TcpProxy> {
    requireLoopback(options.target.host);
    const connections = new Set<Connection>();
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (client) => {
      const connection = new Connection(client, options, () => connections.delete(connection));
      connections.add(connection);
    });
    const host = requireLoopback(options.host ?? '127.0.0.1');
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, host, resolve);
    });
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the server has no port');
    return new TcpProxy(server, connections, { host, port: address.port });
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#server.close(() => resolve());
      for (const connection of [...this.#connections]) connection.close();
    });
    return this.#closing;
  }
}

class Connection {
  readonly #client: Socket;
  readonly #up: StreamPath;
  readonly #down: StreamPath;
  readonly #onClosed: () => void;
  #target: Socket | undefined;
  #closed = false;

  constructor(client: Socket, options: TcpProxyOptions, onClosed: () => void) {
    const { scheduler } = options;
    this.#client = client;
    this.#onClosed = onClosed;
    this.#up = new StreamPath({ links: options.up, scheduler });
    this.#down = new StreamPath({ links: options.down, scheduler });
    client.on('error', () => {});
    this.#control(this.#up, () => this.#reach(options.target));
  }

  /** Both ends are torn down; what was on its way is lost. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#up.close();
    this.#down.close();
    this.#client.destroy();
    this.#target?.destroy();
    this.#onClosed();
  }

  /** The client's SYN has arrived. */
  #reach(address: { host: string; port: number }): void {
    const target = connect({ ...address, allowHalfOpen: true, noDelay: true });
    this.#target = target;
    target.on('error', () => {});
    const refused = () => this.#control(this.#down, () => this.#reset(this.#client));
    target.once('error', refused);
    target.once('connect', () => {
      target.off('error', refused);
      this.#pump(this.#client, target, this.#up);
      this.#pump(target, this.#client, this.#down);
      target.pause();
      this.#control(this.#down, () => {
        this.#client.resume();
        this.#control(this.#up, () => target.resume());
      });
    });
  }

  #control(path: StreamPath, deliver: () => void): void {
    path.send({ bytes: TCP_HEADERS, deliver });
  }

  #pump(from: Socket, to: Socket, path: StreamPath): void {
    let onTheWay = 0;
    from.on('data', (chunk: Buffer) => {
      for (let start = 0; start < chunk.length; start += SEGMENT_BYTES) {
        const piece = chunk.subarray(start, start + SEGMENT_BYTES);
        onTheWay += piece.length;
        path.send({
          bytes: piece.length + TCP_HEADERS,
          deliver: () => {
            if (!to.writable) return;
            to.write(piece, () => {
              onTheWay -= piece.length;
              if (onTheWay <= WINDOW_BYTES / 2 && from.isPaused()) from.resume();
            });
          },
        });
      }
      if (onTheWay > WINDOW_BYTES) from.pause();
    });
    from.once('end', () => this.#control(path, () => to.end()));
    from.once('error', () => this.#control(path, () => this.#reset(to)));
    from.once('close', () => {
      if (to.destroyed) this.close();
    });
  }

  /** A reset has arrived at this end. */
  #reset(socket: Socket): void {
    if (!socket.destroyed) socket.resetAndDestroy();
    this.close();
  }
}
