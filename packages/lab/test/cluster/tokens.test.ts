import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { eventually } from '@meridian/harness';
import {
  CreateSessionReply,
  JoinRoomReply,
  NOTIFICATIONS,
  type NotificationData,
  parseJson,
  parseOrThrow,
  RenewSessionReply,
  RoomView,
  ServerFrame,
  SIGNALLING_PROTOCOL,
  TOKEN_PROTOCOL_PREFIX,
  UserTokenReply,
} from '@meridian/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { post } from '../../src/light/api.ts';
import { LocalCluster } from '../../src/local-cluster/index.ts';

const REGIONS = ['eu-west', 'ap-southeast', 'ap-vn'] as const;

let folder: string;
let cluster: LocalCluster;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'meridian-tokens-test-'));
  cluster = await LocalCluster.start({ dataDir: folder });
});
afterAll(async () => {
  await cluster?.stop();
  await rm(folder, { recursive: true, force: true });
});

interface InCall {
  readonly sessionToken: string;
  readonly socket: WebSocket;
  readonly nodeId: string;
  /** Milliseconds since the start of the process, when the node has closed. */
  readonly closed: Promise<{ code: number; reason: string; atMs: number }>;
  readonly heard: { event: string; data: unknown }[];
}

/** The whole token chain: session, WebSocket, room token, join. */
async function call(userToken: string, slug: string, region: string): Promise<InCall> {
  const { sessionToken, wsUrl, decision } = await post(
    CreateSessionReply,
    `${cluster.url}/v1/sessions`,
    { room: slug, region },
    userToken,
  );
  const socket = new WebSocket(wsUrl, [SIGNALLING_PROTOCOL, `${TOKEN_PROTOCOL_PREFIX}${sessionToken}`]);
  const heard: { event: string; data: unknown }[] = [];
  const replies: unknown[] = [];
  socket.on('error', () => {});
  socket.on('message', (data) => {
    const frame = parseJson(ServerFrame, data.toString());
    if (frame.t === 'ntf') heard.push(frame);
    if (frame.t === 'res' || frame.t === 'err') replies.push(frame);
  });
  const closed = new Promise<{ code: number; reason: string; atMs: number }>((resolve) => {
    socket.on('close', (code, reason) => resolve({ code, reason: reason.toString(), atMs: performance.now() }));
  });
  const welcome = await eventually('the node says welcome', (): NotificationData<'welcome'> | false => {
    const [first] = heard;
    return first?.event === 'welcome' && parseOrThrow(NOTIFICATIONS.welcome, first.data);
  });
  const { roomToken } = await post(JoinRoomReply, `${cluster.url}/v1/rooms/${slug}/join`, {}, sessionToken);
  const data = { roomToken, rtpCapabilities: welcome.routerRtpCapabilities };
  socket.send(JSON.stringify({ t: 'req', id: 1, method: 'join', data }));
  await eventually('the join is answered', () => replies.length > 0);
  expect(replies[0], JSON.stringify(replies[0])).toMatchObject({ t: 'res', ok: true });
  return { sessionToken, socket, nodeId: decision.nodeId, closed, heard };
}

async function account(name: string) {
  const body = { name, email: `${name.toLowerCase()}@example.org`, password: 'correct horse' };
  return (await post(UserTokenReply, `${cluster.url}/v1/users`, body)).userToken;
}

describe('logging out everywhere', () => {
  test('ends the running sessions of the user on three nodes, within two seconds, and nobody else', async () => {
    // Given an account in calls on three nodes, and somebody else in each of them
    const token = await account('Ann');
    const { slug } = await post(RoomView, `${cluster.url}/v1/rooms`, {}, token);
    const other = await account('Bob');
    const calls = await Promise.all(REGIONS.map((region) => call(token, slug, region)));
    const others = await Promise.all(REGIONS.map((region) => call(other, slug, region)));
    expect(new Set(calls.map(({ nodeId }) => nodeId)).size).toBe(3);

    // When the account logs out everywhere
    const startedMs = performance.now();
    const { status } = await fetch(`${cluster.url}/v1/me/logout-everywhere`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });

    // Then
    expect(status).toBe(204);
    const ends = await Promise.all(calls.map(({ closed }) => closed));
    for (const { code, reason } of ends) expect({ code, reason }).toEqual({ code: 4_401, reason: 'token-revoked' });
    for (const { heard } of calls) {
      expect(heard.at(-1)).toMatchObject({ event: 'session-ended', data: { reason: 'token-revoked' } });
    }
    for (const { socket } of others) expect(socket.readyState).toBe(WebSocket.OPEN);
    const tookMs = Math.max(...ends.map(({ atMs }) => atMs)) - startedMs;
    console.info(`three nodes, from the request to the last closed connection: ${tookMs.toFixed(0)} ms`);
    expect(tookMs).toBeLessThan(2_000);
    // The old tokens are good for nothing: neither on the node nor at the service.
    const [first] = calls;
    const node = cluster.node(first?.nodeId ?? '');
    const again = new WebSocket(`${node.url.replace('http', 'ws')}/ws`, [
      SIGNALLING_PROTOCOL,
      `${TOKEN_PROTOCOL_PREFIX}${first?.sessionToken}`,
    ]);
    const refused = await new Promise((resolve) => again.on('close', (_code, reason) => resolve(reason.toString())));
    expect(refused).toBe('token-revoked');
    for (const { socket } of others) socket.close();
  });
});

describe('the signing keys are rotated while people come, stay and go', () => {
  const rotate = async (...options: string[]) => {
    const script = fileURLToPath(new URL('../../../session-api/src/rotate-keys.ts', import.meta.url));
    const env = { ...process.env, MERIDIAN_KEYS_DIR: join(folder, 'keys'), MERIDIAN_KEY_PUBLISH_AHEAD_S: '2' };
    await promisify(execFile)(process.execPath, [script, ...options], { env });
  };
  const keyOf = (token: string): string => {
    const [header = ''] = token.split('.');
    return parseJson(z.object({ kid: z.string() }), Buffer.from(header, 'base64url').toString()).kid;
  };

  test('nobody is refused: not with tokens of the old key, not with those of the new one', async () => {
    // Given somebody who came before
    const token = await account('Cid');
    const { slug } = await post(RoomView, `${cluster.url}/v1/rooms`, {}, token);
    const early = await call(token, slug, 'eu-west');
    const oldKey = keyOf(early.sessionToken);

    // When the key changes in the middle of a stream of joins, each of which has to succeed
    const rotation = rotate();
    const refusals: unknown[] = [];
    const comeAndGo = async (region: string) => {
      const joined = await call(token, slug, region);
      // A socket that only closes keeps its place for a while: the room and the user's sessions would fill up.
      joined.socket.send(JSON.stringify({ t: 'req', id: 2, method: 'leave', data: {} }));
      await joined.closed;
      return joined.sessionToken;
    };
    let joins = 0;
    await eventually(
      'people join with tokens of the new key',
      async () => {
        const work = [
          ...REGIONS.map(comeAndGo),
          post(RenewSessionReply, `${cluster.url}/v1/sessions/renew`, {}, early.sessionToken).then(
            (one) => one.sessionToken,
          ),
        ];
        const settled = await Promise.allSettled(work);
        refusals.push(...settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : [])));
        joins += REGIONS.length;
        return settled.every((one) => one.status === 'fulfilled' && keyOf(one.value) !== oldKey);
      },
      { withinMs: 60_000, everyMs: 100 },
    );
    await rotation;
    expect(refusals.map(String)).toEqual([]);
    console.info(`${joins} joins over three nodes during the rotation, none refused`);

    // Then the one who came before is still there, and its old token is renewed and joins
    expect(early.socket.readyState).toBe(WebSocket.OPEN);
    await post(JoinRoomReply, `${cluster.url}/v1/rooms/${slug}/join`, {}, early.sessionToken);
    const { sessionToken } = await post(RenewSessionReply, `${cluster.url}/v1/sessions/renew`, {}, early.sessionToken);
    expect(keyOf(sessionToken)).not.toBe(oldKey);
    early.socket.close();
  });

  test('a key that leaked is refused at once where it is presented, and people sign in with the new one', async () => {
    const token = await account('Dan');
    const { slug } = await post(RoomView, `${cluster.url}/v1/rooms`, {}, token);
    await rotate('--now', '--revoke', keyOf(token));
    await eventually('the old token is refused', async () => {
      const { status } = await fetch(`${cluster.url}/v1/me`, { headers: { authorization: `Bearer ${token}` } });
      return status === 401;
    });
    const body = { email: 'dan@example.org', password: 'correct horse' };
    const { userToken } = await post(UserTokenReply, `${cluster.url}/v1/login`, body);
    const back = await eventually('the nodes have the new key', () => call(userToken, slug, 'ap-vn'), {
      withinMs: 20_000,
      everyMs: 500,
    });
    back.socket.close();
  });
});
