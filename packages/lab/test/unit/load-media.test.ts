import { isVp8KeyFrame, rtpPayload, rtpSequence } from '@meridian/harness/webrtc';
import { describe, expect, test } from 'vitest';
import { type MediaFrame, RTP_OVERHEAD_BYTES, vp8Payloads } from '../../src/load/media/frame.ts';
import { GeneratedAudio, GeneratedVideo } from '../../src/load/media/generated.ts';
import { Jitter, Reception } from '../../src/load/media/reception.ts';
import { opusTicks, parseIvf, parseOggOpus, RecordedSource } from '../../src/load/media/recorded.ts';
import { roundTripIn } from '../../src/load/media/rtcp.ts';
import { CAPTURE_TIME_ID, captureTimeOf, RtpWriter } from '../../src/load/media/rtp.ts';

const SETTINGS = { kbps: 500, fps: 25, packetBytes: 1_200, keyFrameEveryS: 4 };
const bytesOf = ({ payloads }: MediaFrame) =>
  payloads.reduce((sum, payload) => sum + payload.length + RTP_OVERHEAD_BYTES, 0);
const writer = () => new RtpWriter({ ssrc: 7, payloadType: 96, random: () => 0.5 });

describe('generated media', () => {
  test('video has the bit rate that was asked for, key frames included', () => {
    // Given
    const video = new GeneratedVideo(SETTINGS);
    // When a minute of it is made
    const frames = Array.from({ length: 60 * 25 }, () => video.next());
    // Then
    const kbps = (frames.reduce((sum, frame) => sum + bytesOf(frame), 0) * 8) / 60_000;
    expect(kbps).toBeGreaterThan(495);
    expect(kbps).toBeLessThan(505);
    expect(frames.filter(({ keyFrame }) => keyFrame)).toHaveLength(15);
    expect(Math.max(...frames.flatMap(({ payloads }) => payloads.map(({ length }) => length)))).toBe(1_172);
  });

  test('video runs on a clock of 90 kHz, and an asked-for key frame comes at once', () => {
    const video = new GeneratedVideo(SETTINGS);
    const first = [video.next(), video.next(), video.next()];
    expect(first.map(({ timestamp }) => timestamp)).toEqual([0, 3_600, 7_200]);
    expect(first.map(({ keyFrame }) => keyFrame)).toEqual([true, false, false]);
    expect(isVp8KeyFrame(first[0]?.payloads[0])).toBe(true);
    expect(isVp8KeyFrame(first[1]?.payloads[0])).toBe(false);

    video.askKeyFrame();
    expect([video.next().keyFrame, video.next().keyFrame]).toEqual([true, false]);
  });

  test('audio is a packet every 20 ms of 48 kHz, of the bit rate that was asked for', () => {
    const audio = new GeneratedAudio({ kbps: 40 });
    const frames = [audio.next(), audio.next()];
    expect(frames.map(({ timestamp }) => timestamp)).toEqual([0, 960]);
    expect(frames.map(bytesOf)).toEqual([100, 100]);
  });

  test('only the first packet of a VP8 frame says that a partition begins', () => {
    const payloads = vp8Payloads(Buffer.alloc(25, 9), 11);
    expect(payloads.map(({ length }) => length)).toEqual([11, 11, 6]);
    expect(payloads.map((payload) => payload[0])).toEqual([0x10, 0x00, 0x00]);
  });
});

describe('RTP of a stream', () => {
  test('packets carry when they were sent, to less than a microsecond, and their payload', () => {
    // Given
    const sentMs = Date.UTC(2030, 0, 2, 3, 4, 5) + 678.9;
    // When
    const packet = writer().packet(Buffer.from('media'), 960, true, sentMs);
    // Then
    expect(Math.abs((captureTimeOf(packet, CAPTURE_TIME_ID) ?? 0) - sentMs)).toBeLessThan(0.001);
    expect(captureTimeOf(packet, 3)).toBeUndefined();
    expect(rtpPayload(packet).toString()).toBe('media');
    expect(packet.readUInt32BE(4)).toBe(960 + 2 ** 31);
    expect(packet.readUInt8(1)).toBe(0x80 | 96);
  });

  test('sequence numbers and timestamps wrap, and a sender report fits the packets', () => {
    const stream = writer();
    const sequences = Array.from({ length: 0x1_0001 }, () => rtpSequence(stream.packet(Buffer.alloc(1), 0, false, 0)));
    expect(sequences[0x1_0000]).toBe(sequences[0]);
    const wrapped = stream.packet(Buffer.alloc(1), 2 ** 31 + 5, false, 0);
    expect(wrapped.readUInt32BE(4)).toBe(5);
    const report = stream.senderReport(2 ** 31 + 5, 1_000);
    expect([report.readUInt8(1), report.readUInt32BE(4), report.readUInt32BE(16)]).toEqual([200, 7, 5]);
    expect(report.readUInt32BE(20)).toBe(0x1_0002);
    expect(report.readUInt32BE(8)).toBe(2_208_988_801);
  });

  test('what is no such extension, or is cut short, has no time', () => {
    const packet = writer().packet(Buffer.alloc(4), 0, false, 5_000);
    for (let length = 0; length < 25; length++) {
      expect(captureTimeOf(packet.subarray(0, length), CAPTURE_TIME_ID)).toBeUndefined();
    }
  });
});

describe('what has come of a stream', () => {
  const after = (...sequences: number[]) => {
    const reception = new Reception();
    for (const sequence of sequences) reception.packet(sequence, 100);
    return { expected: reception.expected, received: reception.received };
  };

  test('gaps are lost packets, over the wrap of the numbers too', () => {
    expect(after(65_533, 65_534, 1, 2)).toEqual({ expected: 6, received: 4 });
  });

  test('a packet that was late is not lost', () => {
    expect(after(10, 12, 11, 13)).toEqual({ expected: 4, received: 4 });
    expect(after(0, 65_535, 1)).toEqual({ expected: 3, received: 3 });
  });

  test('headers are told apart from what they carry', () => {
    const reception = new Reception();
    reception.packet(1, 100, 20);
    reception.packet(2, 50, 12);
    expect(reception).toMatchObject({ bytes: 150, headerBytes: 32 });
  });

  test('jitter is none for packets that come as they were sent, over the wrap of the timestamps too', () => {
    const jitter = new Jitter(90_000);
    for (const [index, timestamp] of [0xffff_f000, 0xffff_f000 + 3_600, 0xffff_f000 + 7_200].entries()) {
      jitter.packet(timestamp >>> 0, 1_000 + 40 * index);
    }
    expect(jitter.ms).toBeCloseTo(0, 6);
  });

  test('jitter nears the mean distance between one way and the next', () => {
    const jitter = new Jitter(48_000);
    for (let index = 0; index < 200; index += 1) jitter.packet(960 * index, 20 * index + (index % 2) * 8);
    expect(jitter.ms).toBeCloseTo(8, 1);
  });

  test('nothing is expected before the first', () => {
    expect(after()).toEqual({ expected: 0, received: 0 });
  });
});

describe('a receiver report', () => {
  const SSRC = 7;
  const SENT_MS = Date.UTC(2030, 0, 2, 3, 4, 5);

  /** Sender report's time as the receiver repeats it, and how long it held it. */
  function reportOf(ssrc: number, heldMs: number, answered = true): Buffer {
    const sent = writer().senderReport(0, SENT_MS);
    const report = Buffer.alloc(32);
    report.writeUInt32BE(0x81c9_0007, 0);
    report.writeUInt32BE(ssrc, 8);
    report.writeUInt32BE(answered ? sent.readUInt32BE(10) : 0, 24);
    report.writeUInt32BE(Math.round((heldMs * 65_536) / 1_000), 28);
    return report;
  }

  test('tells the round trip, without the time the receiver held it; among others in one packet too', () => {
    const pli = Buffer.from([0x81, 0xce, 0, 2, 0, 0, 0, 1, 0, 0, 0, SSRC]);
    const compound = Buffer.concat([pli, reportOf(9, 10), reportOf(SSRC, 500)]);
    expect(roundTripIn(compound, SSRC, SENT_MS + 680)).toBeCloseTo(180, 0);
  });

  test('tells nothing before a sender report was there, of another stream, or cut short', () => {
    expect(roundTripIn(reportOf(SSRC, 0, false), SSRC, SENT_MS + 10)).toBeUndefined();
    expect(roundTripIn(reportOf(9, 0), SSRC, SENT_MS + 10)).toBeUndefined();
    expect(roundTripIn(reportOf(SSRC, 0).subarray(0, 20), SSRC, SENT_MS + 10)).toBeUndefined();
  });
});

const KEY = Buffer.from([0x50, 0x42, 0x00, 0x9d, 0x01, 0x2a, 0x10, 0x00, 0x10, 0x00]);
const DELTA = Buffer.from([0x51, 0x42, 0x00]);

function ivf(frames: readonly Buffer[], codec = 'VP80'): Buffer {
  const head = Buffer.alloc(32);
  head.write('DKIF', 0, 'latin1');
  head.writeUInt16LE(32, 6);
  head.write(codec, 8, 'latin1');
  head.writeUInt32LE(30, 16);
  head.writeUInt32LE(1, 20);
  const body = frames.flatMap((frame, index) => {
    const each = Buffer.alloc(12);
    each.writeUInt32LE(frame.length, 0);
    each.writeBigUInt64LE(BigInt(index), 4);
    return [each, frame];
  });
  return Buffer.concat([head, ...body]);
}

function ogg(...packets: Buffer[]): Buffer {
  return Buffer.concat(
    packets.map((packet) => {
      const laces = [...Array<number>(Math.floor(packet.length / 255)).fill(255), packet.length % 255];
      const head = Buffer.alloc(27);
      head.write('OggS', 0, 'latin1');
      head[26] = laces.length;
      return Buffer.concat([head, Buffer.from(laces), packet]);
    }),
  );
}

describe('recorded media', () => {
  test('an IVF file plays over and over, with rising timestamps, from any place', () => {
    // Given
    const recording = parseIvf(ivf([KEY, DELTA, DELTA, KEY]), 'a.ivf');
    const source = new RecordedSource({ recording, packetBytes: 1_200, startShare: 0.3 });
    // When
    const frames = Array.from({ length: 6 }, () => source.next());
    // Then it begins at the next key frame after that place
    expect(frames.map(({ keyFrame }) => keyFrame)).toEqual([true, true, false, false, true, true]);
    expect(frames.map(({ timestamp }) => timestamp)).toEqual([0, 3_000, 6_000, 9_000, 12_000, 15_000]);
  });

  test('asked for a key frame, it goes on at the next that it has', () => {
    const recording = parseIvf(ivf([KEY, DELTA, DELTA, KEY, DELTA]), 'a.ivf');
    const source = new RecordedSource({ recording, packetBytes: 1_200, startShare: 0 });
    source.next();
    source.askKeyFrame();
    expect([source.next().keyFrame, source.next().keyFrame]).toEqual([true, false]);
    source.askKeyFrame();
    expect(source.next().keyFrame).toBe(true);
  });

  test('a file that was cut off is played as far as it goes', () => {
    const whole = ivf([KEY, DELTA, DELTA]);
    expect(parseIvf(whole.subarray(0, whole.length - 2), 'a.ivf').frames).toHaveLength(2);
  });

  test('Opus packets of an Ogg file are found, over pieces of 255 bytes too, and last as they say', () => {
    const celt20 = Buffer.alloc(300, 0xf8);
    const silk60 = Buffer.from([0x18, 1, 2]);
    const recording = parseOggOpus(ogg(Buffer.from('OpusHead'), Buffer.from('OpusTags'), celt20, silk60), 'a.opus');
    expect(recording.frames.map(({ data, ticks }) => [data.length, ticks])).toEqual([
      [300, 960],
      [3, 2_880],
    ]);
    expect(opusTicks(Buffer.from([0xf9]))).toBe(1_920);
  });

  test('other files are refused by name', () => {
    expect(() => parseIvf(Buffer.from('RIFF'), 'a.wav')).toThrow('a.wav: not an IVF file');
    expect(() => parseIvf(ivf([KEY, DELTA], 'AV01'), 'a.ivf')).toThrow('only VP8');
    expect(() => parseIvf(ivf([DELTA, DELTA]), 'a.ivf')).toThrow('does not begin with a key frame');
    expect(() => parseOggOpus(ogg(Buffer.from('vorbis')), 'a.ogg')).toThrow('not an Ogg file with Opus');
  });
});
