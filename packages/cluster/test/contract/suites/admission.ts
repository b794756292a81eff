import { eventually } from '@meridian/harness';
import { describe, expect, it } from 'vitest';
import type { Backend } from '../../support/backend.ts';
import {
  admit,
  attach,
  audio,
  confirm,
  join,
  leave,
  listen,
  newTokenId,
  nodeA,
  nodeB,
  person,
  roomId,
  typesOf,
  World,
} from '../../support/world.ts';

export function admissionSuite(backend: () => Backend): void {
  describe('admission', () => {
    it('takes no more sessions than the capacity, however many ask at once', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const leases = await Promise.all(Array.from({ length: 40 }, () => attach(cluster, person())));
      const answers = await Promise.all(leases.map((lease) => admit(cluster, lease, { capacity: 7 })));
      expect(answers.filter(({ admitted }) => admitted)).toHaveLength(7);
      expect(answers.filter((answer) => !answer.admitted && answer.reason === 'room-full')).toHaveLength(33);
      // A place that was confirmed counts as much as one that was not.
      const confirmed = await Promise.all(leases.map((lease) => confirm(cluster, lease)));
      expect(confirmed.filter((answer) => answer.confirmed)).toHaveLength(7);
      expect(await admit(cluster, await attach(cluster, person()), { capacity: 7 })).toEqual({
        admitted: false,
        reason: 'room-full',
      });
    });

    it('gives a place back when it was not confirmed in time', async () => {
      const world = new World(backend());
      const cluster = await world.open({ placeMs: 60 });
      const [first, second] = [await attach(cluster, person()), await attach(cluster, person())];
      expect(await admit(cluster, first, { capacity: 1 })).toEqual({ admitted: true, expiresInMs: 60 });
      await eventually('the unconfirmed place is free again', async () => {
        expect((await admit(cluster, second, { capacity: 1 })).admitted).toBe(true);
      });
      expect(await confirm(cluster, first)).toEqual({ confirmed: false, reason: 'place-expired' });
    });

    it('does not take an expired place, though others hold theirs longer', async () => {
      const world = new World(backend());
      const [brief, patient] = [await world.open({ placeMs: 40 }), await world.open()];
      const [first, second] = [await attach(brief, person()), await attach(patient, person())];
      await admit(brief, first);
      await admit(patient, second);
      const { places } = world.keys.room(roomId);
      const { expiresAtMs } = JSON.parse((await world.backend.raw.hget(places, first.sessionId)) ?? '{}');
      await eventually('the clock of Redis passes the expiry', async () => {
        const [seconds, microseconds] = await world.backend.raw.time();
        expect(Number(seconds) * 1_000 + Number(microseconds) / 1_000).toBeGreaterThan(expiresAtMs + 1);
      });
      expect(await confirm(brief, first)).toEqual({ confirmed: false, reason: 'place-expired' });
      expect((await confirm(patient, second)).confirmed).toBe(true);
    });

    it('keeps one place for a session that comes again with a newer epoch', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const who = person();
      const first = await join(cluster, who);
      const second = await attach(cluster, who, nodeB);
      expect((await admit(cluster, second, { capacity: 1 })).admitted).toBe(true);
      expect((await cluster.rooms.snapshot(roomId)).participants.map(({ epoch }) => epoch)).toEqual([first.epoch]);
      const confirmation = await confirm(cluster, second);
      expect(confirmation).toMatchObject({ confirmed: true, self: { epoch: second.epoch, nodeId: nodeB } });
      const { participants } = await cluster.rooms.snapshot(roomId);
      expect(participants).toHaveLength(1);
      expect(await cluster.rooms.nodesOf(roomId)).toEqual([nodeB]);
    });

    it('does not let an older epoch take over from a newer one', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const who = person();
      const first = await attach(cluster, who);
      await admit(cluster, first);
      const second = await attach(cluster, who, nodeB);
      await admit(cluster, second);
      expect(await admit(cluster, first)).toEqual({ admitted: false, reason: 'session-replaced' });
      expect(await confirm(cluster, first)).toEqual({ confirmed: false, reason: 'session-replaced' });
      expect((await confirm(cluster, second)).confirmed).toBe(true);
      expect(await admit(cluster, first)).toEqual({ admitted: false, reason: 'session-replaced' });
    });

    it('refuses a second session of a user where duplicates are rejected, in the room or on its way in', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const { userId } = person();
      const first = await attach(cluster, person({ userId }));
      const second = await attach(cluster, person({ userId }));
      expect((await admit(cluster, first, { duplicates: 'reject' })).admitted).toBe(true);
      const refused = { admitted: false, reason: 'duplicate' };
      expect(await admit(cluster, second, { duplicates: 'reject' })).toEqual(refused);
      await confirm(cluster, first);
      expect(await admit(cluster, second, { duplicates: 'reject' })).toEqual(refused);
      await leave(cluster, first);
      expect((await admit(cluster, second, { duplicates: 'reject' })).admitted).toBe(true);
    });

    it('replaces the user’s other session where duplicates are replaced, and only at the confirmation', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const inbox = await cluster.inbox(nodeA);
      const heard = listen(inbox);
      const { userId } = person();
      const first = await attach(cluster, person({ userId }));
      const second = await attach(cluster, person({ userId }), nodeB);
      await admit(cluster, first, { duplicates: 'replace', capacity: 1 });
      await confirm(cluster, first);
      expect((await admit(cluster, second, { duplicates: 'replace', capacity: 1 })).admitted).toBe(true);
      expect((await cluster.rooms.snapshot(roomId)).participants).toHaveLength(1);
      await confirm(cluster, second);
      const { participants } = await cluster.rooms.snapshot(roomId);
      expect(participants.map(({ sessionId }) => sessionId)).toEqual([second.sessionId]);
      await eventually('the replaced session’s node hears why it left', () => {
        expect(heard.events.at(-1)?.event).toEqual({
          type: 'participant-left',
          sessionId: first.sessionId,
          epoch: first.epoch,
          reason: 'replaced',
        });
      });
    });

    it('does not exceed the capacity when the session to be replaced leaves before', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const { userId } = person();
      const first = await attach(cluster, person({ userId }));
      await admit(cluster, first, { duplicates: 'replace', capacity: 1 });
      await confirm(cluster, first);
      const second = await attach(cluster, person({ userId }));
      await admit(cluster, second, { duplicates: 'replace', capacity: 1 });
      await leave(cluster, first);
      const stranger = await attach(cluster, person());
      expect(await admit(cluster, stranger, { duplicates: 'replace', capacity: 1 })).toEqual({
        admitted: false,
        reason: 'room-full',
      });
    });
  });

  describe('confirmation', () => {
    it('burns the token: the same one works once', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const lease = await attach(cluster, person());
      const tokenId = newTokenId();
      await admit(cluster, lease);
      expect((await confirm(cluster, lease, roomId, tokenId)).confirmed).toBe(true);
      await leave(cluster, lease);
      await admit(cluster, lease);
      expect(await confirm(cluster, lease, roomId, tokenId)).toEqual({ confirmed: false, reason: 'token-replayed' });
      expect((await confirm(cluster, lease)).confirmed).toBe(true);
    });

    it('lets one of many concurrent uses of a token through', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const lease = await attach(cluster, person());
      const tokenId = newTokenId();
      await admit(cluster, lease);
      const answers = await Promise.all(Array.from({ length: 10 }, () => confirm(cluster, lease, roomId, tokenId)));
      expect(answers.filter(({ confirmed }) => confirmed)).toHaveLength(1);
    });

    it('is refused on another node than the place was given for', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const lease = await attach(cluster, person());
      await admit(cluster, lease);
      expect(await confirm(cluster, { ...lease, nodeId: nodeB })).toEqual({
        confirmed: false,
        reason: 'place-expired',
      });
      expect(await cluster.rooms.nodesOf(roomId)).toEqual([]);
    });

    it('closes what the older epoch had published before the newer one is told', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const heard = listen(await cluster.inbox(nodeA));
      const who = person();
      const first = await join(cluster, who);
      const producer = audio(first);
      await cluster.rooms.openProducer(roomId, first.epoch, producer);
      const second = await join(cluster, who, nodeB);
      await eventually('the first node hears of the change', () => {
        expect(typesOf(heard.events)).toEqual([
          'participant-joined',
          'producer-opened',
          'producer-closed',
          'participant-joined',
        ]);
      });
      expect(heard.events.at(-1)?.event).toMatchObject({ participant: { epoch: second.epoch, nodeId: nodeB } });
      expect((await cluster.rooms.snapshot(roomId)).producers).toEqual([]);
    });

    it('gives the newcomer everything that is in the room', async () => {
      const world = new World(backend());
      const cluster = await world.open();
      const first = await join(cluster);
      const producer = audio(first, { paused: true });
      await cluster.rooms.openProducer(roomId, first.epoch, producer);
      const second = await attach(cluster, person({ name: 'Zoë 🎈 "</script>' }), nodeB);
      await admit(cluster, second);
      const confirmation = await confirm(cluster, second);
      expect(confirmation).toMatchObject({
        confirmed: true,
        self: { name: 'Zoë 🎈 "</script>', connection: 'connected' },
        snapshot: { roomId, producers: [producer], dataProducers: [] },
      });
      expect(confirmation.confirmed && confirmation.snapshot.participants.map(({ sessionId }) => sessionId)).toEqual([
        first.sessionId,
        second.sessionId,
      ]);
    });
  });
}
