import { eventually } from '@meridian/harness';
import type { NotificationData } from '@meridian/protocol';
import { RESUME_PROTOCOL_PREFIX, SIGNALLING_PROTOCOL, TOKEN_PROTOCOL_PREFIX } from '@meridian/protocol';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leaveAll, TestClient } from '../support/client.ts';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { startResumeNodes } from '../support/resume-nodes.ts';
import { roomId, TestCluster } from '../support/test-cluster.ts';
import { ALL_GRANTS } from '../support/token-issuer.ts';

let cluster: TestCluster;
let ams: SfuNode;
let sin: SfuNode;
let media: { ams: FakeMediaEngine; sin: FakeMediaEngine };

beforeAll(async () => {
  cluster = await TestCluster.start();
  ({ ams, sin, media } = await startResumeNodes(cluster));
});

afterAll(async () => {
  await cluster.stop();
});

describe('what ended while the connection was lost stays ended', () => {
  test('a person who was sent out does not come in again by itself', async () => {
    const room = roomId('kicked');
    const [ann, bob] = [await cluster.join(ams, 'ams-1', room), await cluster.join(ams, 'ams-1', room)];
    await ann.client.breakOff();
    await bob.client.request('kick', { sessionId: ann.sessionId });
    await bob.client.until('participant-left', (one) => one.reason === 'kicked');

    const back = await cluster.resume(ams, ann);
    await expect(back.closed).resolves.toEqual({ code: 4_414, reason: 'session-kicked' });
    await leaveAll(bob.client);
  });

  test('a call that was ended does not begin again', async () => {
    const room = roomId('ended');
    const [ann, bob] = [await cluster.join(ams, 'ams-1', room), await cluster.join(sin, 'sin-1', room)];
    await ann.client.breakOff();
    // Its own connection is closed by that, before or after the reply.
    await bob.client.request('end-room', {}).catch(() => {});
    await eventually('the media is closed', () => media.ams.room(room) === undefined);

    const back = await cluster.resume(ams, ann);
    await expect(back.closed).resolves.toEqual({ code: 4_411, reason: 'room-ended' });
  });

  test('a tab that another one of the same user replaced does not take the place back', async () => {
    const room = roomId('one-tab');
    const older = await cluster.join(ams, 'ams-1', room, { userId: 'one-user' });
    await older.client.breakOff();
    const newer = await cluster.attach(sin, 'sin-1', undefined, { userId: 'one-user' });
    const roomToken = await cluster.roomToken(newer, room, { duplicates: 'replace' });
    const { participants } = await newer.client.request('join', { roomToken, rtpCapabilities: {} });
    expect(participants.map((one) => one.sessionId)).toEqual([newer.sessionId]);
    await eventually('the media of the older one is closed', () => media.ams.room(room) === undefined);

    const token = await cluster.issuer.session({ sessionId: older.sessionId, nodeId: 'ams-1', userId: 'one-user' });
    const point = { epoch: older.welcome.epoch, seq: older.client.lastSeq };
    const back = TestClient.resuming(ams.url, token, point);

    await expect(back.closed).resolves.toEqual({ code: 4_412, reason: 'session-replaced' });
    expect(await cluster.participantOf(room, newer)).toBeDefined();
    expect(await cluster.participantOf(room, older)).toBeUndefined();
    await leaveAll(newer.client);
  });

  test('a second tab of a user whose first one is reconnecting is refused where the room takes only one', async () => {
    const room = roomId('reject');
    const older = await cluster.join(ams, 'ams-1', room, { userId: 'rejected-user' });
    await older.client.breakOff();
    const newer = await cluster.attach(ams, 'ams-1', undefined, { userId: 'rejected-user' });
    await expect(cluster.roomToken(newer, room, { duplicates: 'reject' })).rejects.toMatchObject({
      message: 'duplicate',
    });
    await leaveAll(newer.client);
  });

  test('two tabs of one user are two participants, each with its own break', async () => {
    const room = roomId('two-tabs');
    const tabs = [
      await cluster.join(ams, 'ams-1', room, { userId: 'two-tabs-user' }),
      await cluster.join(ams, 'ams-1', room, { userId: 'two-tabs-user' }),
    ] as const;
    await tabs[0].client.breakOff();
    const token = await cluster.issuer.session({
      sessionId: tabs[0].sessionId,
      nodeId: 'ams-1',
      userId: 'two-tabs-user',
    });
    const point = { epoch: tabs[0].welcome.epoch, seq: tabs[0].client.lastSeq };
    const back = TestClient.resuming(ams.url, token, point, { nextId: tabs[0].client.nextId });
    expect(await back.until('welcome')).toMatchObject({ resumed: true });
    expect(tabs[1].client.closeInfo).toBeUndefined();
    const { participants } = await cluster.cluster.rooms.snapshot(room);
    expect(participants).toHaveLength(2);
    await leaveAll(back, tabs[1].client);
  });

  test('who asks for the end by an epoch from before the resume means the participant', async () => {
    const room = roomId('old-epoch');
    const ann = await cluster.join(ams, 'ams-1', room, { grants: ALL_GRANTS });
    await ann.client.breakOff();
    const back = await cluster.resume(ams, ann);
    await back.until('welcome');
    const elsewhere = await cluster.cluster.inbox(cluster.nodeIdOf('kicker-1'));
    const { sessionId, welcome } = ann;
    const end = (epoch: NotificationData<'welcome'>['epoch']) =>
      elsewhere.request(ann.nodeId, 'session.end', { roomId: room, sessionId, epoch, reason: 'kicked' });

    const { epoch: before } = (await cluster.attach(sin, 'sin-1')).welcome;
    await expect(end(before)).resolves.toEqual({ ended: false });
    await expect(end(welcome.epoch)).resolves.toEqual({ ended: true });

    await expect(back.closed).resolves.toEqual({ code: 4_414, reason: 'session-kicked' });
    await elsewhere.close();
  });
});

describe('a client that cannot go on where it left off', () => {
  test('on another node is attached anew', async () => {
    const room = roomId('elsewhere');
    const ann = await cluster.join(ams, 'ams-1', room);
    await ann.client.breakOff();
    const token = await cluster.issuer.session({ sessionId: ann.sessionId, nodeId: 'sin-1' });
    const client = TestClient.resuming(sin.url, token, { epoch: ann.welcome.epoch, seq: ann.client.lastSeq });
    const welcome = await client.until('welcome');
    expect(welcome.resumed).toBe(false);

    // And takes its participant over when it joins there: nobody sees it leave
    const page = { client, welcome, sessionId: ann.sessionId, nodeId: welcome.nodeId };
    const roomToken = await cluster.roomToken(page, room);
    await client.request('join', { roomToken, rtpCapabilities: {} });
    await eventually('its media at the former node is closed', () => media.ams.room(room) === undefined);
    await leaveAll(client);
  });

  test('because it is too far behind joins again over the same connection, and nobody sees it leave', async () => {
    const tight = await cluster.startNode('tight-1', {
      media: new FakeMediaEngine(),
      env: { MERIDIAN_RESUME_WINDOW_MS: '15000', MERIDIAN_RESUME_BUFFER_BYTES: '4096' },
    });
    const room = roomId('behind');
    const [ann, bob] = [await cluster.join(tight, 'tight-1', room), await cluster.join(tight, 'tight-1', room)];
    await ann.client.breakOff();
    for (let line = 0; line < 5; line++) await bob.client.request('send-chat', { text: 'x'.repeat(1_000) });

    const back = await cluster.resume(tight, ann);
    const welcome = await back.until('welcome');
    expect(welcome.resumed).toBe(false);
    const roomToken = await cluster.roomToken({ ...ann, welcome }, room);
    await back.request('join', { roomToken, rtpCapabilities: {} });

    await bob.client.until('participant-joined', ({ participant }) => participant.epoch === welcome.epoch);
    expect(bob.client.all('participant-left')).toEqual([]);
    await leaveAll(back, bob.client);
    await tight.close();
  });

  test('since it never joined is attached anew', async () => {
    const ann = await cluster.attach(ams, 'ams-1');
    const back = await cluster.resume(ams, ann);
    expect(await back.until('welcome')).toMatchObject({ resumed: false });
    await leaveAll(back);
  });

  test('that names more than it can have heard is attached anew', async () => {
    const ann = await cluster.join(ams, 'ams-1', roomId('forged'));
    await ann.client.breakOff();
    const back = await cluster.resume(ams, ann, { seq: ann.client.lastSeq + 1_000 });
    expect(await back.until('welcome')).toMatchObject({ resumed: false });
    await leaveAll(back);
  });

  test("cannot take another user's participant, whatever its token says", async () => {
    const room = roomId('theft');
    const ann = await cluster.join(ams, 'ams-1', room);
    await ann.client.breakOff();
    const token = await cluster.issuer.session({ sessionId: ann.sessionId, nodeId: 'ams-1', userId: 'mallory' });
    const thief = TestClient.resuming(ams.url, token, { epoch: ann.welcome.epoch, seq: ann.client.lastSeq });
    expect(await thief.until('welcome')).toMatchObject({ resumed: false });
    await thief.breakOff();
  });

  test('and says so in an unreadable way is refused', async () => {
    const ann = await cluster.join(ams, 'ams-1', roomId('malformed'));
    const token = await cluster.issuer.session({ sessionId: ann.sessionId, nodeId: 'ams-1' });
    const url = `${ams.url.replace('http', 'ws')}/ws`;
    const named = (value: string) => `${RESUME_PROTOCOL_PREFIX}${value}`;
    const bearer = `${TOKEN_PROTOCOL_PREFIX}${token}`;
    const point = `${ann.welcome.epoch}.${ann.client.lastSeq}`;
    const refused = { code: 4_400, reason: 'bad-request' };

    for (const value of ['', '1', '1.2.3', '-1.1', '1.0', 'a.b', `${'9'.repeat(17)}.1`]) {
      const client = new TestClient(url, [SIGNALLING_PROTOCOL, bearer, named(value)]);
      await expect(client.closed, value).resolves.toEqual(refused);
    }
    const twice = new TestClient(url, [SIGNALLING_PROTOCOL, bearer, named(point), named(`${point}0`)]);
    await expect(twice.closed).resolves.toEqual(refused);
    const nobody = new TestClient(url, [SIGNALLING_PROTOCOL, named(point)]);
    await expect(nobody.closed).resolves.toEqual({ code: 4_401, reason: 'unauthenticated' });
    expect(ann.client.closeInfo).toBeUndefined();
    await leaveAll(ann.client);
  });
});
