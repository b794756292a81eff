import { eventually } from '@meridian/harness';
import type { NotificationData } from '@meridian/protocol';
import { RESUME_PROTOCOL_PREFIX, SIGNALLING_PROTOCOL, TOKEN_PROTOCOL_PREFIX } from '@meridian/protocol';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { TestClient } from '../support/client.ts';
import { FakeMediaEngine } from '../support/fake-media.ts';
import { HandClock } from '../support/hand-clock.ts';
import { opusParameters } from '../support/rtp.ts';
import { Samples } from '../support/samples.ts';
import { type Attached, type Joined, roomId, TestCluster } from '../support/test-cluster.ts';
import { ALL_GRANTS } from '../support/token-issuer.ts';

let cluster: TestCluster;
let media: { ams: FakeMediaEngine; sin: FakeMediaEngine };
let ams: SfuNode;
let sin: SfuNode;

beforeAll(async () => {
  cluster = await TestCluster.start();
  media = { ams: new FakeMediaEngine(), sin: new FakeMediaEngine() };
  const env = { MERIDIAN_RESUME_WINDOW_MS: '15000', MERIDIAN_RELAY_GRACE_MS: '0' };
  ams = await cluster.startNode('ams-1', { media: media.ams, env });
  sin = await cluster.startNode('sin-1', { media: media.sin, env });
});

afterAll(async () => {
  await cluster.stop();
});

beforeEach(() => {
  media.ams.step = () => Promise.resolve();
});

const microphone = (who: Joined) => ({
  transportId: who.joined.sendTransport.id,
  kind: 'audio' as const,
  source: 'microphone' as const,
  rtpParameters: opusParameters(),
});
const publish = (who: Joined) => who.client.request('publish', microphone(who));

/** The connection breaks without a word. */
async function breakOff({ client }: Pick<Attached, 'client'>): Promise<void> {
  client.socket.terminate();
  await client.closed;
}

const say = (who: Joined, text: string) => who.client.request('send-chat', { text });
const texts = (client: TestClient) => client.all('chat').map(({ message }) => message.text);
const leaveAll = (...clients: TestClient[]) => Promise.all(clients.map((one) => one.request('leave', {})));
const participantOf = async (room: ReturnType<typeof roomId>, { sessionId }: Attached) => {
  const { participants } = await cluster.cluster.rooms.snapshot(room);
  return participants.find((one) => one.sessionId === sessionId);
};
const suspended = async (node: SfuNode) =>
  new Samples(await (await fetch(`${node.url}/metrics`)).text()).value('meridian_participants_suspended');

/** A node whose timers the test lets run. */
async function slowNode(name: string, env: Record<string, string> = {}) {
  const clock = new HandClock();
  const node = await cluster.startNode(name, {
    media: new FakeMediaEngine(),
    clock,
    env: { MERIDIAN_RESUME_WINDOW_MS: '15000', MERIDIAN_DEAD_AFTER_MS: '600000', ...env },
  });
  return { node, clock };
}

describe('a connection that was lost', () => {
  test('is resumed: the participant stays with all its media, and nobody sees it leave', async () => {
    // Given a call over two nodes
    const room = roomId('resume');
    const [ann, bob, cid] = [
      await cluster.join(ams, 'ams-1', room),
      await cluster.join(ams, 'ams-1', room),
      await cluster.join(sin, 'sin-1', room),
    ];
    const { producerId } = await publish(ann);
    const consumers = [await bob.client.until('consumer-opened'), await cid.client.until('consumer-opened')];
    const before = media.ams.room(room)?.participant(ann.sessionId);

    // When a connection breaks and comes back
    await breakOff(ann);
    const back = await cluster.resume(ams, ann);
    const welcome = await back.until('welcome');

    // Then it is the same participant under a newer epoch
    expect(welcome).toMatchObject({ resumed: true, sessionId: ann.sessionId });
    expect(welcome.epoch).toBeGreaterThan(ann.welcome.epoch);
    expect(media.ams.room(room)?.participant(ann.sessionId)).toBe(before);
    expect(before?.closed).toBe(false);
    await back.request('pause-producer', { producerId });
    await bob.client.until('producer-updated', (one) => one.producerId === producerId && one.paused);
    // And the cluster knows
    await eventually('the lease has the new epoch', async () => {
      const lease = await cluster.cluster.leases.find(ann.nodeId, ann.sessionId);
      return lease?.epoch === welcome.epoch;
    });
    const { participants, producers } = await cluster.cluster.rooms.snapshot(room);
    expect(participants.find((one) => one.sessionId === ann.sessionId)).toMatchObject({
      epoch: welcome.epoch,
      connection: 'connected',
    });
    expect(producers.map((one) => one.producerId)).toEqual([producerId]);
    // And the others were told of nothing but the newer epoch
    for (const other of [bob, cid]) {
      const { participant } = await other.client.until('participant-updated');
      expect(participant).toMatchObject({ epoch: welcome.epoch, connection: 'connected' });
      expect(other.client.all('participant-left')).toEqual([]);
      expect(other.client.all('participant-joined').map((one) => one.participant.sessionId)).not.toContain(
        ann.sessionId,
      );
      expect(other.client.all('consumer-closed')).toEqual([]);
    }
    expect(consumers).toHaveLength(2);
    await Promise.all([back, bob.client, cid.client].map((one) => one.request('leave', {})));
  });

  test('gets what it missed, once and in order', async () => {
    const room = roomId('missed');
    const [ann, bob] = [await cluster.join(ams, 'ams-1', room), await cluster.join(ams, 'ams-1', room)];
    await say(bob, 'one');
    await ann.client.until('chat');

    await breakOff(ann);
    await say(bob, 'two');
    await say(bob, 'three');
    const back = await cluster.resume(ams, ann);
    await say(bob, 'four');
    await back.until('chat', ({ message }) => message.text === 'four');

    expect(back.all('chat').map(({ message }) => message.text)).toEqual(['two', 'three', 'four']);
    const seqs = back.heard.map((one) => one.seq);
    expect(back.heard[0]).toMatchObject({ event: 'welcome', seq: ann.client.lastSeq });
    expect(seqs).toEqual(seqs.map((_, index) => ann.client.lastSeq + index));
    await Promise.all([back, bob.client].map((one) => one.request('leave', {})));
  });
});

describe('requests that were under way when the connection broke', () => {
  test('run once: the answer of the first run comes to the resumed connection', async () => {
    const room = roomId('in-flight');
    const ann = await cluster.join(ams, 'ams-1', room);
    const gate = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    let produced = 0;
    media.ams.step = (what) => {
      if (what !== 'produce') return Promise.resolve();
      produced += 1;
      asked.resolve();
      return gate.promise;
    };
    const id = ann.client.nextId;
    publish(ann).catch(() => {});
    await asked.promise;

    await breakOff(ann);
    const back = await cluster.resume(ams, ann);
    await back.until('welcome');
    const again = back.sendAs(id, { method: 'publish', data: microphone(ann) });
    gate.resolve();

    const { producerId } = (await again) as { producerId: string };
    expect(produced).toBe(1);
    const { producers } = await cluster.cluster.rooms.snapshot(room);
    expect(producers.map((one) => one.producerId)).toEqual([producerId]);
    expect(media.ams.room(room)?.participant(ann.sessionId)?.closed).toBe(false);
    await leaveAll(back);
  });

  test('chat is neither lost nor there twice, whenever the connection breaks', async () => {
    const room = roomId('chat-once');
    const [ann, bob] = [await cluster.join(ams, 'ams-1', room), await cluster.join(sin, 'sin-1', room)];
    let who: Pick<Joined, 'client' | 'welcome'> = ann;
    const lines = Array.from({ length: 9 }, (_, index) => `line ${index}`);
    for (const [turns, text] of lines.entries()) {
      // When the line is on its way, arrived, written or answered
      const id = who.client.nextId;
      const request = { method: 'send-chat', data: { text } };
      who.client.send(request).catch(() => {});
      for (let turn = 0; turn < turns * 2; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
      await breakOff(who);
      const back = await cluster.resume(ams, { ...ann, ...who });
      const welcome = await back.until('welcome');
      expect(welcome.resumed).toBe(true);

      // Then the client asks again under the same id, and has its answer
      await expect(back.sendAs(id, request)).resolves.toMatchObject({ message: { text } });
      who = { client: back, welcome };
    }
    await eventually('the others read each line once', () => expect(texts(bob.client)).toEqual(lines));
    await leaveAll(who.client, bob.client);
  });
});

describe('what the others see', () => {
  test('is a reconnecting participant after two seconds and not before, and a connected one when it is back', async () => {
    const { node, clock } = await slowNode('show-1');
    const room = roomId('shown');
    const [ann, bob] = [await cluster.join(node, 'show-1', room), await cluster.join(sin, 'sin-1', room)];
    await breakOff(ann);
    await eventually('it is suspended', async () => (await suspended(node)) === 1);

    await clock.pass(1_999);
    expect((await participantOf(room, ann))?.connection).toBe('connected');
    await clock.pass(1);
    await bob.client.until('participant-updated', ({ participant }) => participant.connection === 'reconnecting');
    expect((await participantOf(room, ann))?.connection).toBe('reconnecting');

    const back = await cluster.resume(node, ann);
    const { epoch } = await back.until('welcome');
    await bob.client.until(
      'participant-updated',
      ({ participant }) => participant.connection === 'connected' && participant.epoch === epoch,
    );
    // The timers of the break are gone with it.
    await clock.pass(60_000);
    expect((await participantOf(room, ann))?.connection).toBe('connected');
    expect(bob.client.all('participant-left')).toEqual([]);
    await leaveAll(back, bob.client);
    await node.close();
  });

  test('is nothing where it is back within two seconds', async () => {
    const { node, clock } = await slowNode('show-2');
    const room = roomId('unseen');
    const [ann, bob] = [await cluster.join(node, 'show-2', room), await cluster.join(node, 'show-2', room)];
    await breakOff(ann);
    await eventually('it is suspended', async () => (await suspended(node)) === 1);
    await clock.pass(1_900);
    const back = await cluster.resume(node, ann);
    const { epoch } = await back.until('welcome');
    await bob.client.until('participant-updated', ({ participant }) => participant.epoch === epoch);
    await clock.pass(10_000);
    expect(bob.client.all('participant-updated').map((one) => one.participant.connection)).toEqual(['connected']);
    await leaveAll(back, bob.client);
    await node.close();
  });

  test('is a leave when the window is over; who comes later begins anew, over the connection that it has', async () => {
    const { node, clock } = await slowNode('show-3', { MERIDIAN_RESUME_WINDOW_MS: '5000' });
    const room = roomId('too-late');
    const [ann, bob] = [await cluster.join(node, 'show-3', room), await cluster.join(node, 'show-3', room)];
    await breakOff(ann);
    await eventually('it is suspended', async () => (await suspended(node)) === 1);
    await clock.pass(4_999);
    expect(bob.client.all('participant-left')).toEqual([]);
    await clock.pass(1);
    await bob.client.until('participant-left', (one) => one.reason === 'connection-lost');

    const back = await cluster.resume(node, ann);
    const welcome = await back.until('welcome');
    expect(welcome.resumed).toBe(false);
    expect(back.heard[0]?.seq).toBe(1);
    const roomToken = await cluster.roomToken({ ...ann, welcome }, room);
    const { participants } = await back.request('join', { roomToken, rtpCapabilities: {} });
    expect(participants).toHaveLength(2);
    await leaveAll(back, bob.client);
    await node.close();
  });
});

describe('an older connection that is still open', () => {
  test('is closed when it is resumed elsewhere, and nothing that it says counts any more', async () => {
    const room = roomId('half-open');
    const ann = await cluster.join(ams, 'ams-1', room);

    const back = await cluster.resume(ams, ann);
    const welcome = await back.until('welcome');
    ann.client.send({ method: 'leave', data: {} }).catch(() => {});

    expect(welcome.resumed).toBe(true);
    await expect(ann.client.closed).resolves.toEqual({ code: 4_412, reason: 'session-replaced' });
    await publish({ ...ann, client: back });
    expect(await participantOf(room, ann)).toMatchObject({ epoch: welcome.epoch });
    await leaveAll(back);
  });

  test('two connections that resume at once: one has it in the end, the participant is there once', async () => {
    const room = roomId('resume-race');
    const [ann, bob] = [await cluster.join(ams, 'ams-1', room), await cluster.join(ams, 'ams-1', room)];
    await breakOff(ann);
    const both = await Promise.all([cluster.resume(ams, ann), cluster.resume(ams, ann)]);

    const lost = await eventually(
      'one of them is closed',
      () => both.find((one) => one.closeInfo !== undefined) ?? false,
    );
    expect(lost.closeInfo).toEqual({ code: 4_412, reason: 'session-replaced' });
    const [stays] = both.filter((one) => one !== lost);
    if (stays === undefined) throw new Error('none is left');
    const welcome = await stays.until('welcome');
    await publish({ ...ann, client: stays });
    await eventually('the room has its epoch', async () => (await participantOf(room, ann))?.epoch === welcome.epoch);
    expect(bob.client.all('participant-left')).toEqual([]);
    await leaveAll(stays, bob.client);
  });

  test('a resume that comes late, after the client went on over another connection, does not take it away', async () => {
    const room = roomId('stale-resume');
    const ann = await cluster.join(ams, 'ams-1', room);
    await breakOff(ann);
    const back = await cluster.resume(ams, ann);
    await back.until('welcome');
    back.ping();
    await eventually('the node has heard it', () => back.pongs.length > 0);

    const stale = await cluster.resume(ams, ann);

    await expect(stale.closed).resolves.toEqual({ code: 4_412, reason: 'session-replaced' });
    await publish({ ...ann, client: back });
    await leaveAll(back);
  });

  test('who never heard of its resume names the connection before, and has its participant all the same', async () => {
    const room = roomId('unheard');
    const ann = await cluster.join(ams, 'ams-1', room);
    await breakOff(ann);
    const unheard = await cluster.resume(ams, ann);
    await unheard.until('welcome');
    await breakOff({ client: unheard });

    const back = await cluster.resume(ams, ann);
    expect(await back.until('welcome')).toMatchObject({ resumed: true });
    await publish({ ...ann, client: back });
    await leaveAll(back);
  });
});

describe('a page that was refreshed', () => {
  test('has the session in the end, whether the old one resumes before, after or at the same time', async () => {
    for (const order of ['before', 'after', 'at-once'] as const) {
      const room = roomId(`refresh-${order}`);
      const ann = await cluster.join(ams, 'ams-1', room);
      await breakOff(ann);
      const refresh = () => cluster.attach(ams, 'ams-1', ann.sessionId);
      const resume = async () => {
        const client = await cluster.resume(ams, ann);
        await Promise.race([client.until('welcome'), client.closed]);
        return client;
      };
      let old: TestClient;
      let page: Attached;
      if (order === 'before') {
        old = await resume();
        page = await refresh();
      } else if (order === 'after') {
        page = await refresh();
        old = await resume();
      } else {
        [page, old] = await Promise.all([refresh(), resume()]);
      }

      await expect(old.closed).resolves.toEqual({ code: 4_412, reason: 'session-replaced' });
      const roomToken = await cluster.roomToken(page, room);
      const joined = await page.client.request('join', { roomToken, rtpCapabilities: {} });
      expect(joined.participants).toMatchObject([{ sessionId: ann.sessionId, epoch: page.welcome.epoch }]);
      expect(page.client.closeInfo).toBeUndefined();
      await leaveAll(page.client);
    }
  });

  test('and given up before it joined leaves nobody behind', async () => {
    const { node, clock } = await slowNode('page-1');
    const room = roomId('given-up');
    const bob = await cluster.join(node, 'page-1', room);
    for (const goodbye of ['leave', 'close'] as const) {
      const ann = await cluster.join(node, 'page-1', room);
      const page = await cluster.attach(node, 'page-1', ann.sessionId);
      await ann.client.closed;
      expect(bob.client.all('participant-left').map((one) => one.sessionId)).not.toContain(ann.sessionId);

      if (goodbye === 'leave') await leaveAll(page.client);
      else await page.client.close();
      // Without a word it may be on its way still: its place is kept a little longer.
      if (goodbye === 'close') await clock.pass(5_000);
      await bob.client.until('participant-left', (one) => one.sessionId === ann.sessionId);
    }
    await leaveAll(bob.client);
    await node.close();
  });
});

describe('a peer that stopped in the middle of reading', () => {
  test('is found within ten seconds, whatever waits for it, and can resume', async () => {
    const { node, clock } = await slowNode('stop-1', { MERIDIAN_DEAD_AFTER_MS: '9000' });
    const room = roomId('stopped');
    const [ann, bob] = [await cluster.join(node, 'stop-1', room), await cluster.join(node, 'stop-1', room)];
    const alive = async () => {
      const before = bob.client.pongs.length;
      bob.client.ping();
      await eventually('the node has heard bob', () => bob.client.pongs.length > before);
    };
    ann.client.socket.pause();
    for (let second = 1; second <= 10; second++) {
      await alive();
      await say(bob, `second ${second}`);
      await clock.pass(1_000);
    }
    expect(await suspended(node)).toBe(1);
    expect(bob.client.closeInfo).toBeUndefined();

    const back = await cluster.resume(node, ann);
    expect(await back.until('welcome')).toMatchObject({ resumed: true });
    await back.until('chat', ({ message }) => message.text === 'second 10');
    expect(texts(back)).toEqual(Array.from({ length: 10 }, (_, index) => `second ${index + 1}`));
    ann.client.socket.terminate();
    await leaveAll(back, bob.client);
    await node.close();
  });
});

describe('what ended while the connection was lost stays ended', () => {
  test('a person who was sent out does not come in again by itself', async () => {
    const room = roomId('kicked');
    const [ann, bob] = [await cluster.join(ams, 'ams-1', room), await cluster.join(ams, 'ams-1', room)];
    await breakOff(ann);
    await bob.client.request('kick', { sessionId: ann.sessionId });
    await bob.client.until('participant-left', (one) => one.reason === 'kicked');

    const back = await cluster.resume(ams, ann);
    await expect(back.closed).resolves.toEqual({ code: 4_414, reason: 'session-kicked' });
    await leaveAll(bob.client);
  });

  test('a call that was ended does not begin again', async () => {
    const room = roomId('ended');
    const [ann, bob] = [await cluster.join(ams, 'ams-1', room), await cluster.join(sin, 'sin-1', room)];
    await breakOff(ann);
    // Its own connection is closed by that, before or after the reply.
    await bob.client.request('end-room', {}).catch(() => {});
    await eventually('the media is closed', () => media.ams.room(room) === undefined);

    const back = await cluster.resume(ams, ann);
    await expect(back.closed).resolves.toEqual({ code: 4_411, reason: 'room-ended' });
  });

  test('a tab that another one of the same user replaced does not take the place back', async () => {
    const room = roomId('one-tab');
    const older = await cluster.join(ams, 'ams-1', room, { userId: 'one-user' });
    await breakOff(older);
    const newer = await cluster.attach(sin, 'sin-1', undefined, { userId: 'one-user' });
    const roomToken = await cluster.roomToken(newer, room, { duplicates: 'replace' });
    const { participants } = await newer.client.request('join', { roomToken, rtpCapabilities: {} });
    expect(participants.map((one) => one.sessionId)).toEqual([newer.sessionId]);
    await eventually('the media of the older one is closed', () => media.ams.room(room) === undefined);

    const token = await cluster.issuer.session({ sessionId: older.sessionId, nodeId: 'ams-1', userId: 'one-user' });
    const point = { epoch: older.welcome.epoch, seq: older.client.lastSeq };
    const back = TestClient.resuming(ams.url, token, point);

    await expect(back.closed).resolves.toEqual({ code: 4_412, reason: 'session-replaced' });
    expect(await participantOf(room, newer)).toBeDefined();
    expect(await participantOf(room, older)).toBeUndefined();
    await leaveAll(newer.client);
  });

  test('a second tab of a user whose first one is reconnecting is refused where the room takes only one', async () => {
    const room = roomId('reject');
    const older = await cluster.join(ams, 'ams-1', room, { userId: 'rejected-user' });
    await breakOff(older);
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
    await breakOff(tabs[0]);
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
    await breakOff(ann);
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
    await breakOff(ann);
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
    await breakOff(ann);
    for (let line = 0; line < 5; line++) await say(bob, 'x'.repeat(1_000));

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
    await breakOff(ann);
    const back = await cluster.resume(ams, ann, { seq: ann.client.lastSeq + 1_000 });
    expect(await back.until('welcome')).toMatchObject({ resumed: false });
    await leaveAll(back);
  });

  test("cannot take another user's participant, whatever its token says", async () => {
    const room = roomId('theft');
    const ann = await cluster.join(ams, 'ams-1', room);
    await breakOff(ann);
    const token = await cluster.issuer.session({ sessionId: ann.sessionId, nodeId: 'ams-1', userId: 'mallory' });
    const thief = TestClient.resuming(ams.url, token, { epoch: ann.welcome.epoch, seq: ann.client.lastSeq });
    expect(await thief.until('welcome')).toMatchObject({ resumed: false });
    await breakOff({ client: thief });
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
