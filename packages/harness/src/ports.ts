import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/** Below the range from which the kernel takes the ports of outgoing connections: those come and go all the time. */
const FIRST_PORT = 10_000;
const PORTS = 10_000;
const ATTEMPTS = 100;

/** Other processes that look for ports begin somewhere else. */
let next = randomInt(PORTS);

/**
 * A TCP port of loopback that was free a moment ago. Whoever asked for one may take a while to listen on it, so this
 * process gives none twice before it has been through all of them.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = FIRST_PORT + next;
    next = (next + 1) % PORTS;
    if (await isPortFree(port)) return port;
  }
  throw new Error(`no free port from ${FIRST_PORT} to ${FIRST_PORT + PORTS - 1} was found`);
}

/** Can this TCP port be listened on? */
export function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, host, () => server.close(() => resolve(true)));
  });
}
