import { eventually } from '@meridian/harness';
import { beforeEach, describe, expect, it } from 'vitest';
import type { MediaEngine, RoomMedia } from '../../../src/index.ts';
import { newLinkId, newRoomId } from '../engines.ts';
import { listen, publishAudio } from './publishing.ts';
import type { EngineUnderTest, Stage } from './stage.ts';

export function roomSuite(stage: () => Stage): void {
  describe('rooms', () => {
    let under: EngineUnderTest;
    let engine: MediaEngine;
    let room: RoomMedia;
    let join: Stage['join'];
    beforeEach(() => {
      ({ under, engine, room, join } = stage());
    });

    it('opens a room once, however many ask at the same time', async () => {
      const roomId = newRoomId();

      const rooms = await Promise.all(Array.from({ length: 20 }, () => engine.openRoom(roomId)));

      expect(new Set(rooms).size).toBe(1);
      expect(engine.room(roomId)).toBe(rooms[0]);
      expect(engine.load().rooms).toBe(2);
    });

    it('closes a room when the last participant and the last relay end are gone', async () => {
      const told: string[] = [];
      room.on('closed', () => told.push('closed'));
      const participant = await join();
      const end = await room.openRelayEnd({ linkId: newLinkId(), role: 'origin' });

      participant.close();
      await engine.collect();
      expect(room.closed).toBe(false);
      end.close();

      await eventually('the room closes', () => room.closed);
      expect(told).toEqual(['closed']);
      expect(engine.room(room.roomId)).toBeUndefined();
      const next = await engine.openRoom(room.roomId);
      expect(next).not.toBe(room);
    });

    it('closes all that is in a room that is closed', async () => {
      const [participant, end] = [await join(), await room.openRelayEnd({ linkId: newLinkId(), role: 'puller' })];

      room.close();
      room.close();

      expect([participant.closed, end.closed]).toEqual([true, true]);
      await expect(join()).rejects.toMatchObject({ code: 'closed' });
      await expect(room.openRelayEnd({ linkId: newLinkId(), role: 'puller' })).rejects.toMatchObject({
        code: 'closed',
      });
    });

    it('says which sessions are lost when the worker dies, and serves the room anew', async () => {
      const [one, two] = [await join(), await join()];
      const end = await room.openRelayEnd({ linkId: newLinkId(), role: 'origin' });
      const producerId = await publishAudio(one);
      const told = listen(one);
      const lost: unknown[] = [];
      const deaths: unknown[] = [];
      room.on('lost', (event) => lost.push(event));
      engine.on('worker-died', (event) => deaths.push(event));

      await under.killWorker(room);

      await eventually('the death is told', () => deaths.length > 0);
      expect(deaths).toEqual([{ worker: 0, rooms: [room.roomId] }]);
      expect(lost).toEqual([{ sessions: [one.sessionId, two.sessionId], reason: 'worker-died' }]);
      expect(told).toEqual([['producer-closed', { producerId, reason: 'worker-died' }], 'closed']);
      expect([room.closed, one.closed, two.closed, end.closed]).toEqual([true, true, true, true]);
      const again = await eventually('a new worker takes the room', () => engine.openRoom(room.roomId));
      expect((await join(again, one.sessionId)).closed).toBe(false);
    });

    it('closes everything with the engine', async () => {
      const participant = await join();

      await engine.close();
      await engine.close();

      expect([room.closed, participant.closed]).toEqual([true, true]);
      await expect(engine.openRoom(newRoomId())).rejects.toMatchObject({ code: 'closed' });
      expect(engine.load().rooms).toBe(0);
    });
  });
}
