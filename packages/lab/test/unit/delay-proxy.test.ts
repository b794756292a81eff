import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type DelayProxy, delayTcp, delayUdp } from '../../src/wan/delay-proxy.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});
const keep = (proxy: DelayProxy): DelayProxy => {
  cleanUps.push(() => proxy.close());
  return proxy;
};

describe('the delaying TCP relay', () => {
  it('hands on every byte in order, both ways, and the end', async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanUps.push(() => server.close());
    const address = server.address();
    const proxy = keep(await delayTcp(typeof address === 'object' && address ? address.port : 0, 10));

    const socket = connect(proxy.port, '127.0.0.1');
    const received: Buffer[] = [];
    socket.on('data', (chunk) => received.push(chunk));
    const parts = Array.from({ length: 50 }, (_, index) => Buffer.alloc(1_000, index));
    for (const part of parts) socket.write(part);
    socket.end();
    await once(socket, 'close');

    expect(Buffer.concat(received).equals(Buffer.concat(parts))).toBe(true);
  });

  it('lets nothing come back before a handshake and a round trip could have passed', async () => {
    const server = createServer((socket) => socket.pipe(socket));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cleanUps.push(() => server.close());
    const address = server.address();
    const proxy = keep(await delayTcp(typeof address === 'object' && address ? address.port : 0, 40));

    const started = performance.now();
    const socket = connect(proxy.port, '127.0.0.1');
    cleanUps.push(() => socket.destroy());
    socket.write('x');
    await once(socket, 'data');
    // A lower bound by construction (timers do not fire early by more than a tick), not a speed.
    expect(performance.now() - started).toBeGreaterThan(2 * 40 - 4);
  });
});

describe('the delaying UDP relay', () => {
  it('keeps clients apart', async () => {
    const echo = createSocket('udp4');
    echo.on('message', (data, from) => echo.send(data, from.port, from.address));
    echo.bind(0, '127.0.0.1');
    await once(echo, 'listening');
    cleanUps.push(() => echo.close());
    const proxy = keep(await delayUdp(echo.address().port, 10));

    const ask = async (text: string) => {
      const client = createSocket('udp4');
      cleanUps.push(() => client.close());
      client.send(text, proxy.port, '127.0.0.1');
      const [reply] = (await once(client, 'message')) as [Buffer];
      return reply.toString();
    };
    expect(await Promise.all(['one', 'two', 'three'].map(ask))).toEqual(['one', 'two', 'three']);
  });
});
