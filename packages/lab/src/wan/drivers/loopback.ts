import { createSocket, type Socket } from 'node:dgram';
import { MeridianError } from '@meridian/protocol';

/** The emulator stays on this machine: any address of 127.0.0.0/8. @throws MeridianError `config-invalid`. */
export function requireLoopback(host: string): string {
  if (!/^127(\.\d{1,3}){3}$/.test(host)) {
    throw new MeridianError('config-invalid', {
      message: `the WAN emulator works on loopback addresses, not on ${host}`,
    });
  }
  return host;
}

/** Room for bursts while the thread is busy, bytes; the kernel may grant less. */
const SOCKET_BUFFER = 1 << 20;

/**
 * A bound UDP socket that takes addresses as they are: Node would look each one up, one tick later. Errors
 * after binding are ignored, as a refused datagram on a real network is.
 */
export async function bindUdp(host: string, port = 0): Promise<Socket> {
  const socket = createSocket({
    type: 'udp4',
    recvBufferSize: SOCKET_BUFFER,
    sendBufferSize: SOCKET_BUFFER,
    lookup: (hostname, _options, done) => done(null, hostname, 4),
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(port, host, () => {
      socket.off('error', reject);
      resolve();
    });
  });
  socket.on('error', () => {});
  return socket;
}
