import type { RoomState } from '@meridian/cluster';
import { eventually } from '@meridian/harness';
import { FakeMediaEngine } from '@meridian/media/fake';
import { type EndReason, NodeId, type NotificationName, type Participant, type RoomSnapshot } from '@meridian/protocol';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { LocalParticipant } from '../../src/rooms/local-participant.ts';
import { NodeRoom } from '../../src/rooms/node-room.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { participant, producer, ROOM } from '../support/room-log.ts';

const NODE = NodeId.parse('ams-1');
const log = pino({ level: 'silent' });

const notAsked = (): never => {
  throw new Error('this is not asked for here');
};

function stateThatShows(snapshot: () => RoomSnapshot, restore: RoomState['restore']): RoomState {
  return {
    snapshot: async () => snapshot(),
    admit: notAsked,
    confirm: notAsked,
    leave: notAsked,
    setConnection: notAsked,
    openProducer: notAsked,
    setProducerPaused: notAsked,
    closeProducer: notAsked,
    openDataProducer: notAsked,
    closeDataProducer: notAsked,
    nodesOf: notAsked,
    listActive: notAsked,
    end: notAsked,
    expel: notAsked,
    readmit: notAsked,
    reopen: notAsked,
    restore,
  };
}

/** Ann, who sends from a microphone, and Bob, who hears of it, on this node. */
async function annAndBob() {
  const [ann, bob, mic] = [participant('ann', 1), participant('bob', 1), producer('mic', 'ann')];
  let inRedis: RoomSnapshot = {
    roomId: ROOM,
    revision: 10,
    participants: [ann, bob],
    producers: [mic],
    dataProducers: [],
  };
  const clock = new FakeClock();
  const strays: object[] = [];
  const written: string[] = [];
  const gone: string[] = [];
  const ended: string[] = [];
  const putBack: string[][] = [];
  const restored = Promise.withResolvers<RoomSnapshot>();
  let askWhetherAlive = async (): Promise<void> => {};
  const room = new NodeRoom({
    roomId: ROOM,
    nodeId: NODE,
    state: stateThatShows(
      () => inRedis,
      (_room, _node, { participants }) => {
        putBack.push(participants.map(({ sessionId }) => sessionId));
        return restored.promise;
      },
    ),
    clock,
    random: () => 0.5,
    log,
    hooks: {
      endLocal: ({ sessionId }, reason) => ended.push(`${sessionId}: ${reason}`),
      movedAway: () => {},
      cameBack: () => {},
      isLeaving: () => false,
      removeGhost: () => {},
      removeStray: (_room, stray) => strays.push(stray),
      writeConnection: ({ self }) => written.push(`${self.sessionId}, ${self.connection}`),
      writePaused: ({ published }, producerId) => {
        written.push(`${producerId}${published.producer(producerId)?.paused ? ', paused' : ''}`);
      },
      goneMeanwhile: (_room, { sessionId }) => gone.push(sessionId),
      askWhetherAlive: () => askWhetherAlive(),
      changed: () => {},
      empty: () => {},
    },
    settleMs: 0,
    lingerMs: 0,
  });
  const media = await new FakeMediaEngine().openRoom(ROOM);
  const enter = async (self: Participant, told: NotificationName[]) => {
    const member = new LocalParticipant({
      self,
      grants: { publish: true, subscribe: false, chat: true, moderate: false },
      autoSubscribe: false,
      room,
      media: await media.openParticipant({ sessionId: self.sessionId, rtpCapabilities: {} }),
      nodeId: NODE,
      pull: notAsked,
      clock,
      random: () => 0.5,
      log,
      transportGraceMs: 1_000,
      maxConsumers: 100,
      send: ({ event }) => told.push(event),
      onMediaEnded: () => {},
      onProducerEnded: () => {},
      onDataProducerEnded: () => {},
      onFirstConsumer: () => {},
    });
    room.add(member);
    member.start();
    return member;
  };
  room.confirmed(inRedis);
  const toldToBob: NotificationName[] = [];
  const annHere = await enter(ann, []);
  annHere.published.addProducer(mic);
  const bobHere = await enter(bob, toldToBob);
  return {
    room,
    ann,
    toldToBob,
    /** Events were missed, and this is what the room looks like now. */
    readAgain: async (change: Partial<RoomSnapshot>) => {
      inRedis = { ...inRedis, revision: inRedis.revision + 5, ...change };
      room.missed();
      await eventually('the room was read again', () => expect(room.revision).toBe(inRedis.revision));
    },
    /** The same where nobody waits for it. */
    changeInRedis: (change: Partial<RoomSnapshot>) => {
      inRedis = { ...inRedis, revision: inRedis.revision + 5, ...change };
      return inRedis;
    },
    enter,
    /** What happens when the room asks whether its node was taken for dead. */
    whenAsked: (then: () => void | Promise<void>) => {
      askWhetherAlive = async () => then();
    },
    ended,
    putBack,
    bob,
    mic,
    strays,
    written,
    gone,
    annHere,
    bobHere,
    /** What was being put back is in the state. */
    restoredNow: () => restored.resolve(inRedis),
  };
}

describe('a room that is read again', () => {
  test('does not show what an attachment published in whose place a newer page has come', async () => {
    // Given somebody who sends from this node
    const { room, bob, toldToBob, readAgain } = await annAndBob();
    expect(room.producers.map((one) => one.producerId)).toEqual(['mic']);

    // When the page was loaded anew on another node, and this node hears of it by reading the room again
    await readAgain({ participants: [participant('ann', 2, 'fra-1'), bob], producers: [] });

    // Then the old page's stream has gone with it
    expect(room.producers).toEqual([]);
    expect(toldToBob).toEqual(['producer-closed', 'participant-joined']);
  });

  test('shows what the new page publishes elsewhere, and that alone', async () => {
    const { room, bob, readAgain } = await annAndBob();

    await readAgain({
      participants: [participant('ann', 2, 'fra-1'), bob],
      producers: [producer('new-mic', 'ann', 'fra-1')],
    });

    expect(room.producers.map((one) => one.producerId)).toEqual(['new-mic']);
  });

  test('shows what this node still sends for somebody who is moving away, also where the state lacks it', async () => {
    const { room, ann, bob, readAgain } = await annAndBob();

    // One stay in the room: the same time of joining.
    const moved = { ...participant('ann', 2, 'fra-1'), joinedAtMs: ann.joinedAtMs };
    await readAgain({ participants: [moved, bob], producers: [] });

    expect(room.producers.map((one) => one.producerId)).toEqual(['mic']);
  });

  test('has what nobody publishes any more taken out of the state, and nothing else', async () => {
    const { ann, bob, mic, strays, readAgain } = await annAndBob();

    // It was put back by a restoration that had begun before it was closed.
    await readAgain({
      participants: [ann, bob],
      producers: [mic, producer('closed', 'ann'), producer('elsewhere', 'ann', 'fra-1')],
    });

    expect(strays).toEqual([{ producerId: 'closed' }]);
  });
});

describe('a room whose state says something else of a microphone here', () => {
  test('has it written as it is', async () => {
    const { ann, bob, mic, written, readAgain } = await annAndBob();
    const elsewhere = { ...producer('elsewhere', 'ann', 'fra-1'), paused: true };

    await readAgain({ participants: [ann, bob], producers: [{ ...mic, paused: true }, elsewhere] });

    expect(written).toEqual(['mic']);
  });
});

describe('a room that is put back', () => {
  test('has a mute written again that may have been written before that', async () => {
    // Given a node that puts its people back
    const { room, annHere, written, restoredNow } = await annAndBob();
    const restoring = room.restore();

    // When one of them is muted after it was read what they publish
    for (const { producerId } of annHere.published.producers) annHere.published.setPaused(producerId, true);
    restoredNow();
    await restoring;

    // Then the state hears of the mute once more
    expect(written).toContain('mic, paused');
  });

  test('has the state told of a connection that was lost while that was on its way', async () => {
    const { room, annHere, written, restoredNow } = await annAndBob();
    const restoring = room.restore();

    annHere.showAs('reconnecting');
    restoredNow();
    await restoring;

    expect(written).toEqual(['ann, reconnecting']);
  });

  test('has what ended while that was on its way taken out again', async () => {
    // Given a node that puts its people back
    const { room, annHere, bobHere, strays, gone, restoredNow } = await annAndBob();
    const restoring = room.restore();

    // When one of them leaves and another one stops sending before Redis has done it
    bobHere.close();
    for (const { producerId } of annHere.published.producers) annHere.published.removeProducer(producerId);
    restoredNow();
    await restoring;

    // Then neither stays in the state
    expect(gone).toEqual(['bob']);
    expect(strays).toContainEqual({ producerId: 'mic' });
  });

  test('takes nobody out when all are still there', async () => {
    const { room, strays, gone, written, restoredNow } = await annAndBob();
    const restoring = room.restore();
    restoredNow();
    await restoring;
    expect([...gone, ...strays, ...written]).toEqual([]);
  });
});

describe('somebody missing in a room that is read again', () => {
  test('is put out where the node was alive all the time', async () => {
    const { bob, ended, putBack, readAgain } = await annAndBob();

    await readAgain({ participants: [bob], producers: [] });

    expect(ended).toEqual(['ann: connection-lost']);
    expect(putBack).toEqual([]);
  });

  test('is not put out where they came in while the room was being read', async () => {
    // Given a room in which Ann is missing, and that asks why
    const { room, bob, ended, enter, whenAsked, changeInRedis } = await annAndBob();
    const cem = participant('cem', 2);
    whenAsked(async () => {
      whenAsked(() => {});
      // When somebody joins in the meantime: what was read does not hold them
      const snapshot = changeInRedis({ participants: [bob, cem], producers: [] });
      room.confirmed(snapshot);
      await enter(cem, []);
    });
    changeInRedis({ participants: [bob], producers: [] });
    room.missed();
    await eventually('the room was read once more', () => expect(room.revision).toBe(20));

    // Then they stay
    expect(ended).toEqual(['ann: connection-lost']);
    expect(room.participants.map(({ sessionId }) => sessionId)).toEqual(['bob', 'cem']);
  });

  test('is put back where the node was taken for dead, and had not heard of it yet', async () => {
    // Given a node whose lease ran out: whatever it is asked first, it finds that out
    const { room, ann, bob, mic, ended, putBack, whenAsked, changeInRedis, restoredNow } = await annAndBob();
    whenAsked(() => room.unsettle());

    // When the room is read again (the events that say why were lost)
    changeInRedis({ participants: [bob], producers: [] });
    room.missed();
    await eventually('both are put back', () => expect(putBack).toEqual([['ann', 'bob']]));
    changeInRedis({ participants: [ann, bob], producers: [mic] });
    restoredNow();
    await eventually('the room has settled', () => expect(room.revision).toBe(20));

    // Then nobody was put out
    expect(ended).toEqual([]);
  });
});

describe('a room that lacks somebody who is here', () => {
  test('has everybody put back where the node was taken for dead, before that was heard', async () => {
    const { room, putBack, whenAsked, restoredNow } = await annAndBob();
    whenAsked(() => room.unsettle());
    restoredNow();

    await room.lookAgain();

    expect(putBack).toEqual([['ann', 'bob']]);
  });

  test('is left as it is where the node was alive all the time', async () => {
    const { room, putBack, ended } = await annAndBob();

    await room.lookAgain();

    expect([...putBack, ...ended]).toEqual([]);
  });
});

describe('somebody whose end is heard of before their join is answered', () => {
  const joins = async () => {
    const world = await annAndBob();
    const cem = participant('cem', 2);
    const lease = { ...cem, attachedAtMs: 0 };
    const confirmed: RoomSnapshot = {
      roomId: ROOM,
      revision: 11,
      participants: [world.ann, world.bob, cem],
      producers: [world.mic],
      dataProducers: [],
    };
    world.room.beginJoin(lease);
    world.room.receive({ roomId: ROOM, revision: 11, event: { type: 'participant-joined', participant: cem } });
    const left = (reason: EndReason) =>
      world.room.receive({
        roomId: ROOM,
        revision: 12,
        event: { type: 'participant-left', sessionId: cem.sessionId, epoch: cem.epoch, reason },
      });
    return { ...world, cem, lease, confirmed, left };
  };

  test('is in the room and put back where their node was taken for dead', async () => {
    // Given a join that the state has confirmed, and a sweep of this node right after it
    const { room, cem, lease, confirmed, left, enter, putBack, ended } = await joins();
    left('node-lost');

    // When the confirmation is heard of
    room.confirmed(confirmed);
    expect(room.outAgain(lease)).toBeUndefined();
    const told: NotificationName[] = [];
    await enter(cem, told);
    room.endJoin(lease);

    // Then they are in the room as it is shown, and the state hears of it
    expect(room.participants.map(({ sessionId }) => sessionId)).toContain('cem');
    expect(putBack.at(-1)).toContain('cem');
    expect([...ended, ...told]).toEqual([]);
  });

  test('is put back as well where everybody was put back meanwhile and the sweep is heard of late', async () => {
    const { room, cem, lease, confirmed, enter, putBack } = await joins();
    void room.restore();
    expect(putBack).toEqual([['ann', 'bob']]);

    room.confirmed(confirmed);
    await enter(cem, []);
    room.endJoin(lease);

    expect(putBack.at(-1)).toContain('cem');
  });

  test('is refused where they were put out on purpose', async () => {
    const { room, lease, confirmed, left } = await joins();
    left('kicked');
    room.confirmed(confirmed);
    expect(room.outAgain(lease)).toBe('kicked');
  });

  test('is refused where a newer page of theirs is in the room', async () => {
    const { room, cem, lease, confirmed } = await joins();
    const newer = { ...cem, ...participant('cem', 3, 'fra-1') };
    room.receive({ roomId: ROOM, revision: 12, event: { type: 'participant-joined', participant: newer } });
    room.confirmed(confirmed);
    expect(room.outAgain(lease)).toBe('replaced');
  });
});
