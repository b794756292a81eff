import { eventually } from '@meridian/harness';
import { ConsumerId, DataConsumerId, DataProducerId, ProducerId, TransportId } from '@meridian/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MediaEngine, ParticipantMedia, RelayEnd, RoomMedia } from '../../src/index.ts';
import { newLinkId, newRoomId, newSessionId } from './engines.ts';
import { relay, relayData } from './links.ts';
import { opusParameters, vp8Parameters } from './rtp.ts';

export interface EngineUnderTest {
  readonly engine: MediaEngine;
  /** Kills the worker process of the room, or does what that does. */
  killWorker(room: RoomMedia): Promise<void>;
}

const sendOf = (participant: ParticipantMedia) => TransportId.parse(participant.sendTransport.id);
let ssrc = 1;

const publishAudio = (participant: ParticipantMedia, paused = false): Promise<ProducerId> =>
  participant.produce({
    transportId: sendOf(participant),
    kind: 'audio',
    source: 'microphone',
    rtpParameters: opusParameters(ssrc++),
    paused,
  });

const publishVideo = (participant: ParticipantMedia): Promise<ProducerId> => {
  // One for the media, one for what is sent again.
  ssrc += 2;
  return participant.produce({
    transportId: sendOf(participant),
    kind: 'video',
    source: 'camera',
    rtpParameters: vp8Parameters(ssrc - 2),
    paused: false,
  });
};

const publishData = (participant: ParticipantMedia, streamId = 1): Promise<DataProducerId> =>
  participant.produceData({
    transportId: sendOf(participant),
    label: 'reactions',
    protocol: 'v1',
    sctpStreamParameters: { streamId, ordered: false, maxRetransmits: 2 },
  });

/** Everything a participant tells, in order. */
const listen = (participant: ParticipantMedia): unknown[] => {
  const told: unknown[] = [];
  const events = [
    'producer-closed',
    'consumer-closed',
    'consumer-updated',
    'data-producer-closed',
    'data-consumer-closed',
  ] as const;
  for (const event of events) participant.on(event, (details) => told.push([event, details]));
  participant.on('closed', () => told.push('closed'));
  return told;
};

/** How long an empty room of an engine under test lingers, milliseconds: short, for it is waited for. */
export const LINGER_MS = 100;

/** What every media engine does, whatever it stands on; it needs no packet to flow. */
export function mediaEngineContract(name: string, start: () => Promise<EngineUnderTest>): void {
  describe(`a media engine (${name})`, () => {
    let under: EngineUnderTest;
    let engine: MediaEngine;
    let room: RoomMedia;

    beforeEach(async () => {
      under = await start();
      engine = under.engine;
      room = await engine.openRoom(newRoomId());
    });

    afterEach(async () => {
      await engine.close();
    });

    const join = (where: RoomMedia = room, sessionId = newSessionId()): Promise<ParticipantMedia> =>
      where.openParticipant({ sessionId, rtpCapabilities: engine.routerRtpCapabilities });

    describe('rooms', () => {
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

    describe('participants', () => {
      it('takes a session once, and again after it has left', async () => {
        const sessionId = newSessionId();
        const outcomes = await Promise.allSettled([join(room, sessionId), join(room, sessionId)]);
        expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected']);
        await expect(join(room, sessionId)).rejects.toMatchObject({ code: 'already-joined' });

        room.participant(sessionId)?.close();

        expect(room.participant(sessionId)).toBeUndefined();
        expect((await join(room, sessionId)).sessionId).toBe(sessionId);
      });

      it('gives both transports with all that a client needs', async () => {
        const { sendTransport, recvTransport } = await join();

        for (const transport of [sendTransport, recvTransport]) {
          expect(transport.iceCandidates.length).toBeGreaterThan(0);
          expect(transport.dtlsParameters.fingerprints.length).toBeGreaterThan(0);
          expect(transport.iceParameters.iceLite).toBe(true);
          expect(transport.sctpParameters).toMatchObject({ port: 5000 });
        }
        expect(sendTransport.id).not.toBe(recvTransport.id);
      });

      it('lets others consume what one publishes', async () => {
        const [speaker, listener] = [await join(), await join()];
        const producerId = await publishAudio(speaker, true);

        const opened = await listener.consume(producerId);

        expect(room.hasProducer(producerId)).toBe(true);
        expect(opened).toMatchObject({ producerId, kind: 'audio', type: 'simple', producerPaused: true });
        expect(opened.rtpParameters.codecs[0]?.mimeType).toBe('audio/opus');
        expect(engine.load()).toMatchObject({ rooms: 1, producers: 1, consumers: 1, transports: 4 });
        await listener.resumeConsumer(opened.consumerId);
        await listener.requestKeyFrame(opened.consumerId);
        await listener.setPriority(opened.consumerId, 2);
        await listener.pauseConsumer(opened.consumerId);
      });

      it('tells consumers of pause, resume and the end of what they consume', async () => {
        const [speaker, listener] = [await join(), await join()];
        const producerId = await publishAudio(speaker);
        const { consumerId } = await listener.consume(producerId);
        const [speakerTold, listenerTold] = [listen(speaker), listen(listener)];

        await speaker.pauseProducer(producerId);
        await speaker.resumeProducer(producerId);
        await eventually('both are told', () => listenerTold.length === 2);
        speaker.closeProducer(producerId);
        await eventually('the end is told', () => listenerTold.length === 3);

        expect(listenerTold).toEqual([
          ['consumer-updated', { consumerId, producerPaused: true }],
          ['consumer-updated', { consumerId, producerPaused: false }],
          ['consumer-closed', { consumerId, producerId }],
        ]);
        expect(speakerTold).toEqual([]);
        expect(room.hasProducer(producerId)).toBe(false);
        await expect(listener.resumeConsumer(consumerId)).rejects.toMatchObject({ code: 'consumer-not-found' });
        await expect(speaker.pauseProducer(producerId)).rejects.toMatchObject({ code: 'producer-not-found' });
      });

      it('tells of a consumer only who has it: a pause meanwhile is in the answer or comes after it', async () => {
        const [speaker, listener] = [await join(), await join()];
        const producerId = await publishAudio(speaker);
        const paused = new Map<ConsumerId, boolean>();
        const early: ConsumerId[] = [];
        listener.on('consumer-updated', ({ consumerId, producerPaused }) => {
          if (!paused.has(consumerId)) early.push(consumerId);
          paused.set(consumerId, producerPaused);
        });
        const consume = async () => {
          const { consumerId, producerPaused } = await listener.consume(producerId);
          // The few steps from here to whoever is to be told.
          for (let step = 0; step < 10; step++) await Promise.resolve();
          paused.set(consumerId, producerPaused);
        };

        const asked: Promise<unknown>[] = [];
        for (let n = 0; n < 4; n++) {
          asked.push(consume(), speaker.pauseProducer(producerId));
          asked.push(consume(), speaker.resumeProducer(producerId));
        }
        asked.push(consume(), speaker.pauseProducer(producerId));
        await Promise.all(asked);

        await eventually('all hear how it is in the end', () => [...paused.values()].every((one) => one));
        expect(early).toEqual([]);
        expect(paused.size).toBe(9);
      });

      it('carries data producers with label, protocol and reliability', async () => {
        const [sender, reader] = [await join(), await join()];
        const dataProducerId = await publishData(sender);
        const opened = await reader.consumeData(dataProducerId);
        expect(opened).toMatchObject({
          dataProducerId,
          label: 'reactions',
          protocol: 'v1',
          sctpStreamParameters: { ordered: false, maxRetransmits: 2 },
        });
        const told = listen(reader);

        sender.closeDataProducer(dataProducerId);

        await eventually('the end is told', () => told.length > 0);
        expect(told).toEqual([['data-consumer-closed', { dataConsumerId: opened.dataConsumerId, dataProducerId }]]);
        expect(room.hasDataProducer(dataProducerId)).toBe(false);
      });

      it('gives each data consumer of a participant a stream of its own', async () => {
        const [sender, reader] = [await join(), await join()];
        const ids = [await publishData(sender, 1), await publishData(sender, 2), await publishData(sender, 3)];

        const opened = await Promise.all(ids.map((id) => reader.consumeData(id)));

        expect(new Set(opened.map((one) => one.sctpStreamParameters.streamId)).size).toBe(3);
      });

      it('takes with a participant what it published and consumed, and tells only the others', async () => {
        const [leaving, staying] = [await join(), await join()];
        const producerId = await publishAudio(leaving);
        const dataProducerId = await publishData(leaving);
        await leaving.consume(await publishVideo(staying));
        const { consumerId } = await staying.consume(producerId);
        const { dataConsumerId } = await staying.consumeData(dataProducerId);
        const [leavingTold, stayingTold] = [listen(leaving), listen(staying)];

        leaving.close();
        leaving.close();

        await eventually('the other one is told', () => stayingTold.length === 2);
        expect(stayingTold).toEqual(
          expect.arrayContaining([
            ['consumer-closed', { consumerId, producerId }],
            ['data-consumer-closed', { dataConsumerId, dataProducerId }],
          ]),
        );
        expect(leavingTold).toEqual(['closed']);
        expect(room.hasProducer(producerId) || room.hasDataProducer(dataProducerId)).toBe(false);
        expect(engine.load()).toMatchObject({ producers: 1, consumers: 0, transports: 2 });
      });

      it('answers for unknown and foreign ids with the code that fits', async () => {
        const [one, other] = [await join(), await join()];
        const foreign = await publishAudio(other);
        const noProducer = { code: 'producer-not-found' };
        const noConsumer = { code: 'consumer-not-found' };
        const noTransport = { code: 'transport-not-found' };
        const recv = TransportId.parse(one.recvTransport.id);
        const audio = { kind: 'audio', source: 'microphone', rtpParameters: opusParameters(7), paused: false } as const;

        await expect(one.consume(ProducerId.parse('none'))).rejects.toMatchObject(noProducer);
        await expect(one.consumeData(DataProducerId.parse('none'))).rejects.toMatchObject(noProducer);
        await expect(one.pauseProducer(foreign)).rejects.toMatchObject(noProducer);
        expect(() => one.closeProducer(foreign)).toThrow(expect.objectContaining(noProducer));
        expect(() => one.closeDataProducer(DataProducerId.parse('none'))).toThrow(expect.objectContaining(noProducer));
        expect(() => one.closeConsumer(ConsumerId.parse('none'))).toThrow(expect.objectContaining(noConsumer));
        expect(() => one.closeDataConsumer(DataConsumerId.parse('none'))).toThrow(expect.objectContaining(noConsumer));
        await expect(one.resumeConsumer(ConsumerId.parse('none'))).rejects.toMatchObject(noConsumer);
        await expect(one.setLayers(ConsumerId.parse('none'), { spatialLayer: 0 })).rejects.toMatchObject(noConsumer);
        await expect(one.restartIce(sendOf(other))).rejects.toMatchObject(noTransport);
        await expect(one.produce({ ...audio, transportId: recv })).rejects.toMatchObject(noTransport);
      });

      it('refuses everything once it is closed', async () => {
        const participant = await join();
        const producerId = await publishAudio(participant);
        participant.close();
        const closed = { code: 'closed' };

        await expect(publishAudio(participant)).rejects.toMatchObject(closed);
        await expect(publishData(participant)).rejects.toMatchObject(closed);
        await expect(participant.consume(producerId)).rejects.toMatchObject(closed);
        await expect(participant.pauseProducer(producerId)).rejects.toMatchObject(closed);
        await expect(participant.stats()).rejects.toMatchObject(closed);
        expect(() => participant.closeProducer(producerId)).toThrow(expect.objectContaining(closed));
      });

      it('leaves nothing behind when it closes while something is being opened', async () => {
        const [leaving, staying] = [await join(), await join()];
        const producerId = await publishAudio(staying);

        const opening = Promise.allSettled([publishVideo(leaving), leaving.consume(producerId), publishData(leaving)]);
        leaving.close();

        for (const outcome of await opening) {
          expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'closed' } });
        }
        expect(engine.load()).toMatchObject({ producers: 1, consumers: 0 });
      });

      it('never leaves a consumer of a producer that closed while it was being consumed', async () => {
        const [speaker, listener] = [await join(), await join()];
        for (let round = 0; round < 20; round++) {
          const producerId = await publishAudio(speaker);
          const told = listen(listener);
          const consuming = listener.consume(producerId);
          consuming.catch(() => {});
          for (let tick = 0; tick < round % 5; tick++) await new Promise(setImmediate);
          speaker.closeProducer(producerId);

          const outcome = await consuming.then(
            () => 'opened',
            (error: { code: string }) => error.code,
          );
          if (outcome === 'opened') await eventually('its end is told', () => told.length > 0);
          else expect(outcome).toBe('producer-not-found');
        }
        await eventually('nothing is left', () => engine.load().consumers === 0);
      });
    });

    describe('relay ends', () => {
      let far: MediaEngine;
      let farRoom: RoomMedia;
      let origin: RelayEnd;
      let puller: RelayEnd;
      let speaker: ParticipantMedia;
      let listener: ParticipantMedia;

      beforeEach(async () => {
        speaker = await join();
        far = (await start()).engine;
        farRoom = await far.openRoom(room.roomId);
        const linkId = newLinkId();
        puller = await farRoom.openRelayEnd({ linkId, role: 'puller' });
        origin = await room.openRelayEnd({ linkId, role: 'origin' });
        await origin.connect(puller.endpoint);
        await puller.connect(origin.endpoint);
        listener = await farRoom.openParticipant({
          sessionId: newSessionId(),
          rtpCapabilities: far.routerRtpCapabilities,
        });
      });

      afterEach(async () => {
        await far.close();
      });

      it('make a producer of one node consumable on the other under the same id', async () => {
        const producerId = await publishVideo(speaker);
        const dataProducerId = await publishData(speaker);

        await relay({ origin, puller }, producerId);
        await relayData({ origin, puller }, dataProducerId);

        expect(origin.producerIds).toEqual([producerId]);
        expect(puller.producerIds).toEqual([producerId]);
        expect(origin.dataProducerIds).toEqual([dataProducerId]);
        expect(puller.dataProducerIds).toEqual([dataProducerId]);
        expect(farRoom.hasProducer(producerId) && farRoom.hasDataProducer(dataProducerId)).toBe(true);
        expect(await listener.consume(producerId)).toMatchObject({ producerId, kind: 'video', producerPaused: false });
        expect(await listener.consumeData(dataProducerId)).toMatchObject({
          label: 'reactions',
          protocol: 'v1',
          sctpStreamParameters: { ordered: false, maxRetransmits: 2 },
        });
        expect(await origin.offer(producerId)).toMatchObject({
          sessionId: speaker.sessionId,
          kind: 'video',
          source: 'camera',
        });
      });

      it('put a producer on once, however often they are asked', async () => {
        const producerId = await publishAudio(speaker);

        const offers = await Promise.all([
          origin.offer(producerId),
          origin.offer(producerId),
          origin.offer(producerId),
        ]);
        await Promise.all(offers.map((relayed) => puller.accept(relayed)));

        expect(offers[1]).toEqual(offers[0]);
        expect(offers[2]).toEqual(offers[0]);
        expect(origin.producerIds).toEqual([producerId]);
        expect(far.load().producers).toBe(1);
      });

      it('tell what has to be mirrored', async () => {
        const producerId = await publishAudio(speaker);
        const dataProducerId = await publishData(speaker);
        await relay({ origin, puller }, producerId);
        await relayData({ origin, puller }, dataProducerId);
        const { consumerId } = await listener.consume(producerId);
        const told: unknown[] = [];
        for (const event of ['producer-paused', 'producer-resumed', 'producer-closed'] as const) {
          origin.on(event, (id) => told.push([event, id]));
        }
        origin.on('data-producer-closed', (id) => told.push(['data-producer-closed', id]));
        const listenerTold = listen(listener);

        await speaker.pauseProducer(producerId);
        await eventually('the pause is told', () => told.length === 1);
        await puller.setPaused(producerId, true);
        await speaker.resumeProducer(producerId);
        await eventually('the resume is told', () => told.length === 2);
        await puller.setPaused(producerId, false);
        speaker.closeProducer(producerId);
        speaker.closeDataProducer(dataProducerId);
        await eventually('the ends are told', () => told.length === 4);
        puller.drop(producerId);
        puller.dropData(dataProducerId);
        await eventually('the far consumer has heard it all', () => listenerTold.length === 3);

        expect(told.slice(0, 2)).toEqual([
          ['producer-paused', producerId],
          ['producer-resumed', producerId],
        ]);
        expect(told.slice(2)).toEqual(
          expect.arrayContaining([
            ['producer-closed', producerId],
            ['data-producer-closed', dataProducerId],
          ]),
        );
        expect(listenerTold).toEqual([
          ['consumer-updated', { consumerId, producerPaused: true }],
          ['consumer-updated', { consumerId, producerPaused: false }],
          ['consumer-closed', { consumerId, producerId }],
        ]);
        expect([...origin.producerIds, ...origin.dataProducerIds]).toEqual([]);
        expect([...puller.producerIds, ...puller.dataProducerIds]).toEqual([]);
      });

      it('say nothing of what was taken off by the caller', async () => {
        const producerId = await publishAudio(speaker);
        await relay({ origin, puller }, producerId);
        const told: unknown[] = [];
        origin.on('producer-closed', (id) => told.push(id));

        origin.withdraw(producerId);
        origin.withdraw(producerId);
        speaker.closeProducer(producerId);
        await origin.stats();

        expect(told).toEqual([]);
        expect(origin.producerIds).toEqual([]);
      });

      it('take everything that ran over them with them', async () => {
        const producerId = await publishAudio(speaker);
        const dataProducerId = await publishData(speaker);
        await relay({ origin, puller }, producerId);
        await relayData({ origin, puller }, dataProducerId);
        await listener.consume(producerId);
        await listener.consumeData(dataProducerId);
        const told: string[] = [];
        puller.on('closed', () => told.push('closed'));
        const listenerTold = listen(listener);

        puller.close();
        puller.close();
        origin.close();

        expect(told).toEqual(['closed']);
        expect(farRoom.hasProducer(producerId) || farRoom.hasDataProducer(dataProducerId)).toBe(false);
        await eventually('both consumers end', () => listenerTold.length === 2);
        expect(room.hasProducer(producerId)).toBe(true);
        await expect(puller.connect(origin.endpoint)).rejects.toMatchObject({ code: 'closed' });
        await expect(origin.offer(producerId)).rejects.toMatchObject({ code: 'closed' });
        expect(() => puller.drop(producerId)).toThrow(expect.objectContaining({ code: 'closed' }));
        expect(engine.load().relayEnds + far.load().relayEnds).toBe(0);
      });

      it('refuse what is not theirs to do', async () => {
        const producerId = await publishAudio(speaker);
        const relayed = await origin.offer(producerId);
        await puller.accept(relayed);

        await expect(puller.offer(producerId)).rejects.toMatchObject({ code: 'internal' });
        await expect(origin.accept(relayed)).rejects.toMatchObject({ code: 'internal' });
        await expect(origin.offer(ProducerId.parse('none'))).rejects.toMatchObject({ code: 'producer-not-found' });
        await expect(puller.setPaused(ProducerId.parse('none'), true)).rejects.toMatchObject({
          code: 'producer-not-found',
        });
        await expect(origin.connect(puller.endpoint)).rejects.toMatchObject({ code: 'relay-failed' });
        await expect(farRoom.openRelayEnd({ linkId: puller.linkId, role: 'puller' })).rejects.toMatchObject({
          code: 'relay-failed',
        });
        // A second link does not bring the same producer again.
        const second = await farRoom.openRelayEnd({ linkId: newLinkId(), role: 'puller' });
        await expect(second.accept(relayed)).rejects.toMatchObject({ code: 'relay-failed' });
        // What came by a relay is not offered on.
        const onward = await farRoom.openRelayEnd({ linkId: newLinkId(), role: 'origin' });
        await expect(onward.offer(producerId)).rejects.toMatchObject({ code: 'producer-not-found' });
      });

      it('forget an attempt that failed', async () => {
        const producerId = await publishAudio(speaker);
        const relayed = await origin.offer(producerId);
        const second = await farRoom.openRelayEnd({ linkId: newLinkId(), role: 'puller' });
        await puller.accept(relayed);
        await expect(second.accept(relayed)).rejects.toMatchObject({ code: 'relay-failed' });

        puller.drop(producerId);
        await second.accept(relayed);

        expect(second.producerIds).toEqual([producerId]);
      });
    });
  });
}
