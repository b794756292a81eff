import { eventually } from '@meridian/harness';
import type { SfuNode } from '@meridian/sfu-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leaveAll, type TestClient } from '../support/client.ts';
import { publish } from '../support/publish.ts';
import { startResumeNodes, startSlowNode } from '../support/resume-nodes.ts';
import { type Attached, roomId, TestCluster } from '../support/test-cluster.ts';

let cluster: TestCluster;
let ams: SfuNode;

beforeAll(async () => {
  cluster = await TestCluster.start();
  ({ ams } = await startResumeNodes(cluster));
});

afterAll(async () => {
  await cluster.stop();
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
    expect(await cluster.participantOf(room, ann)).toMatchObject({ epoch: welcome.epoch });
    await leaveAll(back);
  });

  test('two connections that resume at once: one has it in the end, the participant is there once', async () => {
    const room = roomId('resume-race');
    const [ann, bob] = [await cluster.join(ams, 'ams-1', room), await cluster.join(ams, 'ams-1', room)];
    await ann.client.breakOff();
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
    await eventually(
      'the room has its epoch',
      async () => (await cluster.participantOf(room, ann))?.epoch === welcome.epoch,
    );
    expect(bob.client.all('participant-left')).toEqual([]);
    await leaveAll(stays, bob.client);
  });

  test('a resume that comes late, after the client went on over another connection, does not take it away', async () => {
    const room = roomId('stale-resume');
    const ann = await cluster.join(ams, 'ams-1', room);
    await ann.client.breakOff();
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
    await ann.client.breakOff();
    const unheard = await cluster.resume(ams, ann);
    await unheard.until('welcome');
    await unheard.breakOff();

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
      await ann.client.breakOff();
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
    const { node, clock } = await startSlowNode(cluster, 'page-1');
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
