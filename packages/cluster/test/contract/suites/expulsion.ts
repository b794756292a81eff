import { eventually } from '@meridian/harness';
import { describe, expect, it } from 'vitest';
import type { Backend } from '../../support/backend.ts';
import {
  admit,
  attach,
  confirm,
  join,
  listen,
  newUserId,
  nodeA,
  nodeB,
  person,
  roomId,
  World,
} from '../../support/world.ts';

const HOUR_MS = 3_600_000;
const kicked = (userId: ReturnType<typeof newUserId>, forMs = HOUR_MS) =>
  ({ roomId, who: { userId }, reason: 'kicked', forMs }) as const;

export function expulsionSuite(backend: () => Backend): void {
  describe('being put out of a room', () => {
    it('takes every session of the user, on every node, and is told as a leave', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const userId = newUserId();
      const [tab, phone] = [await join(cluster, person({ userId })), await join(cluster, person({ userId }), nodeB)];
      const other = await join(cluster, person(), nodeB);
      const heard = listen(await cluster.inbox(nodeB));

      expect(await cluster.rooms.expel(kicked(userId))).toBe(2);

      const { participants } = await cluster.rooms.snapshot(roomId);
      expect(participants.map(({ sessionId }) => sessionId)).toEqual([other.sessionId]);
      // A join of before may still be on its way here in a Redis Cluster.
      const leaves = () => heard.events.flatMap(({ event }) => (event.type === 'participant-left' ? [event] : []));
      await eventually('both leaves are heard', () => leaves().length === 2);
      expect(leaves().map(({ reason }) => reason)).toEqual(['kicked', 'kicked']);
      expect(
        leaves()
          .map(({ sessionId }) => sessionId)
          .sort(),
      ).toEqual([tab.sessionId, phone.sessionId].sort());
    });

    it('holds: a promised place is gone, a new one is refused for as long as was said', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const who = person();
      const lease = await attach(cluster, who);
      expect(await admit(cluster, lease)).toMatchObject({ admitted: true });

      expect(await cluster.rooms.expel(kicked(who.userId, 400))).toBe(0);

      expect(await confirm(cluster, lease)).toMatchObject({ confirmed: false, reason: 'place-expired' });
      const again = await admit(cluster, await attach(cluster, who));
      expect(again).toMatchObject({ admitted: false, reason: 'expelled' });
      expect(!again.admitted && again.reason === 'expelled' && again.retryAfterMs).toBeLessThanOrEqual(400);
      expect(await admit(cluster, await attach(cluster, person()))).toMatchObject({ admitted: true });
      await eventually('the time has passed', async () => (await admit(cluster, await attach(cluster, who))).admitted);
    });

    it('is taken back, by an invitation only when that is the newer of the two', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const who = person();
      await cluster.rooms.expel(kicked(who.userId));
      const lease = await attach(cluster, who);

      await cluster.rooms.readmit(roomId, { userId: who.userId, invitedAtMs: lease.attachedAtMs - 60_000 });
      expect(await admit(cluster, lease)).toMatchObject({ reason: 'expelled' });
      await cluster.rooms.readmit(roomId, { userId: who.userId, invitedAtMs: lease.attachedAtMs + 60_000 });
      expect(await admit(cluster, lease)).toMatchObject({ admitted: true });

      await cluster.rooms.expel(kicked(who.userId));
      await cluster.rooms.readmit(roomId, { userId: who.userId });
      expect(await admit(cluster, lease)).toMatchObject({ admitted: true });
    });

    it('of all visitors leaves those who are named, and lets in only who is no visitor', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const [owner, visitor, late] = [person(), person(), person()];
      await join(cluster, owner);
      await join(cluster, visitor);
      const onTheWay = await attach(cluster, late);
      await admit(cluster, onTheWay);

      const visitors = { roomId, who: { allBut: [owner.userId] }, reason: 'kicked', forMs: HOUR_MS } as const;
      expect(await cluster.rooms.expel(visitors)).toBe(1);

      const { participants } = await cluster.rooms.snapshot(roomId);
      expect(participants.map(({ userId }) => userId)).toEqual([owner.userId]);
      expect(await confirm(cluster, onTheWay)).toMatchObject({ reason: 'place-expired' });
      const asVisitor = { roomId, lease: onTheWay, capacity: 9, duplicates: 'allow' } as const;
      expect(await cluster.rooms.admit({ ...asVisitor, visitor: true })).toMatchObject({ reason: 'members-only' });
      expect(await cluster.rooms.admit(asVisitor)).toMatchObject({ admitted: true });
      await cluster.rooms.readmit(roomId, 'visitors');
      expect(await cluster.rooms.admit({ ...asVisitor, visitor: true })).toMatchObject({ admitted: true });
    });

    it('of a former member holds for as long as they are no member again, or the room is public', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const who = person();
      await join(cluster, who);
      await cluster.rooms.expel({ roomId, who: { formerMember: who.userId }, reason: 'left', forMs: HOUR_MS });
      expect((await cluster.rooms.snapshot(roomId)).participants).toEqual([]);

      const lease = await attach(cluster, who);
      const request = { roomId, lease, capacity: 9, duplicates: 'allow' } as const;
      expect(await cluster.rooms.admit({ ...request, visitor: true })).toMatchObject({ reason: 'members-only' });
      expect(await cluster.rooms.admit({ ...request, visitor: false })).toMatchObject({ admitted: true });
      await cluster.rooms.readmit(roomId, 'visitors');
      expect(await cluster.rooms.admit({ ...request, visitor: true })).toMatchObject({ admitted: true });
    });

    it('is not undone by a node that was cut off and puts back what it held', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const [kept, gone, guest] = [person(), person(), person()];
      for (const who of [kept, gone, guest]) await join(cluster, who);
      const { participants } = await cluster.rooms.snapshot(roomId);
      const held = { participants, producers: [], dataProducers: [] };
      await cluster.rooms.expel(kicked(gone.userId));
      expect((await cluster.rooms.restore(roomId, nodeA, held)).participants).toHaveLength(2);

      await cluster.rooms.expel({ roomId, who: { allBut: [kept.userId] }, reason: 'kicked', forMs: HOUR_MS });
      const back = await cluster.rooms.restore(roomId, nodeA, held);
      expect(back.participants.map(({ userId }) => userId)).toEqual([kept.userId]);
    });

    it('leaves nothing behind when it was for no time', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const who = person();
      await join(cluster, who);
      expect(await cluster.rooms.expel(kicked(who.userId, 0))).toBe(1);
      expect(await world.backend.raw.exists(world.keys.expelled(roomId))).toBe(0);
      expect(await admit(cluster, await attach(cluster, who))).toMatchObject({ admitted: true });
    });
  });
}
