import { eventually } from '@meridian/harness';
import { type BusEnvelope, Epoch, LinkId, MeridianError, MessageId, NodeId, ProducerId } from '@meridian/protocol';
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import type { BusOutcome } from '../../../src/index.ts';
import type { Backend } from '../../support/backend.ts';
import {
  audio,
  join,
  leave,
  listen,
  newProducerId,
  nodeA,
  nodeB,
  nodeC,
  person,
  roomId,
  World,
} from '../../support/world.ts';

const nowMs = async (world: World) => {
  const [seconds, microseconds] = await world.backend.raw.time();
  return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000);
};

export function inboxSuite(backend: () => Backend): void {
  /** Two nodes with an inbox each, in processes of their own as far as Redis can tell. */
  async function twoNodes() {
    const world = new World(backend());
    const outcomes: [string, BusOutcome][] = [];
    const clusterA = await world.open({
      observe: { busRequest: (method, _ms, outcome) => outcomes.push([method, outcome]) },
    });
    const clusterB = await world.open();
    return { world, clusterA, clusterB, a: await clusterA.inbox(nodeA), b: await clusterB.inbox(nodeB), outcomes };
  }

  const raw = (world: World, envelope: BusEnvelope) =>
    world.backend.raw.publish(world.keys.channels + nodeB, JSON.stringify(envelope));

  describe('requests on the bus', () => {
    it('are answered by the handler of the asked node', async () => {
      const { a, b, outcomes } = await twoNodes();
      b.handle('ping', async (_data, { from }) => ({ nodeId: from, timeMs: 42 }));
      expect(await a.request(nodeB, 'ping', {})).toEqual({ nodeId: nodeA, timeMs: 42 });
      expect(outcomes).toEqual([['ping', 'ok']]);
    });

    it('many at once each get their own answer', async () => {
      const { a, b } = await twoNodes();
      b.handle('session.end', async ({ epoch }) => ({ ended: epoch % 2 === 0 }));
      const { sessionId } = person();
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, i) =>
          a.request(nodeB, 'session.end', { roomId, sessionId, epoch: Epoch.parse(i), reason: 'kicked' }),
        ),
      );
      expect(answers.map(({ ended }) => ended)).toEqual(Array.from({ length: 50 }, (_, i) => i % 2 === 0));
    });

    it('bring the error of the handler back, with its code', async () => {
      const { a, b, outcomes, world } = await twoNodes();
      b.handle('ping', async () => {
        throw new MeridianError('relay-failed', { message: 'no port', retryAfterMs: 7 });
      });
      await expect(a.request(nodeB, 'ping', {})).rejects.toMatchObject({
        code: 'relay-failed',
        message: 'no port',
        retryAfterMs: 7,
      });
      b.handle('ping', async () => {
        throw new TypeError('a secret of the node');
      });
      const thrown = await a.request(nodeB, 'ping', {}).catch((error: unknown) => error);
      expect(thrown).toMatchObject({ code: 'internal' });
      expect(String(thrown)).not.toContain('secret');
      expect(world.log.some(({ level, message }) => level === 'error' && /request threw/.test(message))).toBe(true);
      expect(outcomes.map(([, outcome]) => outcome)).toEqual(['relay-failed', 'internal']);
    });

    it('get an answer also where nobody handles them, or where they are not of the expected form', async () => {
      const { a, b, world } = await twoNodes();
      await expect(a.request(nodeB, 'relay.list', {})).rejects.toMatchObject({ code: 'unknown-message' });
      b.handle('session.end', async () => ({ ended: true }));
      const heard: unknown[] = [];
      const subscriber = new Redis(world.backend.processes[0]?.port ?? 0, '127.0.0.1');
      try {
        subscriber.on('message', (_channel: string, text: string) => heard.push(JSON.parse(text)));
        await subscriber.subscribe(`${world.keys.channels}node-d`);
        const base = { t: 'req', from: 'node-d', sentAtMs: await nowMs(world), ttlMs: 3_000 };
        // In a Redis Cluster only an inbox that shows a sign of life is answered.
        await world.backend.raw.set(world.keys.node(NodeId.parse('node-d')).inbox, '1', 'PX', 10_000);
        const send = (message: object) =>
          world.backend.raw.publish(world.keys.channels + nodeB, JSON.stringify({ ...base, ...message }));
        await send({ id: 'request-1', method: 'session.end', data: { roomId: 7 } });
        await send({ id: 'request-2', method: 'relay.teleport', data: {} });
        await eventually('both are answered with an error', () => {
          expect(heard).toEqual(
            expect.arrayContaining([
              expect.objectContaining({
                t: 'res',
                id: 'request-1',
                result: { ok: false, error: expect.objectContaining({ code: 'bad-request' }) },
              }),
              expect.objectContaining({
                t: 'res',
                id: 'request-2',
                result: { ok: false, error: expect.objectContaining({ code: 'unknown-message' }) },
              }),
            ]),
          );
        });
      } finally {
        subscriber.disconnect();
      }
    });

    it('fail at once when no such node listens', async () => {
      const { a, b, outcomes } = await twoNodes();
      await expect(a.request(NodeId.parse('node-z'), 'ping', {})).rejects.toMatchObject({ code: 'node-unknown' });
      await b.close();
      await eventually('a closed inbox is not there any more', async () => {
        await expect(a.request(nodeB, 'ping', {}, { ttlMs: 200 })).rejects.toMatchObject({ code: 'node-unknown' });
      });
      expect(outcomes[0]).toEqual(['ping', 'node-unknown']);
    });

    it('run into their deadline when the handler is too slow, and the late answer goes nowhere', async () => {
      const { a, b, outcomes } = await twoNodes();
      let aborted = false;
      let finish: () => void = () => {};
      b.handle('ping', async (_data, { signal }) => {
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        return { nodeId: nodeB, timeMs: 1 };
      });
      await expect(a.request(nodeB, 'ping', {}, { ttlMs: 60 })).rejects.toMatchObject({ code: 'deadline-exceeded' });
      await eventually('the handler is told that nobody waits any more', () => aborted);
      finish();
      b.handle('ping', async () => ({ nodeId: nodeB, timeMs: 2 }));
      expect((await a.request(nodeB, 'ping', {})).timeMs).toBe(2);
      expect(outcomes.map(([, outcome]) => outcome)).toEqual(['deadline-exceeded', 'ok']);
    });

    it('end when their caller aborts', async () => {
      const { a, b, outcomes } = await twoNodes();
      b.handle('ping', () => new Promise(() => {}));
      const controller = new AbortController();
      const asking = a.request(nodeB, 'ping', {}, { signal: controller.signal });
      controller.abort(new Error('changed my mind'));
      await expect(asking).rejects.toThrow('changed my mind');
      await expect(a.request(nodeB, 'ping', {}, { signal: controller.signal })).rejects.toThrow('changed my mind');
      expect(outcomes.map(([, outcome]) => outcome)).toEqual(['aborted', 'aborted']);
    });

    it('that came twice are worked once, and expired ones not at all', async () => {
      const { b, world } = await twoNodes();
      const worked: string[] = [];
      b.handle('relay.close', async ({ reason }) => {
        worked.push(reason);
        return {};
      });
      const sentAtMs = await nowMs(world);
      const linkId = LinkId.parse('link-1');
      const request = (id: string, reason: string, at: number): BusEnvelope => ({
        t: 'req',
        id,
        from: nodeA,
        method: 'relay.close',
        sentAtMs: at,
        ttlMs: 2_000,
        data: { linkId, reason },
      });
      await raw(world, request('request-old', 'expired', sentAtMs - 2_500));
      for (let i = 0; i < 3; i += 1) await raw(world, request('request-one', 'first', sentAtMs));
      await raw(world, request('request-two', 'second', sentAtMs));
      await eventually('the last one was worked', () => worked.includes('second'));
      expect(worked.sort()).toEqual(['first', 'second']);
    });

    it('are refused on a closed inbox, and pending ones end with it', async () => {
      const { a, b } = await twoNodes();
      b.handle('ping', () => new Promise(() => {}));
      const asking = a.request(nodeB, 'ping', {});
      const ended = expect(asking).rejects.toMatchObject({ code: 'closed' });
      await a.close();
      await a.close();
      await ended;
      await expect(a.request(nodeB, 'ping', {})).rejects.toMatchObject({ code: 'closed' });
    });
  });

  describe('notices on the bus', () => {
    it('reach every handler, in order, and broken ones are dropped', async () => {
      const { a, b, world } = await twoNodes();
      const seen: string[] = [];
      b.onNotice('relay.producer-paused', ({ producerId }, from) => {
        seen.push(`${from}:${producerId}`);
        throw new Error('a handler that throws');
      });
      b.onNotice('relay.producer-paused', ({ producerId }) => seen.push(producerId));
      const linkId = LinkId.parse('link-1');
      const base = { t: 'ntc', from: nodeA, sentAtMs: await nowMs(world) } as const;
      await raw(world, { ...base, id: 'notice-broken', notice: 'relay.producer-paused', data: { linkId: 1 } });
      await world.backend.raw.publish(world.keys.channels + nodeB, 'not json');
      for (const name of ['p1', 'p2', 'p3']) {
        await a.notify(nodeB, 'relay.producer-paused', { linkId, producerId: ProducerId.parse(name) });
      }
      await eventually('all three have come', () => seen.length === 6);
      expect(seen).toEqual(['node-a:p1', 'p1', 'node-a:p2', 'p2', 'node-a:p3', 'p3']);
    });

    it('are heard when their receiver says so, not where something else listens', async () => {
      const { a, b, world } = await twoNodes();
      const linkId = LinkId.parse('link-1');
      const pause = (to: NodeId) => a.notify(to, 'relay.producer-paused', { linkId, producerId: newProducerId() });
      expect(await pause(nodeB)).toBe(true);
      expect(await pause(nodeC)).toBe(false);
      // As right after an outage: the sign of life is there still, and a connection that is of no use any more.
      const redis = world.backend.raw;
      await redis.set(world.keys.node(nodeC).inbox, '1');
      const deaf = redis instanceof Redis ? redis.duplicate() : redis.duplicate();
      await deaf.subscribe(world.keys.channels + nodeC);
      expect(await pause(nodeC)).toBe(false);
      deaf.disconnect();
      await b.close();
    });

    it('are heard once by each when they are said again under one id', async () => {
      const { a, b, clusterB } = await twoNodes();
      const c = await clusterB.inbox(nodeC);
      const seen: string[] = [];
      for (const inbox of [b, c]) {
        inbox.onNotice('relay.producer-paused', ({ producerId }) => seen.push(`${inbox.nodeId} ${producerId}`));
      }
      const say = (to: NodeId) =>
        a.notify(
          to,
          'relay.producer-paused',
          { linkId: LinkId.parse('link-1'), producerId: ProducerId.parse('p1') },
          { id: 'one and the same' },
        );
      for (let times = 0; times < 2; times += 1) {
        expect(await Promise.all([say(nodeB), say(nodeC)])).toEqual([true, true]);
      }
      expect(seen.sort()).toEqual(['node-b p1', 'node-c p1']);
    });

    it('carry a chat line', async () => {
      const { a, b } = await twoNodes();
      const who = person({ name: 'Ünï' });
      const message = {
        id: MessageId.parse('000000000000001-00000001'),
        roomId,
        ...who,
        text: 'line one\nline two \u{1F600}',
        sentAtMs: 1,
      };
      const lines: unknown[] = [];
      b.onNotice('chat.line', (data) => lines.push(data));
      await a.notify(nodeB, 'chat.line', { roomId, message });
      await eventually('the line comes', () => lines.length === 1);
      expect(lines).toEqual([{ roomId, message }]);
    });
  });

  describe('room events', () => {
    it('come to the nodes of the room only, gapless', async () => {
      const { clusterA, clusterB, a, b } = await twoNodes();
      const [atA, atB] = [listen(a), listen(b)];
      const first = await join(clusterA, person(), nodeA);
      await clusterA.rooms.openProducer(roomId, first.epoch, audio(first));
      const second = await join(clusterB, person(), nodeB);
      await leave(clusterA, first);
      await clusterB.rooms.openProducer(roomId, second.epoch, audio(second));
      await eventually('both have heard what concerns them', () => {
        expect(atA.events.map(({ event }) => event.type)).toEqual([
          'participant-joined',
          'producer-opened',
          'participant-joined',
          'producer-closed',
          'participant-left',
        ]);
        expect(atB.events.map(({ event }) => event.type)).toEqual([
          'participant-joined',
          'producer-closed',
          'participant-left',
          'producer-opened',
        ]);
      });
      // Back again after having been out: what happened meanwhile is no gap.
      await join(clusterA, person(), nodeA);
      await eventually('the node hears the room again', () => atA.events.length === 6);
      expect([...atA.gaps, ...atB.gaps]).toEqual([]);
    });

    it('of a skipped revision are told as a gap of that room', async () => {
      const { world, clusterB, b } = await twoNodes();
      const heard = listen(b);
      await join(clusterB, person(), nodeB);
      await eventually('the own join is heard', () => heard.events.length === 1);
      const last = heard.events[0]?.revision ?? 0;
      const publish = (revision: number) =>
        world.backend.raw.publish(
          world.keys.channels + nodeB,
          JSON.stringify({
            t: 'evt',
            roomId,
            revision,
            event: { type: 'producer-updated', producerId: 'p1', paused: true },
          }),
        );
      await publish(last + 3);
      await publish(last + 1);
      await eventually('the gap is told', () => heard.gaps.length === 1);
      expect(heard.gaps).toEqual([roomId]);
      expect(heard.events.map(({ revision }) => revision)).toContain(last + 3);
    });

    it('are told as a gap of all rooms when the subscription stood still', async () => {
      const { world, clusterB, b } = await twoNodes();
      const heard = listen(b);
      const first = await join(clusterB, person(), nodeB);
      await eventually('the own join is heard', () => heard.events.length === 1);
      for (const { port } of world.backend.processes) await killSubscribers(port);
      await eventually('the subscription came back', () => heard.gaps.length > 0);
      expect(heard.gaps[0]).toBeUndefined();
      await leave(clusterB, first);
      await join(clusterB, person(), nodeB);
      await eventually('events flow again', () => heard.events.length >= 2);
    });
  });
}

async function killSubscribers(port: number): Promise<void> {
  const client = new Redis(port, '127.0.0.1');
  try {
    await client.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
  } finally {
    client.disconnect();
  }
}
