import { FakeMediaEngine } from '@meridian/media/fake';
import { Epoch, NodeId, type Participant, Region, RoomId, SessionId, UserId } from '@meridian/protocol';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { LocalParticipant } from '../../src/rooms/local-participant.ts';
import type { EncodedNotification } from '../../src/signalling/outbox.ts';
import { FakeClock } from '../support/fake-clock.ts';

const NODE = NodeId.parse('ams-1');
const person = (name: string): Participant => ({
  sessionId: SessionId.parse(name),
  userId: UserId.parse(`user-of-${name}`),
  name,
  nodeId: NODE,
  region: Region.parse('eu-west'),
  epoch: Epoch.parse(1),
  joinedAtMs: 1,
  connection: 'connected',
});

async function participant(sent: EncodedNotification[]): Promise<LocalParticipant> {
  const self = person('ann');
  const engine = new FakeMediaEngine();
  const roomId = RoomId.parse('room');
  const room = await engine.openRoom(roomId);
  return new LocalParticipant({
    self,
    grants: { publish: true, subscribe: true, chat: true, moderate: true },
    autoSubscribe: true,
    room: {
      roomId,
      producers: [],
      dataProducers: [],
      producer: () => undefined,
      dataProducer: () => undefined,
      remove: () => {},
      tellHere: () => {},
    },
    media: await room.openParticipant({ sessionId: self.sessionId, rtpCapabilities: {} }),
    nodeId: NODE,
    pull: () => {
      throw new Error('nothing is to be pulled');
    },
    clock: new FakeClock(),
    random: () => 0.5,
    log: pino({ level: 'silent' }),
    transportGraceMs: 1_000,
    maxConsumers: 100,
    send: (notification) => sent.push(notification),
    onMediaEnded: () => {},
    onProducerEnded: () => {},
    onDataProducerEnded: () => {},
    onFirstConsumer: () => {},
  });
}

describe('a participant whose join is being answered', () => {
  test('is told of what happens before the answer once the answer is out, and of the rest at once', async () => {
    // Given a participant whose join was confirmed
    const sent: EncodedNotification[] = [];
    const ann = await participant(sent);
    const news = (event: EncodedNotification['event']): EncodedNotification => ({
      event,
      json: '{}',
      droppableKey: undefined,
      voids: [],
    });

    // When somebody else joins before the answer, which was put together without him
    ann.roomChanged({ type: 'participant-joined', participant: person('bob') }, news('participant-joined'));

    // Then the news does not overtake the answer
    expect(sent).toEqual([]);

    // And follows it
    ann.start();
    expect(sent.map(({ event }) => event)).toEqual(['participant-joined']);
    ann.sendEncoded(news('chat'));
    expect(sent.map(({ event }) => event)).toEqual(['participant-joined', 'chat']);
  });
});
