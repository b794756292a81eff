import { eventually } from '@meridian/harness';
import { ProducerId } from '@meridian/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MediaEngine, ParticipantMedia, RelayEnd, RoomMedia } from '../../../src/index.ts';
import { newLinkId, newSessionId } from '../engines.ts';
import { relay, relayData } from '../links.ts';
import { listen, publishAudio, publishData, publishVideo } from './publishing.ts';
import type { EngineUnderTest, Stage } from './stage.ts';

export function relayEndSuite(stage: () => Stage, start: () => Promise<EngineUnderTest>): void {
  describe('relay ends', () => {
    let engine: MediaEngine;
    let room: RoomMedia;
    let far: MediaEngine;
    let farRoom: RoomMedia;
    let origin: RelayEnd;
    let puller: RelayEnd;
    let speaker: ParticipantMedia;
    let listener: ParticipantMedia;

    beforeEach(async () => {
      ({ engine, room } = stage());
      speaker = await stage().join();
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

      const offers = await Promise.all([origin.offer(producerId), origin.offer(producerId), origin.offer(producerId)]);
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
}
