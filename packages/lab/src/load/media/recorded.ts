import { readFile } from 'node:fs/promises';
import { MeridianError } from '@meridian/protocol';
import { type FrameSource, isKeyFrame, type MediaFrame, RTP_OVERHEAD_BYTES, vp8Payloads } from './frame.ts';

interface Recorded {
  readonly data: Buffer;
  /** On the stream's RTP clock, until the next frame. */
  readonly ticks: number;
  readonly keyFrame: boolean;
}

export interface Recording {
  readonly clockRate: number;
  readonly frames: readonly Recorded[];
}

/** @throws MeridianError `config-invalid` for what is no VP8 in an IVF file */
export async function readVideo(file: string): Promise<Recording> {
  return parseIvf(await contentOf(file), file);
}

/** @throws MeridianError `config-invalid` for what is no Opus in an Ogg file */
export async function readAudio(file: string): Promise<Recording> {
  return parseOggOpus(await contentOf(file), file);
}

async function contentOf(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new MeridianError('config-invalid', { message: `${file} cannot be read`, cause });
  }
}

const refuse = (file: string, why: string) => new MeridianError('config-invalid', { message: `${file}: ${why}` });

/** IVF: a header of 32 bytes, then frames with a head of 12 (length, time). */
export function parseIvf(content: Buffer, file: string): Recording {
  if (content.length < 32 || content.toString('latin1', 0, 4) !== 'DKIF') throw refuse(file, 'not an IVF file');
  const codec = content.toString('latin1', 8, 12);
  if (codec !== 'VP80') throw refuse(file, `holds ${JSON.stringify(codec)}; only VP8 (VP80) can be sent`);
  const [rate, scale] = [content.readUInt32LE(16), content.readUInt32LE(20)];
  if (rate === 0 || scale === 0) throw refuse(file, 'its time base is zero');
  const found: { data: Buffer; at: number }[] = [];
  for (let at = content.readUInt16LE(6); at + 12 <= content.length; ) {
    const length = content.readUInt32LE(at);
    const time = Number(content.readBigUInt64LE(at + 4));
    const data = content.subarray(at + 12, at + 12 + length);
    // A file that was cut off, or a frame that the encoder left out.
    if (data.length === length && length > 0) found.push({ data, at: Math.round((time * scale * 90_000) / rate) });
    at += 12 + length;
  }
  if (found.length < 2) throw refuse(file, 'holds no two frames');
  const usual = Math.max(1, (found[1]?.at ?? 0) - (found[0]?.at ?? 0));
  const frames = found.map(({ data, at }, index) => ({
    data,
    ticks: Math.max(1, (found[index + 1]?.at ?? at + usual) - at),
    keyFrame: isKeyFrame(data),
  }));
  if (frames[0]?.keyFrame !== true) throw refuse(file, 'does not begin with a key frame');
  return { clockRate: 90_000, frames };
}

/** Ogg pages (RFC 3533) with an Opus stream (RFC 7845): each packet is sent as it is. */
export function parseOggOpus(content: Buffer, file: string): Recording {
  const packets: Buffer[] = [];
  let begun: Buffer[] = [];
  for (let at = 0; at + 27 <= content.length; ) {
    if (content.toString('latin1', at, at + 4) !== 'OggS') throw refuse(file, 'not an Ogg file');
    const count = content.readUInt8(at + 26);
    let dataAt = at + 27 + count;
    for (const length of content.subarray(at + 27, at + 27 + count)) {
      begun.push(content.subarray(dataAt, dataAt + length));
      dataAt += length;
      // A piece of 255 bytes goes on in the next one.
      if (length === 255) continue;
      packets.push(Buffer.concat(begun));
      begun = [];
    }
    at = dataAt;
  }
  if (packets[0]?.toString('latin1', 0, 8) !== 'OpusHead') throw refuse(file, 'not an Ogg file with Opus');
  const frames = packets
    .slice(2)
    .filter((data) => data.length > 0)
    .map((data) => ({ data, ticks: opusTicks(data), keyFrame: false }));
  if (frames.length === 0) throw refuse(file, 'holds no sound');
  return { clockRate: 48_000, frames };
}

const SILK_MS = [10, 20, 40, 60];
const HYBRID_MS = [10, 20];
const CELT_MS = [2.5, 5, 10, 20];

/** How long an Opus packet lasts, in samples of 48 kHz: its first bytes say it (RFC 6716, 3.1). */
export function opusTicks(packet: Buffer): number {
  const toc = packet.readUInt8(0);
  const config = toc >> 3;
  const frameMs = config < 12 ? SILK_MS[config & 3] : config < 16 ? HYBRID_MS[config & 1] : CELT_MS[config & 3];
  const code = toc & 3;
  const frames = code === 0 ? 1 : code < 3 ? 2 : packet.length > 1 ? packet.readUInt8(1) & 0x3f : 0;
  return Math.max(120, (frameMs ?? 20) * 48 * frames);
}

/** Plays a recording again and again, from a place of one's own, so that not everybody sends key frames at once. */
export class RecordedSource implements FrameSource {
  readonly #recording: Recording;
  readonly #mostPayload: number;
  readonly #isVideo: boolean;
  #at: number;
  #timestamp = 0;
  #asked = true;

  /** @param startShare where to begin, 0 to 1 of the recording */
  constructor(options: { recording: Recording; packetBytes: number; startShare: number }) {
    const { recording, packetBytes, startShare } = options;
    this.#recording = recording;
    this.#mostPayload = packetBytes - RTP_OVERHEAD_BYTES;
    this.#isVideo = recording.clockRate === 90_000;
    this.#at = Math.floor(startShare * recording.frames.length) % recording.frames.length;
  }

  askKeyFrame(): void {
    this.#asked = true;
  }

  next(): MediaFrame {
    const { frames, clockRate } = this.#recording;
    if (this.#asked && this.#isVideo) this.#at = this.#nextKeyFrame();
    this.#asked = false;
    const frame = frames[this.#at];
    if (frame === undefined) throw new Error('a recording has at least one frame');
    this.#at = (this.#at + 1) % frames.length;
    const timestamp = this.#timestamp;
    this.#timestamp += frame.ticks;
    return {
      payloads: this.#isVideo ? vp8Payloads(frame.data, this.#mostPayload) : [frame.data],
      timestamp,
      durationMs: (frame.ticks * 1_000) / clockRate,
      keyFrame: frame.keyFrame,
    };
  }

  /** The recording cannot make one: it goes on at the next that it has. */
  #nextKeyFrame(): number {
    const { frames } = this.#recording;
    const later = frames.findIndex(({ keyFrame }, index) => keyFrame && index >= this.#at);
    return later >= 0 ? later : frames.findIndex(({ keyFrame }) => keyFrame);
  }
}
