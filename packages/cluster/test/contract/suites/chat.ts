import { eventually } from '@meridian/harness';
import { ChatMessage } from '@meridian/protocol';
import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../../src/index.ts';
import type { Backend } from '../../support/backend.ts';
import { newRoomId, person, roomId, World } from '../../support/world.ts';

const say = (cluster: Cluster, text: string, room = roomId) => {
  const { sessionId, userId, name } = person();
  return cluster.chat.append(cluster.chat.draft({ roomId: room, sessionId, userId, name, text }));
};

export function chatSuite(backend: () => Backend): void {
  /** Drains in the background until the test stops it. */
  function drain(cluster: Cluster, consumer: string, keep: (messages: ChatMessage[]) => Promise<void>) {
    const controller = new AbortController();
    const ended = cluster.chat.drain(keep, { consumer, signal: controller.signal });
    return {
      async stop() {
        controller.abort();
        await ended;
      },
    };
  }

  describe('the chat outbox', () => {
    it('gives lines ids that sort as text in the order of acceptance', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const lines = await Promise.all(Array.from({ length: 200 }, (_, i) => say(cluster, `line ${i}`)));
      const ids = lines.map(({ id }) => id);
      expect(new Set(ids).size).toBe(200);
      expect([...ids].sort()).toEqual(ids);
      for (const line of lines) expect(ChatMessage.parse(line)).toEqual(line);
      expect(lines[0]?.id.startsWith(`00${lines[0].sentAtMs}-`)).toBe(true);
    });

    it.each(['garbage', '', '00001e999-00000001', '999999999999999-00000001'])(
      'goes by the clock where the last id says %j',
      async (damage) => {
        const world = new World(backend());
        const cluster = await world.open();
        const first = await say(cluster, 'before');
        await world.backend.raw.set(world.keys.lastChat, damage, 'KEEPTTL');
        const second = await eventually('a millisecond has passed', async () => {
          const line = await say(cluster, 'after');
          return line.sentAtMs > first.sentAtMs && line;
        });
        expect(second.id > first.id).toBe(true);
        expect(second.id.startsWith(`00${second.sentAtMs}-`)).toBe(true);
      },
    );

    it('hands every line over, oldest first, and forgets it only then', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const [one, two] = [newRoomId(), newRoomId()];
      const said: ChatMessage[] = [];
      for (let i = 0; i < 30; i += 1) said.push(await say(cluster, `line ${i}`, i % 2 ? one : two));
      const kept: ChatMessage[] = [];
      const draining = drain(cluster, 'service-1', async (messages) => {
        expect(await world.backend.raw.xlen(world.keys.chat)).toBeGreaterThanOrEqual(messages.length);
        kept.push(...messages);
      });
      said.push(await say(cluster, 'while it drains', one));
      await eventually('all lines were kept', () => kept.length === said.length);
      expect(kept).toEqual(said);
      await eventually('the stream is empty', async () => (await world.backend.raw.xlen(world.keys.chat)) === 0);
      await draining.stop();
    });

    it('hands a line over again, before any younger one, when it could not be kept', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const handed: string[][] = [];
      let failures = 2;
      const first = await say(cluster, 'first');
      const draining = drain(cluster, 'service-1', async (messages) => {
        handed.push(messages.map(({ text }) => text));
        if (failures-- > 0) {
          await say(cluster, `younger ${failures}`);
          throw new Error('the store is away');
        }
      });
      await eventually('everything was kept', async () => {
        expect(handed.flat()).toContain('younger 0');
        expect(await world.backend.raw.xlen(world.keys.chat)).toBe(0);
      });
      expect(handed.slice(0, 3)).toEqual([['first'], ['first'], ['first']]);
      expect(handed.slice(3).flat()).toEqual(['younger 1', 'younger 0']);
      expect(first.text).toBe('first');
      await draining.stop();
    });

    it('hands over what a crashed consumer had taken, before anything younger', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      for (const text of ['one', 'two']) await say(cluster, text);
      // A consumer that took both lines and died before it had kept them.
      await world.backend.raw.xgroup('CREATE', world.keys.chat, 'store', '0');
      await world.backend.raw.xreadgroup('GROUP', 'store', 'dead', 'COUNT', 10, 'STREAMS', world.keys.chat, '>');
      await say(cluster, 'three');
      const kept: string[] = [];
      const draining = drain(cluster, 'service-2', async (messages) => {
        kept.push(...messages.map(({ text }) => text));
      });
      await eventually('all three were kept', () => kept.length === 3);
      expect(kept).toEqual(['one', 'two', 'three']);
      await draining.stop();
    });

    it('has one consumer at a time, and another takes over when that one goes', async () => {
      const world = new World(backend());
      const [one, two] = [await world.open(), await world.open()];
      const kept: [string, string][] = [];
      const keepAs = (name: string) => async (messages: ChatMessage[]) => {
        for (const { text } of messages) kept.push([name, text]);
      };
      const first = drain(one, 'service-1', keepAs('service-1'));
      await say(one, 'a');
      await eventually('the first consumer is at it', () => kept.length === 1);
      const second = drain(two, 'service-2', keepAs('service-2'));
      for (const text of ['b', 'c', 'd']) await say(two, text);
      await eventually('the first consumer goes on', () => kept.length === 4);
      expect(kept.map(([name]) => name)).toEqual(Array.from({ length: 4 }, () => 'service-1'));
      await first.stop();
      await say(one, 'e');
      await eventually('the second one has taken over', () => kept.length === 5);
      expect(kept.at(-1)).toEqual(['service-2', 'e']);
      await second.stop();
    });

    it('takes a line once, however often it is asked to, and answers the same each time', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const { sessionId, userId, name } = person();
      const draft = cluster.chat.draft({ roomId, sessionId, userId, name, text: 'was it heard?' });
      const accepted = await cluster.chat.append(draft);
      expect(await cluster.chat.append(draft)).toEqual(accepted);
      expect(await cluster.chat.append(draft, { late: true })).toEqual(accepted);
      expect(await world.backend.raw.xlen(world.keys.chat)).toBe(1);
    });

    it('keeps the id of a line that was shown before it could be accepted, whatever came meanwhile', async () => {
      const world = new World(backend());
      const [cut, other] = [await world.open(), await world.open()];
      const { sessionId, userId, name } = person();
      const drafts = ['one', 'two'].map((text) => cut.chat.draft({ roomId, sessionId, userId, name, text }));
      const meanwhile = await say(other, 'meanwhile');
      const late: ChatMessage[] = [];
      for (const draft of drafts) late.push(await cut.chat.append(draft, { late: true }));
      expect(late).toEqual(drafts.map(({ message }) => message));
      const after = await say(cut, 'after');
      expect(after.id > meanwhile.id).toBe(true);
      const kept: ChatMessage[] = [];
      const draining = drain(other, 'service-1', async (messages) => void kept.push(...messages));
      await eventually('all lines were kept', () => kept.length === 4);
      expect(kept).toEqual([meanwhile, ...late, after]);
      await draining.stop();
    });

    it('skips and reports a line that cannot be read', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      await world.backend.raw.xadd(world.keys.chat, '*', 'line', '{"roomId":', 'id', '000000000000001-00000001');
      await world.backend.raw.xadd(world.keys.chat, '*', 'line', '{"roomId":"r"}', 'id', '000000000000001-00000002');
      await say(cluster, 'sound');
      const kept: string[] = [];
      const draining = drain(cluster, 'service-1', async (messages) => {
        kept.push(...messages.map(({ text }) => text));
      });
      await eventually('the sound line was kept and nothing is left', async () => {
        expect(kept).toEqual(['sound']);
        expect(await world.backend.raw.xlen(world.keys.chat)).toBe(0);
      });
      expect(world.log.filter(({ message }) => /skipped/.test(message))).toHaveLength(2);
      await draining.stop();
    });
  });
}
