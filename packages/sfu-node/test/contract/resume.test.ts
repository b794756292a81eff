import { eventually } from '@meridian/harness';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { leaveAll, type TestClient } from '../support/client.ts';
import type { FakeMediaEngine } from '../support/fake-media.ts';
import { microphone, publish } from '../support/publish.ts';
import { startResumeNodes, startSlowNode, suspended } from '../support/resume-nodes.ts';
import { type Joined, roomId, TestCluster } from '../support/test-cluster.ts';

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

beforeEach(() => {
  media.ams.step = () => Promise.resolve();
});

const say = (who: Joined, text: string) => who.client.request('send-chat', { text });
const texts = (client: TestClient) => client.all('chat').map(({ message }) => message.text);

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
    await ann.client.breakOff();
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

    await ann.client.breakOff();
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

    await ann.client.breakOff();
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
      await who.client.breakOff();
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
    const { node, clock } = await startSlowNode(cluster, 'show-1');
    const room = roomId('shown');
    const [ann, bob] = [await cluster.join(node, 'show-1', room), await cluster.join(sin, 'sin-1', room)];
    await ann.client.breakOff();
    await eventually('it is suspended', async () => (await suspended(node)) === 1);

    await clock.pass(1_999);
    expect((await cluster.participantOf(room, ann))?.connection).toBe('connected');
    await clock.pass(1);
    await bob.client.until('participant-updated', ({ participant }) => participant.connection === 'reconnecting');
    expect((await cluster.participantOf(room, ann))?.connection).toBe('reconnecting');

    const back = await cluster.resume(node, ann);
    const { epoch } = await back.until('welcome');
    await bob.client.until(
      'participant-updated',
      ({ participant }) => participant.connection === 'connected' && participant.epoch === epoch,
    );
    // The timers of the break are gone with it.
    await clock.pass(60_000);
    expect((await cluster.participantOf(room, ann))?.connection).toBe('connected');
    expect(bob.client.all('participant-left')).toEqual([]);
    await leaveAll(back, bob.client);
    await node.close();
  });

  test('is nothing where it is back within two seconds', async () => {
    const { node, clock } = await startSlowNode(cluster, 'show-2');
    const room = roomId('unseen');
    const [ann, bob] = [await cluster.join(node, 'show-2', room), await cluster.join(node, 'show-2', room)];
    await ann.client.breakOff();
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
    const { node, clock } = await startSlowNode(cluster, 'show-3', { MERIDIAN_RESUME_WINDOW_MS: '5000' });
    const room = roomId('too-late');
    const [ann, bob] = [await cluster.join(node, 'show-3', room), await cluster.join(node, 'show-3', room)];
    await ann.client.breakOff();
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

describe('a peer that stopped in the middle of reading', () => {
  test('is found within ten seconds, whatever waits for it, and can resume', async () => {
    const { node, clock } = await startSlowNode(cluster, 'stop-1', { MERIDIAN_DEAD_AFTER_MS: '9000' });
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
