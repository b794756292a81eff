import type { Socket } from 'node:dgram';
import { MeridianError } from '@meridian/protocol';
import type { Link } from '../link.ts';
import type { Scheduler } from '../scheduler.ts';
import { type DatagramObserver, DatagramPath } from './datagram-path.ts';
import { bindUdp, requireLoopback } from './loopback.ts';

export interface MeshMember {
  readonly name: string;
  /** The address its process is bound to: what it listens on. */
  readonly realHost: string;
  /** The address it goes by among the others: what it announces. The emulator listens there. */
  readonly faceHost: string;
}

export interface UdpMeshOptions {
  readonly scheduler: Scheduler;
  readonly members: readonly MeshMember[];
  /** The members' ports, both ends included. The emulator opens each of them on every face. */
  readonly ports: { readonly min: number; readonly max: number };
  /** The links from one member to another, in order. */
  path(from: string, to: string): readonly Link[];
  readonly observer?: DatagramObserver | undefined;
}

/**
 * Links between processes that tell each other their ports themselves, as two nodes do for a relay's
 * pipe transports. Each member has a second loopback address, its face. What member A sends to B's face comes
 * out at B's real address from A's face and with A's port: each sees the other where it was announced, which
 * a pipe transport insists on.
 */
export class UdpMesh {
  readonly #sockets: Map<string, Socket>;
  #closing: Promise<void> | undefined;

  private constructor(sockets: Map<string, Socket>) {
    this.#sockets = sockets;
  }

  static async open(options: UdpMeshOptions): Promise<UdpMesh> {
    const { members, ports } = options;
    const hosts = members.flatMap((member) => [requireLoopback(member.realHost), requireLoopback(member.faceHost)]);
    if (new Set(hosts).size !== hosts.length) {
      throw new MeridianError('config-invalid', { message: 'every member of a mesh needs two addresses of its own' });
    }
    const mesh = new UdpMesh(new Map());
    try {
      for (const member of members) {
        for (let port = ports.min; port <= ports.max; port += 1) {
          const socket = await bindUdp(member.faceHost, port);
          mesh.#sockets.set(`${member.faceHost}:${port}`, socket);
        }
      }
      mesh.#listen(options);
    } catch (error) {
      await mesh.close();
      throw error;
    }
    return mesh;
  }

  close(): Promise<void> {
    this.#closing ??= Promise.all(
      [...this.#sockets.values()].map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
    ).then(() => {});
    return this.#closing;
  }

  #listen({ members, ports, scheduler, path, observer }: UdpMeshOptions): void {
    const byRealHost = new Map(members.map((member) => [member.realHost, member]));
    for (const to of members) {
      const paths = new Map(
        members
          .filter((from) => from !== to)
          .map((from) => [from.name, new DatagramPath({ links: path(from.name, to.name), scheduler, observer })]),
      );
      for (let port = ports.min; port <= ports.max; port += 1) {
        this.#sockets.get(`${to.faceHost}:${port}`)?.on('message', (payload, source) => {
          const from = byRealHost.get(source.address);
          if (from === undefined || this.#closing !== undefined) return;
          const seenAs = this.#sockets.get(`${from.faceHost}:${source.port}`);
          if (seenAs === undefined) return;
          paths.get(from.name)?.send(payload, (arrived) => {
            if (this.#closing === undefined) seenAs.send(arrived, port, to.realHost);
          });
        });
      }
    }
  }
}
