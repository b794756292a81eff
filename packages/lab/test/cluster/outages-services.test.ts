import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually, freePort, startMongo } from '@meridian/harness';
import { type ChatMessage, MessagesReply, parseOrThrow, UserTokenReply } from '@meridian/protocol';
import { describe, expect, onTestFinished, test } from 'vitest';
import { post } from '../../src/light/api.ts';
import { startCall, startCluster } from './outages/call.ts';
import { Peer } from './outages/peer.ts';

describe('a call over two nodes', () => {
  test('goes on while the session service is gone, and lost connections are resumed', async () => {
    const cluster = await startCluster();
    onTestFinished(() => cluster.remove());
    const call = await startCall(cluster);
    onTestFinished(() => call.end());
    const { ann, bob, cid, mics } = call;

    cluster.sessionApi.signal('SIGKILL');
    await cluster.sessionApi.exited();

    await call.mediaFlows();
    await bob.request('pause-producer', { producerId: mics.bob });
    await cid.until('producer-updated', ({ producerId, paused }) => producerId === mics.bob && paused);
    await bob.request('resume-producer', { producerId: mics.bob });
    const { message } = await ann.request('send-chat', { text: 'are you there?' });
    await bob.until('chat', (one) => one.message.id === message.id);
    ann.cut();
    const welcome = await ann.resume({ epoch: ann.joined.self.epoch, seq: ann.lastSeq });
    expect(welcome).toMatchObject({ resumed: true, sessionId: ann.sessionId });
    await call.mediaFlows();
    for (const one of [bob, cid]) expect(one.all('participant-left')).toEqual([]);

    await cluster.restartSessionApi();
    await call.expectState({ producers: Object.values(mics) });
    const eve = await eventually('a newcomer gets in', () =>
      Peer.join({ url: call.url, room: call.room, name: 'Eve', region: 'eu-west' }),
    );
    expect(eve.joined.participants).toHaveLength(4);
    await eve.leave();
  });

  test('goes on while the database is gone: who is known joins, chat arrives at once and in the store later', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'meridian-outages-mongodb-'));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const mongo = await startMongo({ port: await freePort(), dir });
    onTestFinished(() => mongo.stop());
    const cluster = await startCluster({ sessionApiEnv: { MERIDIAN_STORE: mongo.database('outages') } });
    onTestFinished(() => cluster.remove());
    const call = await startCall(cluster);
    onTestFinished(() => call.end());
    const { ann, bob, cid } = call;
    const eve = await post(UserTokenReply, `${call.url}/v1/users`, {
      name: 'Eve',
      email: 'eve@example.org',
      password: 'correct horse battery',
    });
    const where = { url: call.url, room: call.room, name: 'Eve', region: 'ap-southeast', userToken: eve.userToken };
    await (await Peer.join(where)).leave();
    const before = await call.counts();

    await mongo.kill();

    const lines: ChatMessage[] = [];
    for (const [index, one] of [ann, bob, cid, ann, bob, cid].entries()) {
      lines.push((await one.request('send-chat', { text: `line ${index}` })).message);
    }
    await call.mediaFlows();
    for (const one of [ann, bob, cid]) {
      const heard = () => one.all('chat').map(({ message }) => message.id);
      const others = lines.filter(({ sessionId }) => sessionId !== one.sessionId).map(({ id }) => id);
      await eventually('everybody reads the others', () => expect(heard()).toEqual(others));
    }
    const known = await Peer.join(where);
    await ann.until('participant-joined', ({ participant }) => participant.sessionId === known.sessionId);
    await known.leave();
    const refused = await fetch(`${call.url}/v1/rooms`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${eve.userToken}` },
      body: '{}',
    });
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ error: { code: 'store-unavailable' } });

    await mongo.startAgain();
    await eventually('the lines are in the history, each once, in their order', async () => {
      const response = await fetch(`${call.url}/v1/rooms/${call.room}/messages?limit=100`, {
        headers: { authorization: `Bearer ${eve.userToken}` },
      });
      const { messages } = parseOrThrow(MessagesReply, await response.json());
      expect(messages).toEqual(lines);
    });
    await call.expectCounts(before);
    for (const one of [ann, bob, cid]) {
      expect(one.closed).toBeUndefined();
      expect(one.all('media-lost')).toEqual([]);
    }
  });
});
