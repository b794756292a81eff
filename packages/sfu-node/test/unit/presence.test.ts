import type { NodeAnnouncement } from '@meridian/cluster';
import { FakeMediaEngine } from '@meridian/media/fake';
import { Epoch, MeridianError, NodeId, Region, RoomId, SessionId, type SessionLease, UserId } from '@meridian/protocol';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { Chores } from '../../src/chores.ts';
import { Presence } from '../../src/presence.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { FakeEmitter } from '../support/fake-emitter.ts';

const NODE = NodeId.parse('ams-1');
const log = pino({ level: 'silent' });

const lease: SessionLease = {
  sessionId: SessionId.parse('ann'),
  userId: UserId.parse('user-of-ann'),
  name: 'Ann',
  nodeId: NODE,
  region: Region.parse('eu-west'),
  epoch: Epoch.parse(7),
  attachedAtMs: 1,
};

/** A node with one session and one room, whose Redis answers as `answers` says. */
function aNode(answers: () => boolean) {
  const clock = new FakeClock();
  const events = new FakeEmitter<{ restored: []; lost: [cause: unknown] }>();
  const inRedis: string[] = [];
  /** While one is open, others do not take for dead what is missing. */
  const putBacks = { open: 0 };
  const write = async (what: string) => {
    if (!answers()) throw new MeridianError('cluster-unavailable');
    inRedis.push(what);
  };
  const announcement: Pick<NodeAnnouncement, 'record' | 'update' | 'on' | 'puttingBack'> = {
    record: {
      nodeId: NODE,
      incarnation: 'the-first-process',
      region: Region.parse('eu-west'),
      regionName: 'Amsterdam',
      coordinates: { latitude: 52, longitude: 5 },
      wsUrl: 'ws://127.0.0.1:1',
      probeUrl: 'http://127.0.0.1:1/probe',
      version: '0.0.0',
      state: 'ready',
      load: { sessions: 0, maxSessions: 10, consumers: 0, workers: 1, rooms: 0, workerCpu: 0 },
      startedAtMs: 1,
    },
    update: async () => {},
    on: (event, listener) => events.on(event, listener),
    puttingBack: (work) => {
      putBacks.open += 1;
      void work.then(() => {
        putBacks.open -= 1;
      });
    },
  };
  const presence = new Presence({
    announcement,
    leases: { restore: () => write('the lease'), end: async () => true },
    sessions: { size: 1, all: [{ state: { phase: 'attached', lease } }] },
    rooms: { size: 1, all: [{ roomId: RoomId.parse('room'), restore: () => write('the room') }], gap: () => {} },
    media: new FakeMediaEngine(),
    chores: new Chores({ clock, log, random: () => 0.5 }),
    maxSessions: 10,
    clockOffsetMs: () => 0,
    clock,
    log,
  });
  return { presence, clock, inRedis, putBacks, comesBack: () => events.emit('restored') };
}

describe('a node that Redis had lost', () => {
  test('announces its leases and rooms again until that has succeeded, well within a lease', async () => {
    // Given a Redis that fails just when the node has returned
    let serves = false;
    const { presence, clock, inRedis, putBacks, comesBack } = aNode(() => serves);
    comesBack();
    await clock.pass(10);
    expect(inRedis).toEqual([]);
    expect(putBacks.open).toBe(2);

    // When it serves
    serves = true;
    await clock.pass(500);

    // Then both are there, once
    expect(inRedis.sort()).toEqual(['the lease', 'the room']);
    expect(putBacks.open).toBe(0);
    await clock.pass(60_000);
    expect(inRedis).toHaveLength(2);
    presence.close();
  });
});
