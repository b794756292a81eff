import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { eventually } from '@meridian/harness';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TcpGate } from '../../src/faults/tcp-gate.ts';

/** Says everything back. */
let echo: Server;
let gate: TcpGate;
const clients: Socket[] = [];

beforeEach(async () => {
  echo = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const address = echo.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  gate = await TcpGate.open(address.port);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await gate.close();
  await new Promise((resolve) => echo.close(resolve));
});

async function client(): Promise<{ socket: Socket; heard: () => string; closed: () => boolean }> {
  const socket = connect(gate.port, '127.0.0.1');
  clients.push(socket);
  let text = '';
  let isClosed = false;
  socket.on('error', () => {});
  socket.on('close', () => {
    isClosed = true;
  });
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  await once(socket, 'connect');
  return { socket, heard: () => text, closed: () => isClosed };
}

describe('a gate in front of a server', () => {
  test('lets through what is said, both ways', async () => {
    const one = await client();
    one.socket.write('hello');
    await eventually('it comes back', () => one.heard() === 'hello');
  });

  test('that is held keeps connections and lets nothing through; when it is mended they break, and new ones work', async () => {
    const one = await client();
    gate.hold();
    one.socket.write('lost');
    const two = await client();
    two.socket.write('lost too');
    expect([one.closed(), two.closed()]).toEqual([false, false]);

    gate.mend();
    await eventually('both break', () => one.closed() && two.closed());
    expect([one.heard(), two.heard()]).toEqual(['', '']);
    const three = await client();
    three.socket.write('again');
    await eventually('it comes back', () => three.heard() === 'again');
  });

  test('that drops breaks what runs and takes the next', async () => {
    const one = await client();
    one.socket.write('a');
    await eventually('it runs', () => one.heard() === 'a');
    gate.drop();
    await eventually('it breaks', () => one.closed());
    const two = await client();
    two.socket.write('b');
    await eventually('the next runs', () => two.heard() === 'b');
  });

  test('that is cut takes nobody', async () => {
    gate.cut();
    const socket = connect(gate.port, '127.0.0.1');
    clients.push(socket);
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('close', resolve));
    expect(socket.destroyed).toBe(true);
  });
});
