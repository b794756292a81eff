import type { AddressInfo } from 'node:net';
import { Epoch, MeridianError, NodeId, type NotificationData, Region, SessionId } from '@meridian/protocol';
import { expect, onTestFinished, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Heard, heardAs, LightConnection } from '../../src/light/light-connection.ts';

const WELCOME: NotificationData<'welcome'> = {
  sessionId: SessionId.parse('ann'),
  nodeId: NodeId.parse('ams-1'),
  region: Region.parse('eu-west'),
  epoch: Epoch.parse(5),
  routerRtpCapabilities: {},
  pingEveryMs: 20,
  deadAfterMs: 9_000,
  maxFrameBytes: 100_000,
  resumed: false,
  resumeWindowMs: 15_000,
};

/** A node of one connection: what it is asked is answered by `answer`. */
async function aNode(answer: (frame: { t: string; id: number; seq?: number }, say: (frame: object) => void) => void) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'meridian.v1' });
  const sockets: WebSocket[] = [];
  const protocols: string[] = [];
  server.on('connection', (socket, request) => {
    sockets.push(socket);
    protocols.push(request.headers['sec-websocket-protocol'] ?? '');
    const say = (frame: object) => socket.send(JSON.stringify(frame));
    socket.on('message', (data) => answer(JSON.parse(data.toString()), say));
    say({ t: 'ntf', seq: 1, event: 'welcome', data: WELCOME });
  });
  await new Promise<void>((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.terminate();
    server.close();
  });
  return { wsUrl: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets, protocols };
}

test('a connection without media asks, hears, acknowledges, and knows where it can be taken up again', async () => {
  const acknowledged: (number | undefined)[] = [];
  const node = await aNode(({ t, id, seq }, say) => {
    if (t === 'ping') acknowledged.push(seq);
    else if (id === 1) {
      say({ t: 'ntf', seq: 2, event: 'consumer-closed', data: { consumerId: 'c1' } });
      say({ t: 'res', id, ok: true, data: {} });
    } else say({ t: 'err', id, error: new MeridianError('room-full').toBody() });
  });
  const heard: Heard[] = [];
  const connection = await LightConnection.open({
    wsUrl: node.wsUrl,
    token: 'secret',
    onHeard: (one) => heard.push(one),
  });

  expect(await connection.request('leave', {})).toEqual({});
  await expect(connection.request('leave', {})).rejects.toMatchObject({ code: 'room-full' });

  expect(heard.map(({ event }) => event)).toEqual(['welcome', 'consumer-closed']);
  expect(heard.flatMap((one) => heardAs('consumer-closed', one) ?? [])).toEqual([{ consumerId: 'c1' }]);
  expect(connection.resumePoint).toMatchObject({ epoch: 5, seq: 2 });
  await expect.poll(() => acknowledged).toContain(2);
  const { resumePoint } = connection;
  await connection.close();
  await expect(connection.request('leave', {})).rejects.toMatchObject({ code: 'session-lost' });

  const again = await LightConnection.open({ wsUrl: node.wsUrl, token: 'secret', resume: resumePoint, onHeard() {} });
  expect(node.protocols.at(-1)).toBe('meridian.v1,meridian.token.secret,meridian.resume.5.2');
  expect(again.resumePoint.nextId).toBe(resumePoint.nextId);
  again.cut();
});

test('what waits for an answer hears when the node closes, and so does who opens', async () => {
  const node = await aNode(() => node.sockets.at(-1)?.close(4_411, 'room-ended'));
  const connection = await LightConnection.open({ wsUrl: node.wsUrl, token: 'secret', onHeard() {} });
  await expect(connection.request('leave', {})).rejects.toMatchObject({
    code: 'session-lost',
    message: expect.stringContaining('4411 room-ended'),
  });
  await expect(
    LightConnection.open({ wsUrl: 'ws://127.0.0.1:9', token: 'secret', onHeard() {} }),
  ).rejects.toMatchObject({ code: 'session-lost' });
});
