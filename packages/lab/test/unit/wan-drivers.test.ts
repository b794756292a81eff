import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { eventually, freePort } from '@meridian/harness';
import { isMeridianError } from '@meridian/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { Emulator } from '../../src/wan/emulator.ts';
import { LinkModel } from '../../src/wan/model/link-model.ts';
import { seedOf } from '../../src/wan/model/random.ts';
import { LinkSettings, type LinkSettingsInput } from '../../src/wan/model/settings.ts';
import { PreciseScheduler } from '../../src/wan/scheduler.ts';
import { startEmulator } from '../../src/wan/start-emulator.ts';

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function emulatorWith(links: Record<string, LinkSettingsInput>, seed = 1): Emulator {
  const scheduler = new PreciseScheduler();
  const emulator = new Emulator({ plan: { seed, links }, scheduler });
  cleanUps.push(async () => {
    await emulator.close();
    scheduler.close();
  });
  return emulator;
}

async function udp(host = '127.0.0.1', port = 0): Promise<UdpSocket> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(port, host, resolve));
  cleanUps.push(() => socket.close());
  return socket;
}

async function tcpServer(onConnection: (socket: Socket) => void): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, onConnection);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => server.close());
  const address = server.address();
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0 };
}

describe('the UDP driver', () => {
  it('carries datagrams both ways unchanged and keeps clients apart', async () => {
    const emulator = emulatorWith({ up: { delayMs: 3 }, down: { delayMs: 5 } });
    const echo = await udp();
    const sources = new Set<number>();
    echo.on('message', (data, from) => {
      sources.add(from.port);
      echo.send(Buffer.concat([Buffer.from('re: '), data]), from.port, from.address);
    });
    const proxy = await emulator.openUdp({ target: { port: echo.address().port }, up: ['up'], down: ['down'] });

    const ask = async (text: string) => {
      const client = await udp();
      const answer = once(client, 'message');
      client.send(text, proxy.port, proxy.host);
      return String((await answer)[0]);
    };

    expect(await Promise.all(['one', 'two', 'three'].map(ask))).toEqual(['re: one', 're: two', 're: three']);
    expect(sources.size).toBe(3);
  });

  it('loses exactly the packets that the model says, and delivers the others in order', async () => {
    const settings: LinkSettingsInput = {
      delayMs: 12,
      jitter: { distribution: 'normal', sdMs: 3 },
      loss: { kind: 'gilbert-elliott', goodToBad: 0.1, badToGood: 0.3 },
    };
    const emulator = emulatorWith({ line: settings }, 42);
    const target = await udp();
    const received: number[] = [];
    target.on('message', (data) => received.push(data.readUInt32BE(0)));
    const proxy = await emulator.openUdp({
      target: { port: target.address().port },
      up: ['line'],
      down: [],
      trace: true,
    });
    const client = await udp();
    const COUNT = 300;
    for (let i = 0; i < COUNT; i += 1) {
      const data = Buffer.alloc(40);
      data.writeUInt32BE(i);
      client.send(data, proxy.port, proxy.host);
    }
    const model = new LinkModel({ settings: LinkSettings.parse(settings), seed: seedOf(42, 'line') });
    const expected = Array.from({ length: COUNT }, (_, i) => i).filter(
      (i) => model.offer({ bytes: 68 }, i).kind === 'deliver',
    );

    await eventually('all that is not lost has arrived', () => received.length >= expected.length);
    expect(received).toEqual(expected);
    expect(emulator.report().line).toMatchObject({
      offered: COUNT,
      delivered: expected.length,
      lost: COUNT - expected.length,
    });
    expect(emulator.trace(proxy.id).up.drops).toHaveLength(COUNT - expected.length);
  });

  it('lets packets overtake each other when asked to', async () => {
    const emulator = emulatorWith({
      line: { delayMs: 30, jitter: { distribution: 'uniform', sdMs: 15, reorder: true } },
    });
    const target = await udp();
    const received: number[] = [];
    target.on('message', (data) => received.push(data.readUInt8(0)));
    const proxy = await emulator.openUdp({ target: { port: target.address().port }, up: ['line'], down: [] });
    const client = await udp();
    for (let i = 0; i < 50; i += 1) client.send(Buffer.of(i), proxy.port, proxy.host);
    await eventually('all have arrived', () => received.length === 50);
    const sorted = [...received].sort((a, b) => a - b);
    expect(sorted).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(received).not.toEqual(sorted);
  });

  it('shares a link between the proxies that name it', async () => {
    const emulator = emulatorWith({ line: { rateBps: 8_000, queue: { bytes: 1_500 } } });
    const target = await udp();
    const open = () => emulator.openUdp({ target: { port: target.address().port }, up: ['line'], down: [] });
    const [one, two] = [await open(), await open()];
    const client = await udp();
    for (const proxy of [one, two]) client.send(Buffer.alloc(1_200), proxy.port, proxy.host);
    await eventually('both were offered', () => emulator.report().line?.offered === 2);
    expect(emulator.report().line).toMatchObject({ delivered: 1, queueDrops: 1 });
  });

  it('pushes out the client that was silent for longest when there are too many', async () => {
    const emulator = emulatorWith({});
    const echo = await udp();
    echo.on('message', (data, from) => echo.send(data, from.port, from.address));
    const proxy = await emulator.openUdp({ target: { port: echo.address().port }, up: [], down: [], maxClients: 2 });
    for (let i = 0; i < 5; i += 1) {
      const client = await udp();
      const answer = once(client, 'message');
      client.send(`client ${i}`, proxy.port, proxy.host);
      expect(String((await answer)[0])).toBe(`client ${i}`);
    }
  });

  it('carries nothing during an outage and everything after', async () => {
    const emulator = emulatorWith({ line: {} });
    const target = await udp();
    const received: string[] = [];
    target.on('message', (data) => received.push(String(data)));
    const proxy = await emulator.openUdp({ target: { port: target.address().port }, up: ['line'], down: [] });
    const client = await udp();
    emulator.change('line', { outage: true });
    client.send('into the void', proxy.port, proxy.host);
    await eventually('the link dropped it', () => emulator.report().line?.outageDrops === 1);
    emulator.change('line', { outage: false });
    client.send('heard', proxy.port, proxy.host);
    await eventually('the second one arrives', () => received.length === 1);
    expect(received).toEqual(['heard']);
  });

  it('refuses unknown links and addresses off this machine', async () => {
    const emulator = emulatorWith({ line: {} });
    await expect(emulator.openUdp({ target: { port: 9 }, up: ['lime'], down: [] })).rejects.toThrow(
      'no link "lime"; there are: line',
    );
    await expect(emulator.openUdp({ target: { host: '192.0.2.1', port: 9 }, up: [], down: [] })).rejects.toThrow(
      'loopback addresses, not on 192.0.2.1',
    );
  });
});

describe('the mesh driver', () => {
  it('shows each member to the other under its face, with its own port', async () => {
    const emulator = emulatorWith({ there: { delayMs: 2 }, back: { delayMs: 4 } });
    const port = await freePort();
    const [real, face] = [
      { a: '127.71.0.1', b: '127.71.0.2' },
      { a: '127.71.1.1', b: '127.71.1.2' },
    ];
    const a = await udp(real.a, port);
    const b = await udp(real.b, port);
    await emulator.openMesh({
      members: [
        { name: 'a', realHost: real.a, faceHost: face.a },
        { name: 'b', realHost: real.b, faceHost: face.b },
      ],
      ports: { min: port, max: port },
      routes: [
        { from: 'a', to: 'b', links: ['there'] },
        { from: 'b', to: 'a', links: ['back'] },
      ],
    });
    const atB = once(b, 'message');
    a.send('hello b', port, face.b);
    const [data, from] = await atB;
    expect([String(data), from.address, from.port]).toEqual(['hello b', face.a, port]);
    const atA = once(a, 'message');
    b.send('hello a', from.port, from.address);
    const [reply, replyFrom] = await atA;
    expect([String(reply), replyFrom.address, replyFrom.port]).toEqual(['hello a', face.b, port]);
    expect(emulator.report()).toMatchObject({ there: { delivered: 1 }, back: { delivered: 1 } });
  });
});

describe('the TCP driver', () => {
  it('hands on every byte in order both ways over a slow link with a small queue, and the end', async () => {
    const line: LinkSettingsInput = {
      delayMs: 2,
      rateBps: 40e6,
      queue: { bytes: 3_000 },
      loss: { kind: 'independent', ratio: 0.3 },
    };
    const emulator = emulatorWith({ up: line, down: line });
    const { port } = await tcpServer((socket) => socket.pipe(socket));
    const proxy = await emulator.openTcp({ target: { port }, up: ['up'], down: ['down'] });
    const socket = connect(proxy.port, proxy.host);
    const received: Buffer[] = [];
    socket.on('data', (chunk) => received.push(chunk));
    const parts = Array.from({ length: 64 }, (_, index) => Buffer.alloc(10_000, index));
    for (const part of parts) socket.write(part);
    socket.end();
    await once(socket, 'close');
    expect(Buffer.concat(received).equals(Buffer.concat(parts))).toBe(true);
    expect(emulator.report().up?.lost).toBe(0);
  });

  it('lets a server speak first', async () => {
    const emulator = emulatorWith({ line: { delayMs: 3 } });
    const { port } = await tcpServer((socket) => socket.end('welcome'));
    const proxy = await emulator.openTcp({ target: { port }, up: ['line'], down: ['line'] });
    const socket = connect(proxy.port, proxy.host);
    cleanUps.push(() => socket.destroy());
    const [data] = await once(socket, 'data');
    expect(String(data)).toBe('welcome');
  });

  it('stalls during an outage and loses nothing of what was written', async () => {
    const emulator = emulatorWith({ line: { delayMs: 1 } });
    let received = '';
    const { port } = await tcpServer((socket) => {
      socket.on('data', (chunk) => {
        received += String(chunk);
      });
    });
    const proxy = await emulator.openTcp({ target: { port }, up: ['line'], down: [] });
    const socket = connect(proxy.port, proxy.host);
    cleanUps.push(() => socket.destroy());
    socket.write('before ');
    await eventually('the first words arrive', () => received === 'before ');
    emulator.change('line', { outage: true });
    socket.write('during ');
    // Another way to the same thread: once this has come through, the words above were read too.
    const probe = await udp();
    const udpProxy = await emulator.openUdp({ target: { port: probe.address().port }, up: [], down: [] });
    const heard = once(probe, 'message');
    probe.send('x', udpProxy.port, udpProxy.host);
    await heard;
    expect(received).toBe('before ');
    emulator.change('line', { outage: false });
    socket.write('after');
    await eventually('all words arrive', () => received === 'before during after');
  });

  it('passes on a refused and a reset connection', async () => {
    const emulator = emulatorWith({ line: { delayMs: 1 } });
    const nobody = await freePort();
    const refusing = await emulator.openTcp({ target: { port: nobody }, up: ['line'], down: ['line'] });
    const refused = connect(refusing.port, refusing.host);
    await expect(once(refused, 'close')).rejects.toThrow(/ECONNRESET/);

    const { port } = await tcpServer((socket) => socket.once('data', () => socket.resetAndDestroy()));
    const resetting = await emulator.openTcp({ target: { port }, up: ['line'], down: ['line'] });
    const reset = connect(resetting.port, resetting.host);
    reset.write('go away');
    await expect(once(reset, 'close')).rejects.toThrow(/ECONNRESET/);
  });

  it('closes its connections with itself', async () => {
    const emulator = emulatorWith({ line: { delayMs: 1 } });
    const { port } = await tcpServer((socket) => {
      socket.on('error', () => {});
      socket.write('x');
    });
    const proxy = await emulator.openTcp({ target: { port }, up: ['line'], down: ['line'] });
    const socket = connect(proxy.port, proxy.host);
    socket.on('error', () => {});
    await once(socket, 'data');
    const closed = once(socket, 'close');
    await emulator.closeOne(proxy.id);
    await closed;
    await emulator.closeOne(proxy.id);
  });
});

describe('an emulator in a thread of its own', () => {
  it('carries traffic, reports it, hands over errors with their code and ends', async () => {
    const emulator = await startEmulator({ seed: 1, links: { line: { delayMs: 1 } } });
    cleanUps.push(() => emulator.close());
    const target = await udp();
    const proxy = await emulator.openUdp({
      target: { port: target.address().port },
      up: ['line'],
      down: [],
      trace: true,
    });
    const client = await udp();
    const arrived = once(target, 'message');
    client.send(Buffer.from('0007hello'), proxy.port, proxy.host);
    expect(String((await arrived)[0])).toBe('0007hello');
    expect((await emulator.report()).line).toMatchObject({ offered: 1, delivered: 1 });
    const { rows } = (await emulator.trace(proxy.id)).up;
    expect([rows[0], rows[2]]).toEqual([Buffer.from('0007').readUInt32BE(), expect.closeTo(1, 6)]);

    await emulator.startSchedules();
    await emulator.change('line', { outage: true });
    client.send('lost', proxy.port, proxy.host);
    await eventually('it is dropped', async () => (await emulator.report()).line?.outageDrops === 1);

    const wrong = emulator.change('lime', { outage: true });
    await expect(wrong).rejects.toSatisfy((error) => isMeridianError(error, 'config-invalid'));
    await emulator.close();
    await emulator.close();
    await expect(emulator.report()).rejects.toSatisfy((error) => isMeridianError(error, 'closed'));
  });
});
