import { RtpCapabilities, type RtpParameters, TransportId } from '@meridian/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MEDIA_CODECS, type MediasoupEngine, type ParticipantMedia } from '../../src/index.ts';
import { insideOf, newRoomId, newSessionId, startEngine } from '../support/engines.ts';
import { openLink, relay } from '../support/links.ts';
import { opusParameters, vp8Parameters } from '../support/rtp.ts';

describe('what clients and the engine agree on', () => {
  let engine: MediasoupEngine;

  beforeAll(async () => {
    engine = await startEngine({ emptyRoomLingerMs: 60_000 });
  });

  afterAll(async () => {
    await engine.close();
  });

  const join = async (rtpCapabilities = engine.routerRtpCapabilities): Promise<ParticipantMedia> =>
    (await engine.openRoom(newRoomId())).openParticipant({ sessionId: newSessionId(), rtpCapabilities });

  it('offers what every router really takes, on every engine alike', async () => {
    const room = insideOf(await engine.openRoom(newRoomId()));

    expect(engine.routerRtpCapabilities).toEqual(room.routers[0]?.router.rtpCapabilities);
    expect(RtpCapabilities.parse(JSON.parse(JSON.stringify(engine.routerRtpCapabilities))).codecs).toHaveLength(
      // Each video codec with its RTX.
      MEDIA_CODECS.length + MEDIA_CODECS.filter((codec) => codec.kind === 'video').length,
    );
  });

  it('takes Opus with FEC and DTX, VP8, VP9, H264 and AV1, with NACK, PLI, FIR and transport-cc', () => {
    const codecs = engine.routerRtpCapabilities.codecs ?? [];
    const mimeTypes = codecs.map((codec) => codec.mimeType);

    expect(mimeTypes.filter((mimeType) => mimeType !== 'video/rtx')).toEqual([
      'audio/opus',
      'video/VP8',
      'video/VP9',
      'video/H264',
      'video/AV1',
    ]);
    expect(codecs[0]?.parameters).toMatchObject({ useinbandfec: 1, usedtx: 1, stereo: 0 });
    for (const codec of codecs.filter(({ kind, mimeType }) => kind === 'video' && mimeType !== 'video/rtx')) {
      const feedback = codec.rtcpFeedback?.map(({ type, parameter }) => (parameter ? `${type} ${parameter}` : type));
      expect(feedback).toEqual(['nack', 'nack pli', 'ccm fir', 'goog-remb', 'transport-cc']);
      const rtx = codecs.find((other) => other.parameters?.apt === codec.preferredPayloadType);
      expect(rtx?.mimeType).toBe('video/rtx');
    }
  });

  it('gives candidates for UDP first and TCP after it, on the ports of the worker', async () => {
    const { sendTransport, recvTransport } = await join();

    expect(sendTransport.iceCandidates.map((candidate) => candidate.protocol)).toEqual(['udp', 'tcp']);
    const [udp, tcp] = sendTransport.iceCandidates;
    expect(udp?.priority).toBeGreaterThan(tcp?.priority ?? Number.POSITIVE_INFINITY);
    expect(recvTransport.iceCandidates.map((candidate) => candidate.port)).toEqual([udp?.port, tcp?.port]);
    expect(sendTransport.dtlsParameters.role).toBe('auto');
  });

  it('announces the public address, not the one it listens on', async () => {
    const announced = await startEngine({
      webRtcServer: { listenIp: '127.0.0.1', announcedAddress: 'node.example.org', port: 0 },
      pipe: { listenIp: '127.0.0.1', announcedAddress: '192.0.2.7', portRange: { min: 40_000, max: 44_999 } },
    });
    try {
      const room = await announced.openRoom(newRoomId());
      const { sendTransport } = await room.openParticipant({
        sessionId: newSessionId(),
        rtpCapabilities: announced.routerRtpCapabilities,
      });
      expect(new Set(sendTransport.iceCandidates.map((candidate) => candidate.address))).toEqual(
        new Set(['node.example.org']),
      );
    } finally {
      await announced.close();
    }
  });

  it('will not listen on every address without knowing which one to tell others', async () => {
    await expect(startEngine({ webRtcServer: { listenIp: '0.0.0.0', port: 0 } })).rejects.toMatchObject({
      code: 'config-invalid',
    });
    await expect(
      startEngine({ pipe: { listenIp: '::', portRange: { min: 40_000, max: 44_999 } } }),
    ).rejects.toMatchObject({ code: 'config-invalid' });
  });

  it('refuses media parameters that it cannot use, and says why', async () => {
    const participant = await join();
    const produce = (kind: 'audio' | 'video', rtpParameters: ReturnType<typeof opusParameters>) =>
      participant.produce({
        transportId: TransportId.parse(participant.sendTransport.id),
        kind,
        source: kind === 'audio' ? 'microphone' : 'camera',
        rtpParameters,
        paused: false,
      });
    const opus = opusParameters(900);
    const [codec] = opus.codecs;
    if (codec === undefined) throw new Error('no codec');

    for (const wrong of [
      { ...opus, codecs: [] },
      { ...opus, codecs: [{ ...codec, mimeType: 'audio/unknown' }] },
      { ...opus, codecs: [{ ...codec, clockRate: 44_100 }] },
      { ...opus, encodings: [] },
    ]) {
      await expect(produce('audio', wrong)).rejects.toMatchObject({ code: 'media-rejected' });
    }
    await produce('audio', opus);
    // The same SSRC again is refused by the worker itself.
    await expect(produce('audio', opus)).rejects.toMatchObject({ code: 'media-rejected' });
    await expect(
      participant.connect(TransportId.parse(participant.sendTransport.id), {
        fingerprints: [{ algorithm: 'md5', value: 'AA' }],
      }),
    ).rejects.toMatchObject({ code: 'media-rejected' });
    await expect(
      participant.produceData({
        transportId: TransportId.parse(participant.sendTransport.id),
        label: '',
        protocol: '',
        sctpStreamParameters: { streamId: 1, ordered: true, maxRetransmits: 3 },
      }),
    ).rejects.toMatchObject({ code: 'media-rejected' });
  });

  it('says cannot-consume to a device without the codec', async () => {
    const room = await engine.openRoom(newRoomId());
    const publisher = await room.openParticipant({
      sessionId: newSessionId(),
      rtpCapabilities: engine.routerRtpCapabilities,
    });
    const producerId = await publisher.produce({
      transportId: TransportId.parse(publisher.sendTransport.id),
      kind: 'video',
      source: 'camera',
      rtpParameters: vp8Parameters(910),
      paused: false,
    });
    const audioOnly = {
      ...engine.routerRtpCapabilities,
      codecs: engine.routerRtpCapabilities.codecs?.filter((codec) => codec.kind === 'audio'),
    };
    const device = await room.openParticipant({ sessionId: newSessionId(), rtpCapabilities: audioOnly });

    await expect(device.consume(producerId)).rejects.toMatchObject({ code: 'cannot-consume' });
    expect(engine.load().consumers).toBe(0);
  });

  it('gives simulcast and SVC one stream per receiver with layers to choose from, also behind a relay', async () => {
    const other = await startEngine({ emptyRoomLingerMs: 60_000 });
    try {
      const room = await engine.openRoom(newRoomId());
      const far = await other.openRoom(room.roomId);
      const link = await openLink({ origin: room, puller: far });
      const publisher = await room.openParticipant({
        sessionId: newSessionId(),
        rtpCapabilities: engine.routerRtpCapabilities,
      });
      const transportId = TransportId.parse(publisher.sendTransport.id);
      const simulcast = vp8Parameters(920);
      const vp9 = vp8Parameters(930);
      const cases: { type: string; scalabilityMode: string; rtpParameters: RtpParameters }[] = [
        {
          type: 'simulcast',
          scalabilityMode: 'L3T3',
          rtpParameters: {
            ...simulcast,
            mid: '0',
            encodings: ['r0', 'r1', 'r2'].map((rid) => ({ rid, scalabilityMode: 'L1T3' })),
            headerExtensions: [
              { uri: 'urn:ietf:params:rtp-hdrext:sdes:mid', id: 1 },
              { uri: 'urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id', id: 2 },
            ],
          },
        },
        {
          type: 'svc',
          scalabilityMode: 'L3T3_KEY',
          rtpParameters: {
            ...vp9,
            codecs: vp9.codecs.map((codec) =>
              codec.mimeType === 'video/VP8'
                ? { ...codec, mimeType: 'video/VP9', parameters: { 'profile-id': 0 } }
                : codec,
            ),
            encodings: [{ ssrc: 930, rtx: { ssrc: 931 }, scalabilityMode: 'L3T3_KEY' }],
          },
        },
      ];

      for (const { type, scalabilityMode, rtpParameters } of cases) {
        const source = type === 'svc' ? 'screen' : 'camera';
        const producerId = await publisher.produce({
          transportId,
          kind: 'video',
          source,
          rtpParameters,
          paused: false,
        });
        await relay(link, producerId);
        for (const [where, capabilities] of [
          [room, engine.routerRtpCapabilities],
          [far, other.routerRtpCapabilities],
        ] as const) {
          const viewer = await where.openParticipant({ sessionId: newSessionId(), rtpCapabilities: capabilities });
          const opened = await viewer.consume(producerId);
          expect(opened.type).toBe(type);
          expect(opened.rtpParameters.encodings).toHaveLength(1);
          expect(opened.rtpParameters.encodings?.[0]).toMatchObject({ scalabilityMode, rtx: {} });
          await viewer.setLayers(opened.consumerId, { spatialLayer: 1, temporalLayer: 0 });
        }
      }
    } finally {
      await other.close();
    }
  });

  it('restarts ICE with new credentials', async () => {
    const participant = await join();
    const before = participant.sendTransport.iceParameters;

    const after = await participant.restartIce(TransportId.parse(participant.sendTransport.id));

    expect(after.usernameFragment).not.toBe(before.usernameFragment);
    expect(after.iceLite).toBe(true);
  });
});
