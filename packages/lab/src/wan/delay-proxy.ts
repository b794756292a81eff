import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect as connectTcp, createServer, type Socket } from 'node:net';

export interface DelayProxy {
  /** Where it listens, on loopback. */
  readonly port: number;
  close(): Promise<void>;
}

/**
 * A TCP relay on loopback that adds `rttMs` to the round trip, half each way. The handshake of a
 * connection costs a round trip too, which loopback would hide: the first bytes wait for it.
 */
export async function delayTcp(targetPort: number, rttMs: number): Promise<DelayProxy> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const target = connectTcp({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [client, target]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.once('close', () => sockets.delete(socket));
    }
    pipeDelayed(client, target, rttMs / 2, performance.now() + rttMs);
    pipeDelayed(target, client, rttMs / 2, 0);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  return {
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Order is kept: timers of equal or rising due times fire in the order they were set. */
function pipeDelayed(from: Socket, to: Socket, delayMs: number, openAt: number): void {
  let lastDue = 0;
  const later = (action: () => void) => {
    const now = performance.now();
    lastDue = Math.max(lastDue, Math.max(now, openAt) + delayMs);
    setTimeout(action, lastDue - now);
  };
  from.on('data', (chunk) => later(() => to.writable && to.write(chunk)));
  from.once('end', () => later(() => to.end()));
  from.once('close', () => later(() => to.destroy()));
}

/** A UDP relay on loopback that adds `rttMs` to the round trip, half each way; one upstream socket per client. */
export async function delayUdp(targetPort: number, rttMs: number): Promise<DelayProxy> {
  const upstreams = new Map<string, UdpSocket>();
  const front = createSocket('udp4');
  let closed = false;
  const send = (socket: UdpSocket, data: Buffer, port: number, address: string) => {
    setTimeout(() => {
      if (!closed) socket.send(data, port, address);
    }, rttMs / 2);
  };
  front.on('message', (data, client) => {
    const key = `${client.address}:${client.port}`;
    let upstream = upstreams.get(key);
    if (upstream === undefined) {
      upstream = createSocket('udp4');
      upstream.on('message', (reply) => send(front, reply, client.port, client.address));
      upstream.on('error', () => {});
      upstream.bind(0, '127.0.0.1');
      upstreams.set(key, upstream);
    }
    send(upstream, data, targetPort, '127.0.0.1');
  });
  await new Promise<void>((resolve, reject) => {
    front.once('error', reject);
    front.bind(0, '127.0.0.1', resolve);
  });
  return {
    port: front.address().port,
    async close() {
      if (closed) return;
      closed = true;
      for (const socket of upstreams.values()) socket.close();
      await new Promise<void>((resolve) => front.close(() => resolve()));
    },
  };
}
