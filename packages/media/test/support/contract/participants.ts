import { eventually } from '@meridian/harness';
import { ConsumerId, DataConsumerId, DataProducerId, ProducerId, TransportId } from '@meridian/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import type { MediaEngine, RoomMedia } from '../../../src/index.ts';
import { newSessionId } from '../engines.ts';
import { opusParameters } from '../rtp.ts';
import { listen, publishAudio, publishData, publishVideo, sendOf } from './publishing.ts';
import type { Stage } from './stage.ts';

export function participantSuite(stage: () => Stage): void {
  describe('participants', () => {
    let engine: MediaEngine;
    let room: RoomMedia;
    let join: Stage['join'];
    beforeEach(() => {
      ({ engine, room, join } = stage());
    });

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
}
