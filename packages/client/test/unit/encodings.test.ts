import { REQUESTS, RtpParameters } from '@meridian/protocol';
import type { types } from 'mediasoup-client';
import { describe, expect, it } from 'vitest';
import { isVideoCodec, VIDEO_CODECS } from '../../src/index.ts';
import { bitrateInOneLayer } from '../../src/media/camera-layers.ts';
import { sendingOf } from '../../src/media/encodings.ts';
import { layerFor } from '../../src/media/layers.ts';
import { participant, producer } from '../support/builders.ts';
import { settle } from '../support/fake-runtime.ts';
import { Stage } from '../support/stage.ts';
import { fakeTrack } from '../support/tracks.ts';

/** A device that sends these codecs. */
const device = (...mimeTypes: string[]): types.RtpCapabilities => ({
  codecs: mimeTypes.map((mimeType, index) => ({
    kind: mimeType.startsWith('audio') ? 'audio' : 'video',
    mimeType,
    preferredPayloadType: 96 + index,
    clockRate: 90_000,
  })),
});
const everything = device('audio/opus', 'video/VP8', 'video/VP9', 'video/AV1', 'video/H264');

describe('what a camera sends', () => {
  it('is VP8 in three simulcast layers, each twice the size of the one below, the smallest first', () => {
    const { codec, encodings } = sendingOf('camera', 'vp8', everything);
    expect(codec?.mimeType).toBe('video/VP8');
    expect(encodings?.map((one) => one.scaleResolutionDownBy)).toEqual([4, 2, 1]);
    expect(encodings?.map((one) => one.scalabilityMode)).toEqual(['L1T3', 'L1T3', 'L1T3']);
    const bitrates = encodings?.map((one) => one.maxBitrate ?? Number.NaN) ?? [];
    expect(bitrates).toEqual([...bitrates].sort((a, b) => a - b));
  });

  it.each([
    ['vp9', 'video/VP9', 'L3T3_KEY'],
    // Browsers cannot put AV1's spatial layers together from what mediasoup forwards.
    ['av1', 'video/AV1', 'L1T3'],
  ] as const)('is one %s stream that holds its layers', (wanted, mimeType, scalabilityMode) => {
    const { codec, encodings } = sendingOf('camera', wanted, everything);
    expect(codec?.mimeType).toBe(mimeType);
    expect(encodings).toHaveLength(1);
    expect(encodings?.[0]).toMatchObject({ scalabilityMode, maxBitrate: 1_500_000 });
    // The layers are the encoder's own: nothing else may scale the picture.
    expect(encodings?.[0]).not.toHaveProperty('scaleResolutionDownBy');
  });

  it.each([
    [1080, [4, 2, 1]],
    [720, [4, 2, 1]],
    [600, [4, 2, 1]],
    [480, [2, 1]],
    [360, [2, 1]],
    [240, [undefined]],
    [180, [undefined]],
    [90, [undefined]],
  ])('is sent in as many layers as a picture of %i lines is worth, the finest in full size', (lines, factors) => {
    const { encodings } = sendingOf('camera', 'vp8', everything, lines);
    expect(encodings?.map((one) => one.scaleResolutionDownBy)).toEqual(factors);
  });

  it('has more bits for the smallest layer where that is all there is: it has twice the frames then', () => {
    const [alone] = sendingOf('camera', 'vp8', everything, 180).encodings ?? [];
    const [thumbnail] = sendingOf('camera', 'vp8', everything, 720).encodings ?? [];
    expect(alone?.maxBitrate).toBeGreaterThan(1.5 * (thumbnail?.maxBitrate ?? Number.NaN));
  });

  it.each([
    [720, 'L3T3_KEY'],
    [360, 'L2T3_KEY'],
    [180, 'L1T3'],
  ])('has fewer layers of a smaller picture as SVC, too: %i lines, %s', (lines, scalabilityMode) => {
    expect(sendingOf('camera', 'vp9', everything, lines).encodings).toMatchObject([{ scalabilityMode }]);
  });

  it.each(['vp8', 'vp9', 'h264'] as const)(
    'is sent in one layer of full size in %s when no layers are wanted',
    (codec) => {
      const { encodings } = sendingOf('camera', codec, everything, 720, false);
      expect(encodings).toHaveLength(1);
      expect(encodings?.[0]).toMatchObject({ maxBitrate: 1_500_000 });
      expect(encodings?.[0]?.scaleResolutionDownBy).toBeUndefined();
      expect(encodings?.[0]?.scalabilityMode).toBe(codec === 'vp9' ? 'L1T3' : undefined);
    },
  );

  it.each([1080, 720, 480, 360, 240, 180])('has in one layer of %i lines the bits that others may ask for', (lines) => {
    const [alone] = sendingOf('camera', 'vp8', everything, lines, false).encodings ?? [];
    expect(bitrateInOneLayer(lines)).toBe(alone?.maxBitrate);
  });

  it('names a frame rate for every layer, lest the least one hold for all', () => {
    const { encodings } = sendingOf('camera', 'vp8', everything);
    expect(encodings?.map((one) => one.maxFramerate)).toEqual([15, 30, 30]);
  });

  it('is simulcast without temporal layers in H.264', () => {
    const { codec, encodings } = sendingOf('camera', 'h264', everything);
    expect(codec?.mimeType).toBe('video/H264');
    expect(encodings?.map((one) => one.scalabilityMode)).toEqual(['L1T1', 'L1T1', 'L1T1']);
  });

  it.each(VIDEO_CODECS)('is VP8 simulcast where %s cannot be sent', (wanted) => {
    const poor = device('audio/opus', 'video/VP8');
    for (const source of ['camera', 'screen'] as const) {
      expect(sendingOf(source, wanted, poor)).toEqual(sendingOf(source, 'vp8', everything));
    }
  });
});

describe('what else is sent', () => {
  it.each([
    ['vp8', undefined],
    ['h264', undefined],
    ['vp9', 'L1T3'],
    ['av1', 'L1T3'],
  ] as const)('is a screen as one %s layer in full size, mode %s', (wanted, scalabilityMode) => {
    const { codec, encodings } = sendingOf('screen', wanted, everything);
    expect(codec?.mimeType.toLowerCase()).toBe(`video/${wanted}`);
    expect(encodings).toHaveLength(1);
    expect(encodings?.[0]?.scalabilityMode).toBe(scalabilityMode);
    expect(encodings?.[0]?.dtx).toBe(true);
  });

  it.each(VIDEO_CODECS)('is Opus, whatever is wanted for video (%s)', (wanted) => {
    for (const source of ['microphone', 'screen-audio'] as const) {
      const sending = sendingOf(source, wanted, everything);
      expect(sending.codec?.mimeType).toBe('audio/opus');
      expect(sending).not.toHaveProperty('encodings');
    }
  });

  it('does not change what is sent the next time', () => {
    const first = sendingOf('camera', 'vp9', everything).encodings?.[0];
    // mediasoup-client writes into the encodings it is given.
    if (first) first.maxBitrate = 1;
    expect(sendingOf('camera', 'vp9', everything).encodings?.[0]?.maxBitrate).toBeGreaterThan(1);
  });
});

describe('the name of a codec', () => {
  it.each(VIDEO_CODECS)('%s is one', (name) => expect(isVideoCodec(name)).toBe(true));
  it.each(['', 'VP9', 'vp10', 'toString', null, undefined])('%j is none', (name) =>
    expect(isVideoCodec(name)).toBe(false),
  );
});

describe('the codec chosen at the join', () => {
  it('holds for what is published with it and for what is published later, in a reconnect too', async () => {
    const stage = new Stage();
    const room = await stage.join({ videoCodec: 'vp9', tracks: [{ source: 'camera', track: fakeTrack('video') }] });
    await room.publish('screen', fakeTrack('video'));
    expect(published(stage)).toEqual(['camera video/VP9 L3T3_KEY', 'screen video/VP9 L1T3']);

    stage.cluster.connection.end(1006);
    await stage.runtime.advance(0);
    expect(stage.cluster.connections).toHaveLength(2);
    expect(published(stage).sort()).toEqual(['camera video/VP9 L3T3_KEY', 'screen video/VP9 L1T3']);
  });

  it('gives way to the one of a publication', async () => {
    const stage = new Stage();
    const room = await stage.join({ videoCodec: 'vp9' });
    await room.publish('camera', fakeTrack('video'), { videoCodec: 'vp8' });
    expect(published(stage)).toEqual(['camera video/VP8 L1T3 L1T3 L1T3']);
  });

  it('gives way to VP8 simulcast in a browser that cannot send it', async () => {
    const stage = new Stage();
    await stage.join({ videoCodec: 'av1', tracks: [{ source: 'camera', track: fakeTrack('video') }] });
    expect(published(stage)).toEqual(['camera video/VP8 L1T3 L1T3 L1T3']);
  });
});

describe('an SVC stream', () => {
  it.each([
    ['L3T3_KEY', [0, 2]],
    ['L2T3_KEY', [0, 1]],
    ['L1T3', []],
  ])('of mode %s is asked for in the spatial layers it has', async (scalabilityMode, layers) => {
    const stage = new Stage();
    stage.cluster.participants = [participant('s-other')];
    stage.cluster.producers = [producer('p-c1', 's-other')];
    const room = await stage.join();
    const { connection } = stage.cluster;
    connection.notify('consumer-opened', svcConsumer(stage, scalabilityMode));
    await settle();
    const [remote] = [...room.tracks.values()];
    if (remote === undefined) throw new Error('no track came');

    room.setShown(remote.producerId, { width: 240, height: 135 });
    room.setShown(remote.producerId, { width: 1_280, height: 720 });
    await settle();
    expect(connection.of('set-consumer-layers')).toEqual(
      layers.map((spatialLayer) => ({ consumerId: 'c1', spatialLayer })),
    );
  });

  it('of two layers is one of a camera of 360 lines: the upper one is its full picture', () => {
    expect(layerFor({ width: 320, height: 180 }, 2)).toBe(0);
    expect(layerFor({ width: 640, height: 360 }, 2)).toBe(1);
    expect(layerFor({ width: 1_280, height: 720 }, 2)).toBe(1);
  });
});

/** What has been published over the newest connection: source, codec and the mode of each encoding. */
function published(stage: Stage): string[] {
  return stage.cluster.connection.of('publish').map((data) => {
    const { source, rtpParameters } = REQUESTS.publish.request.parse(data);
    const modes = (rtpParameters.encodings ?? []).flatMap((one) => one.scalabilityMode ?? []);
    return [source, rtpParameters.codecs[0]?.mimeType, ...modes].join(' ');
  });
}

/** A node's offer of a VP9 stream with layers inside. */
function svcConsumer(stage: Stage, scalabilityMode: string): Record<string, unknown> {
  const { rtpParameters, ...offer } = stage.cluster.consumer('c1', { kind: 'video', source: 'camera', type: 'svc' });
  return {
    ...offer,
    rtpParameters: {
      ...RtpParameters.parse(rtpParameters),
      codecs: [{ mimeType: 'video/VP9', payloadType: 105, clockRate: 90_000, parameters: { 'profile-id': 0 } }],
      encodings: [{ ssrc: 99_991_111, scalabilityMode }],
    },
  };
}
