import { eventually } from '@meridian/harness';
import { isVp8KeyFrame, rtpPayload } from '@meridian/harness/webrtc';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LegTotals, MediasoupEngine, OpenedConsumer, ParticipantMedia, RoomMedia } from '../../src/index.ts';
import { newRoomId, newSessionId, startEngine } from '../support/engines.ts';
import { mirror, openLink, relay } from '../support/links.ts';
import { connectPublisher, connectViewer } from '../support/peers.ts';

describe('participants with real WebRTC clients', () => {
  let here: MediasoupEngine;
  let there: MediasoupEngine;
  let room: RoomMedia;
  let far: RoomMedia;
  const closing: (() => void)[] = [];

  beforeEach(async () => {
    const lively = { emptyRoomLingerMs: 60_000, iceConsentTimeoutS: 10 };
    [here, there] = await Promise.all([startEngine(lively), startEngine(lively)]);
    const roomId = newRoomId();
    [room, far] = [await here.openRoom(roomId), await there.openRoom(roomId)];
  });

  afterEach(async () => {
    for (const close of closing.splice(0)) close();
    await Promise.all([here.close(), there.close()]);
  });

  const join = (engine: MediasoupEngine, where: RoomMedia): Promise<ParticipantMedia> =>
    where.openParticipant({ sessionId: newSessionId(), rtpCapabilities: engine.routerRtpCapabilities });

  const states = (participant: ParticipantMedia): string[] => {
    const told: string[] = [];
    participant.on('transport-state', ({ transport, state }) => told.push(`${transport} ${state}`));
    return told;
  };

  it('see and hear each other on one node and over a relay, from the moment they resume', async () => {
    const link = await openLink({ origin: room, puller: far });
    mirror(link);
    const speaker = await join(here, room);
    const speakerStates = states(speaker);
    const publisher = await connectPublisher(speaker);
    closing.push(() => publisher.close());
    publisher.start();
    await relay(link, publisher.audioId);
    await relay(link, publisher.videoId);

    for (const viewer of [await join(here, room), await join(there, far)]) {
      const viewerStates = states(viewer);
      const consumers = await Promise.all([viewer.consume(publisher.audioId), viewer.consume(publisher.videoId)]);
      const { peer, packets } = await connectViewer(viewer, consumers);
      closing.push(() => peer.close());
      const received = () => consumers.map(({ consumerId }) => packets.get(consumerId)?.length ?? 0);
      expect(received()).toEqual([0, 0]);

      for (const { consumerId } of consumers) await viewer.resumeConsumer(consumerId);

      await eventually('audio and video arrive', () => received().every((count) => count >= 10));
      const video = consumers[1];
      if (video === undefined) throw new Error('no video consumer');
      // Nothing before it could be decoded.
      const [first] = packets.get(video.consumerId) ?? [];
      expect(first !== undefined && isVp8KeyFrame(rtpPayload(first))).toBe(true);
      const before = publisher.keyFrameRequests;
      peer.requestKeyFrame(video.rtpParameters.mid ?? '');
      await eventually('a PLI of the client reaches the publisher', () => publisher.keyFrameRequests > before);
      expect(viewerStates).toEqual(['recv connected']);
    }
    expect(speakerStates).toEqual(['send connected']);
  });

  it('receive nothing of a consumer before they resume it, while others of the same transport flow', async () => {
    // Given a viewer whose client is up, with four consumers of what somebody sends all the time
    const speaker = await join(here, room);
    const viewer = await join(here, room);
    const publisher = await connectPublisher(speaker);
    closing.push(() => publisher.close());
    publisher.start();
    const { audioId, videoId } = publisher;
    const consumers = await Promise.all([audioId, videoId, audioId, videoId].map((id) => viewer.consume(id)));
    const { peer, packets } = await connectViewer(viewer, consumers);
    closing.push(() => peer.close());
    const received = (of: readonly OpenedConsumer[]) => of.map(({ consumerId }) => packets.get(consumerId)?.length);
    const [resumed, waiting] = [consumers.slice(0, 2), consumers.slice(2)];

    // When two of them are resumed and have brought much
    for (const { consumerId } of resumed) await viewer.resumeConsumer(consumerId);
    await eventually('the resumed ones flow', () => received(resumed).every((count = 0) => count >= 50));

    // Then nothing has come of the others
    expect(received(waiting)).toEqual([0, 0]);

    // Until they are resumed as well
    for (const { consumerId } of waiting) await viewer.resumeConsumer(consumerId);
    await eventually('the others flow as well', () => received(waiting).every((count = 0) => count >= 10));
  });

  it('are measured leg by leg', async () => {
    const speaker = await join(here, room);
    const viewer = await join(here, room);
    const publisher = await connectPublisher(speaker);
    closing.push(() => publisher.close());
    publisher.start();
    const consumers = await Promise.all([viewer.consume(publisher.audioId), viewer.consume(publisher.videoId)]);
    const { peer } = await connectViewer(viewer, consumers);
    closing.push(() => peer.close());
    for (const { consumerId } of consumers) await viewer.resumeConsumer(consumerId);

    const sums = new Map<string, number>();
    const add = (totals: readonly LegTotals[]) => {
      for (const { leg, kind, packets } of totals)
        sums.set(`${leg} ${kind}`, (sums.get(`${leg} ${kind}`) ?? 0) + packets);
    };
    await eventually('every leg has carried packets', async () => {
      add((await here.collect()).totals);
      const legs = ['client-up audio', 'client-up video', 'client-down audio', 'client-down video'];
      return legs.every((leg) => (sums.get(leg) ?? 0) >= 20);
    });
    const [up, down] = [(await speaker.stats()).up, (await viewer.stats()).down];

    expect([...sums.keys()].sort()).toEqual([
      'client-down audio',
      'client-down video',
      'client-up audio',
      'client-up video',
    ]);
    for (const leg of [up, down]) {
      expect(leg.bitrate).toBeGreaterThan(0);
      expect(leg.lossFraction).toBeLessThan(1);
      expect(leg.jitterMs).toBeGreaterThanOrEqual(0);
    }
  });

  it('are told of when they are gone without a word', async () => {
    const speaker = await join(here, room);
    const told = states(speaker);
    const publisher = await connectPublisher(speaker);
    await eventually('he is connected', () => told.length > 0);
    expect(told).toEqual(['send connected']);

    publisher.close();

    // By DTLS's farewell, or by the silence of ICE.
    await eventually('it is told', () => told.some((state) => /failed|disconnected/.test(state)), {
      withinMs: 30_000,
    });
    expect(speaker.closed).toBe(false);
  });
});
