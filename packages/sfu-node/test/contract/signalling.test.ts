import { eventually } from '@meridian/harness';
import { REQUESTS } from '@meridian/protocol';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { opusParameters } from '../support/rtp.ts';
import { type Joined, roomId, TestCluster } from '../support/test-cluster.ts';
import { ALL_GRANTS } from '../support/token-issuer.ts';

let cluster: TestCluster;
let node: SfuNode;
let media: FakeMediaEngine;

beforeAll(async () => {
  cluster = await TestCluster.start();
  media = new FakeMediaEngine();
  node = await cluster.startNode('ams-1', {
    media,
    env: { MERIDIAN_CHAT_BURST: '3', MERIDIAN_CHAT_PER_SECOND: '0.1' },
  });
});

afterAll(async () => {
  await cluster.stop();
});

beforeEach(() => {
  media.step = () => Promise.resolve();
});

const publish = (who: Joined, source: 'microphone' | 'camera' = 'microphone') =>
  who.client.request('publish', {
    transportId: who.joined.sendTransport.id,
    kind: 'audio',
    source,
    rtpParameters: opusParameters(),
  });

const inRoom = async (room: ReturnType<typeof roomId>) => {
  const { participants } = await cluster.cluster.rooms.snapshot(room);
  return participants.map((one) => one.sessionId as string).sort();
};

describe('joining', () => {
  test('a room token works once', async () => {
    const room = roomId('replay');
    const ann = await cluster.attach(node, 'ams-1');
    const token = await cluster.roomToken(ann, room);
    await ann.client.request('join', { roomToken: token, rtpCapabilities: {} });
    await expect(ann.client.request('join', { roomToken: token, rtpCapabilities: {} })).rejects.toMatchObject({
      code: 'already-joined',
    });

    // The same token after a reconnection belongs to another connection; a fresh place does not help it.
    const again = await cluster.attach(node, 'ams-1', ann.sessionId);
    await cluster.roomToken(again, room);
    await expect(again.client.request('join', { roomToken: token, rtpCapabilities: {} })).rejects.toMatchObject({
      code: 'token-session',
    });
    await again.client.close();
  });

  test('a token id that was burnt is refused although everything else is right', async () => {
    const room = roomId('burnt');
    const [ann, bob] = [await cluster.attach(node, 'ams-1'), await cluster.attach(node, 'ams-1')];
    const jti = `one-token-id-${room}`;
    const first = await cluster.roomToken(ann, room, { jti });
    const second = await cluster.roomToken(bob, room, { jti });
    await ann.client.request('join', { roomToken: first, rtpCapabilities: {} });

    await expect(bob.client.request('join', { roomToken: second, rtpCapabilities: {} })).rejects.toMatchObject({
      code: 'token-replayed',
    });
    expect(await inRoom(room)).toEqual([ann.sessionId]);
    await Promise.all([ann.client.close(), bob.client.close()]);
  });

  test('expired, foreign and wrong tokens each have their code, and the session may try again', async () => {
    const room = roomId('tokens');
    const [ann, bob] = [await cluster.attach(node, 'ams-1'), await cluster.attach(node, 'ams-1')];
    const join = (roomToken: string) => ann.client.request('join', { roomToken, rtpCapabilities: {} });

    await expect(join('nonsense')).rejects.toMatchObject({ code: 'token-invalid' });
    const expired = await cluster.roomToken(ann, room, { signing: { expiresInS: -20 } });
    await expect(join(expired)).rejects.toMatchObject({ code: 'token-expired' });
    const early = await cluster.roomToken(ann, room, { signing: { issuedInS: 20 } });
    await expect(join(early)).rejects.toMatchObject({ code: 'token-not-yet-valid' });
    const foreign = await cluster.roomToken(ann, room, { signing: { issuer: 'https://staging.example.org' } });
    await expect(join(foreign)).rejects.toMatchObject({ code: 'token-invalid' });
    const ofBob = await cluster.roomToken(bob, room);
    await expect(join(ofBob)).rejects.toMatchObject({ code: 'token-session' });
    const other = await cluster.roomToken(ann, room);
    await expect(
      ann.client.request('join', { roomToken: other, room: 'another-room', rtpCapabilities: {} }),
    ).rejects.toMatchObject({ code: 'token-room' });
    const session = await cluster.issuer.session({ sessionId: ann.sessionId, nodeId: 'ams-1' });
    await expect(join(session)).rejects.toMatchObject({ code: 'token-kind' });

    await expect(join(await cluster.roomToken(ann, room))).resolves.toMatchObject({ roomId: room });
    await Promise.all([ann.client.close(), bob.client.close()]);
  });

  test('a place that nobody reserved is refused', async () => {
    const room = roomId('unreserved');
    const ann = await cluster.attach(node, 'ams-1');
    const lease = await cluster.cluster.leases.find(ann.nodeId, ann.sessionId);
    if (lease === undefined) throw new Error('no lease');

    const roomToken = await cluster.issuer.room({ lease, roomId: room });

    await expect(ann.client.request('join', { roomToken, rtpCapabilities: {} })).rejects.toMatchObject({
      code: 'place-expired',
    });
    await ann.client.close();
  });

  test('when the media cannot be had the place is given back, and the next try works', async () => {
    const room = roomId('no-media');
    const ann = await cluster.attach(node, 'ams-1');
    media.step = (what) => (what === 'open-participant' ? Promise.reject(new Error('no port')) : Promise.resolve());
    const roomToken = await cluster.roomToken(ann, room);

    await expect(ann.client.request('join', { roomToken, rtpCapabilities: {} })).rejects.toMatchObject({
      code: 'media-unavailable',
    });
    await eventually('nobody is in the room', async () => (await inRoom(room)).length === 0);

    media.step = () => Promise.resolve();
    const next = await cluster.roomToken(ann, room);
    await ann.client.request('join', { roomToken: next, rtpCapabilities: {} });
    expect(await inRoom(room)).toEqual([ann.sessionId]);
    await ann.client.close();
  });

  test('requests that come right behind the join wait for it', async () => {
    const room = roomId('pipelined');
    const ann = await cluster.attach(node, 'ams-1');
    const roomToken = await cluster.roomToken(ann, room);

    const [, line] = await Promise.all([
      ann.client.request('join', { roomToken, rtpCapabilities: {} }),
      ann.client.request('send-chat', { text: 'at once' }),
    ]);

    expect(line.message.text).toBe('at once');
    await ann.client.close();
  });

  test('a connection that is lost in the middle of its join leaves nobody behind', async () => {
    const room = roomId('lost');
    const ann = await cluster.attach(node, 'ams-1');
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    media.step = (what) => {
      if (what !== 'open-participant') return Promise.resolve();
      asked.resolve();
      return gate.promise;
    };
    const roomToken = await cluster.roomToken(ann, room);
    ann.client.request('join', { roomToken, rtpCapabilities: {} }).catch(() => {});
    await asked.promise;
    await eventually('the place is confirmed', async () => (await inRoom(room)).length === 1);

    ann.client.socket.terminate();
    await ann.client.closed;
    gate.resolve();

    await eventually('nobody is in the room', async () => (await inRoom(room)).length === 0);
    await eventually('no media is left', () => media.room(room) === undefined);
  });
});

describe('requests', () => {
  test('every method that needs a room says so without one', async () => {
    const ann = await cluster.attach(node, 'ams-1');
    const samples: Record<string, unknown> = {
      'connect-transport': {
        transportId: 't',
        dtlsParameters: { fingerprints: [{ algorithm: 'sha-256', value: '0' }] },
      },
      'restart-ice': { transportId: 't' },
      publish: { transportId: 't', kind: 'audio', source: 'microphone', rtpParameters: { codecs: [] } },
      'publish-data': { transportId: 't', label: 'l', sctpStreamParameters: {} },
      unpublish: { producerId: 'p' },
      'pause-producer': { producerId: 'p' },
      'resume-producer': { producerId: 'p' },
      subscribe: { producerId: 'p' },
      unsubscribe: { consumerId: 'c' },
      'pause-consumer': { consumerId: 'c' },
      'resume-consumer': { consumerId: 'c' },
      'set-consumer-layers': { consumerId: 'c', spatialLayer: 0 },
      'set-consumer-priority': { consumerId: 'c', priority: 1 },
      'request-keyframe': { consumerId: 'c' },
      'unpublish-data': { dataProducerId: 'd' },
      'subscribe-data': { dataProducerId: 'd' },
      'unsubscribe-data': { dataConsumerId: 'd' },
      'send-chat': { text: 'hello' },
      'get-stats': {},
      kick: { sessionId: 's' },
      'end-room': {},
    };
    const withoutRoom = Object.keys(REQUESTS).filter((method) => method !== 'join' && method !== 'leave');
    expect(Object.keys(samples).sort()).toEqual(withoutRoom.sort());

    for (const [method, data] of Object.entries(samples)) {
      await expect(ann.client.send({ method, data }), method).rejects.toMatchObject({ code: 'not-joined' });
    }
    await ann.client.close();
  });

  test('what is not of the expected form is refused with the fields that are wrong, and the call goes on', async () => {
    const ann = await cluster.join(node, 'ams-1', roomId('form'));

    await expect(ann.client.send({ method: 'send-chat', data: { text: 7 } })).rejects.toMatchObject({
      code: 'bad-request',
      details: { issues: [{ path: 'text' }] },
    });
    await expect(ann.client.send({ method: 'no-such-thing', data: {} })).rejects.toMatchObject({
      code: 'unknown-message',
    });
    await expect(ann.client.send({ method: 'toString', data: {} })).rejects.toMatchObject({ code: 'unknown-message' });
    await expect(ann.client.request('get-stats', {})).resolves.toMatchObject({ relays: [] });
    await ann.client.close();
  });

  test('a session publishes one stream per source, and again after it took it away', async () => {
    const ann = await cluster.join(node, 'ams-1', roomId('sources'));

    const both = await Promise.allSettled([publish(ann), publish(ann)]);
    expect(both.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
    await expect(publish(ann)).rejects.toMatchObject({ code: 'too-many-producers' });
    const [first] = both.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    if (first === undefined) throw new Error('nothing was published');
    await ann.client.request('unpublish', { producerId: first.producerId });
    await publish(ann);
    await expect(ann.client.request('unpublish', { producerId: first.producerId })).rejects.toMatchObject({
      code: 'producer-not-found',
    });
    await ann.client.close();
  });

  test('the state of a producer is seen by the room: paused, resumed, gone', async () => {
    const room = roomId('mute');
    const [ann, bob] = [await cluster.join(node, 'ams-1', room), await cluster.join(node, 'ams-1', room)];
    const { producerId } = await publish(ann);
    await bob.client.until('producer-opened');

    await ann.client.request('pause-producer', { producerId });
    await bob.client.until('producer-updated', (one) => one.paused);
    const late = await cluster.join(node, 'ams-1', room);
    expect(late.joined.producers).toMatchObject([{ producerId, paused: true }]);
    await ann.client.request('resume-producer', { producerId });
    await bob.client.until('producer-updated', (one) => !one.paused);
    await ann.client.request('unpublish', { producerId });
    await bob.client.until('producer-closed', (one) => one.producerId === producerId);

    // What one does oneself is not repeated to oneself.
    expect(ann.client.heard.map((one) => one.event)).not.toContain('producer-opened');
    expect(ann.client.heard.map((one) => one.event)).not.toContain('producer-updated');
    expect(ann.client.heard.map((one) => one.event)).not.toContain('producer-closed');
    await Promise.all([ann, bob, late].map((who) => who.client.close()));
  });

  test('grants are enforced one by one', async () => {
    const room = roomId('grants');
    const host = await cluster.join(node, 'ams-1', room);
    const { producerId } = await publish(host);
    const guest = await cluster.join(node, 'ams-1', room, {
      grants: { publish: false, subscribe: false, chat: false, moderate: false },
    });
    const refused = { code: 'forbidden' };

    await expect(publish(guest)).rejects.toMatchObject({ ...refused, details: { grant: 'publish' } });
    await expect(
      guest.client.request('publish-data', {
        transportId: guest.joined.sendTransport.id,
        label: 'x',
        sctpStreamParameters: {},
      }),
    ).rejects.toMatchObject(refused);
    await expect(guest.client.request('subscribe', { producerId })).rejects.toMatchObject(refused);
    await expect(guest.client.request('send-chat', { text: 'x' })).rejects.toMatchObject(refused);
    await expect(guest.client.request('kick', { sessionId: host.sessionId })).rejects.toMatchObject(refused);
    await expect(guest.client.request('end-room', {})).rejects.toMatchObject(refused);
    expect(guest.client.all('consumer-opened')).toEqual([]);
    expect(ALL_GRANTS).toEqual(host.joined.grants);
    await Promise.all([host.client.close(), guest.client.close()]);
  });

  test('data producers are published, received and taken away', async () => {
    const room = roomId('data');
    const [ann, bob] = [await cluster.join(node, 'ams-1', room), await cluster.join(node, 'ams-1', room)];
    const { dataProducerId } = await ann.client.request('publish-data', {
      transportId: ann.joined.sendTransport.id,
      label: 'reactions',
      sctpStreamParameters: { ordered: true },
    });

    const opened = await bob.client.until('data-consumer-opened');
    expect(opened).toMatchObject({ dataProducerId, label: 'reactions', sessionId: ann.sessionId });
    await ann.client.request('unpublish-data', { dataProducerId });
    await bob.client.until('data-consumer-closed', (one) => one.dataConsumerId === opened.dataConsumerId);
    await bob.client.until('data-producer-closed');
    await Promise.all([ann.client.close(), bob.client.close()]);
  });

  test('chat is limited per participant', async () => {
    const ann = await cluster.join(node, 'ams-1', roomId('chatty'));
    for (const text of ['one', 'two', 'three']) await ann.client.request('send-chat', { text });

    await expect(ann.client.request('send-chat', { text: 'four' })).rejects.toMatchObject({
      code: 'rate-limited',
      retryAfterMs: expect.any(Number),
    });
    await ann.client.close();
  });

  test('a slow request does not hold up the others of its connection', async () => {
    const room = roomId('slow');
    const [ann, bob] = [
      await cluster.join(node, 'ams-1', room),
      await cluster.join(node, 'ams-1', room, { autoSubscribe: false }),
    ];
    const { producerId } = await publish(ann);
    await bob.client.until('producer-opened');
    const gate = Promise.withResolvers<void>();
    media.step = (what) => (what === 'consume' ? gate.promise : Promise.resolve());

    const subscribed = bob.client.request('subscribe', { producerId });
    await bob.client.request('get-stats', {});
    await publish(bob);
    gate.resolve();

    expect((await subscribed).producerId).toBe(producerId);
    await Promise.all([ann.client.close(), bob.client.close()]);
  });
});

describe('ways out', () => {
  test('a leave is answered before the connection is closed', async () => {
    const room = roomId('leave');
    const ann = await cluster.join(node, 'ams-1', room);

    await expect(ann.client.request('leave', {})).resolves.toEqual({});
    await expect(ann.client.closed).resolves.toEqual({ code: 1_000, reason: 'left' });
    await eventually('the room is empty', async () => (await inRoom(room)).length === 0);
    expect(media.room(room)).toBeUndefined();
  });

  test('dead transports end the participant, who is told that joining again helps', async () => {
    const room = roomId('dead');
    const [ann, bob] = [await cluster.join(node, 'ams-1', room), await cluster.join(node, 'ams-1', room)];
    const annMedia = media.room(room)?.participant(ann.sessionId);

    annMedia?.transportState('send', 'connected');
    annMedia?.transportState('recv', 'connected');
    annMedia?.transportState('send', 'failed');
    annMedia?.transportState('recv', 'failed');

    await expect(ann.client.closed).resolves.toEqual({ code: 4_415, reason: 'session-lost' });
    expect(ann.client.all('session-ended')).toMatchObject([{ reason: 'transport-failed' }]);
    await bob.client.until('participant-left', (one) => one.reason === 'transport-failed');
    await bob.client.close();
  });

  test('a dead worker takes the media, not the connection: the participant joins again', async () => {
    const room = roomId('worker');
    const elsewhere = await cluster.join(node, 'ams-1', roomId('elsewhere'));
    const ann = await cluster.join(node, 'ams-1', room);
    await publish(ann);

    media.room(room)?.die();

    await ann.client.until('media-lost', (one) => one.reason === 'worker-died');
    expect(await inRoom(room)).toEqual([]);
    const roomToken = await cluster.roomToken(ann, room);
    const joined = await ann.client.request('join', { roomToken, rtpCapabilities: {} });
    expect(joined.producers).toEqual([]);
    await publish({ ...ann, joined });
    expect(await inRoom(room)).toEqual([ann.sessionId]);
    expect(elsewhere.client.all('media-lost')).toEqual([]);
    await Promise.all([ann.client.close(), elsewhere.client.close()]);
  });

  test('a participant whose place another session of the user takes is told so', async () => {
    const room = roomId('one-per-user');
    const older = await cluster.join(node, 'ams-1', room, { userId: 'same' });
    const newer = await cluster.attach(node, 'ams-1', undefined, { userId: 'same' });
    const roomToken = await cluster.roomToken(newer, room, { duplicates: 'replace' });
    await newer.client.request('join', { roomToken, rtpCapabilities: {} });

    await expect(older.client.closed).resolves.toMatchObject({ reason: 'session-replaced' });
    expect(await inRoom(room)).toEqual([newer.sessionId]);
    await newer.client.close();
  });
});
