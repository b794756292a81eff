import { eventually } from '@meridian/harness';
import { FakeMediaEngine } from '@meridian/media/fake';
import {
  Epoch,
  NodeId,
  type Participant,
  type ProducerId,
  type ProducerInfo,
  Region,
  RoomId,
  SessionId,
  TransportId,
  UserId,
} from '@meridian/protocol';
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

async function participant(sent: EncodedNotification[], published: Map<ProducerId, ProducerInfo> = new Map()) {
  const self = person('ann');
  const engine = new FakeMediaEngine();
  const roomId = RoomId.parse('room');
  const room = await engine.openRoom(roomId);
  const ann = new LocalParticipant({
    self,
    grants: { publish: true, subscribe: true, chat: true, moderate: true },
    autoSubscribe: true,
    room: {
      roomId,
      producers: [],
      dataProducers: [],
      producer: (id) => published.get(id),
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
  return { ann, room };
}

describe('a participant whose join is being answered', () => {
  test('is told of what happens before the answer once the answer is out, and of the rest at once', async () => {
    // Given a participant whose join was confirmed
    const sent: EncodedNotification[] = [];
    const { ann } = await participant(sent);
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

describe('a page', () => {
  /** Ann receives by herself; Bob sends. */
  const annAndBob = async () => {
    const sent: EncodedNotification[] = [];
    const published = new Map<ProducerId, ProducerInfo>();
    const { ann, room } = await participant(sent, published);
    ann.start();
    const bob = await room.openParticipant({ sessionId: person('bob').sessionId, rtpCapabilities: {} });
    const producerId = await bob.produce({
      transportId: TransportId.parse(bob.sendTransport.id),
      kind: 'audio',
      source: 'microphone',
      rtpParameters: { codecs: [] },
      paused: false,
    });
    const { sessionId } = person('bob');
    const producer: ProducerInfo = {
      producerId,
      sessionId,
      nodeId: NODE,
      kind: 'audio',
      source: 'microphone',
      paused: false,
    };
    const opens = () => {
      published.set(producerId, producer);
      ann.roomChanged({ type: 'producer-opened', producer }, undefined);
    };
    const closes = () => {
      published.delete(producerId);
      ann.roomChanged({ type: 'producer-closed', producerId, sessionId }, undefined);
    };
    return { ann, bob, producerId, published, producer, opens, closes, told: () => sent.map(({ event }) => event) };
  };

  test('is not told of the end of a consumer that was being made when the room said that nobody sends', async () => {
    // Given a producer whose consumer is being made
    const { ann, producerId, opens, closes, told } = await annAndBob();
    opens();
    const opening = ann.subscriptions.subscribe(producerId);

    // When the room takes the producer's node for dead, and the media goes on
    closes();
    await expect(opening).rejects.toMatchObject({ code: 'closed' });

    // Then there is nothing to be told
    expect(told()).toEqual([]);
  });

  test('is told of the end of a consumer that it was told of', async () => {
    const { opens, closes, told } = await annAndBob();
    opens();
    await eventually('the consumer is there', () => expect(told()).toEqual(['consumer-opened']));
    closes();
    expect(told()).toEqual(['consumer-opened', 'consumer-closed']);
  });

  test('is told of the end of one that it asked for, and is not given one that has ended', async () => {
    const { ann, producerId, published, producer, closes, told } = await annAndBob();
    published.set(producerId, producer);
    const opened = await ann.subscriptions.subscribe(producerId);
    ann.answerWith(opened);
    closes();
    expect(told()).toEqual(['consumer-closed']);
    expect(() => ann.answerWith(opened)).toThrow('closed');
  });

  test('hears of a mute with the consumer or after it, and of no consumer that it was not told of', async () => {
    // Given a request for a consumer that was refused, since it waited too long, and whose consumer came after all
    const { ann, bob, producerId, published, producer, told } = await annAndBob();
    published.set(producerId, producer);
    const opened = await ann.subscriptions.subscribe(producerId);

    // When Bob mutes
    await bob.pauseProducer(producerId);

    // Then there is nothing that the page would understand, and the next request says how it is now
    expect(told()).toEqual([]);
    expect(opened.producerPaused).toBe(false);
    expect(ann.answerWith(await ann.subscriptions.subscribe(producerId))).toEqual({ ...opened, producerPaused: true });

    // And from then on the page is told
    await bob.resumeProducer(producerId);
    expect(told()).toEqual(['consumer-updated']);
    expect(ann.answerWith(opened).producerPaused).toBe(false);
  });
});
