import { type FrameSource, type MediaFrame, RTP_OVERHEAD_BYTES, vp8Payloads } from './frame.ts';

export interface VideoSettings {
  /** Of the RTP packets, headers included; 1 kbps is 1,000 bit/s. */
  readonly kbps: number;
  readonly fps: number;
  /** Largest RTP packet, bytes. */
  readonly packetBytes: number;
  readonly keyFrameEveryS: number;
}

/** A key frame is so many times as large as an ordinary one, which is about what a camera gives. */
const KEY_FRAME_RATIO = 4;
/** What a key frame took too much is saved by the frames after it, each this share of its size at most. */
const SAVED_SHARE = 0.25;
const LEAST_FRAME_BYTES = 12;

/** The head of a VP8 frame (RFC 6386, 9.1), 640 x 480; what follows is noise to everybody but a decoder. */
const KEY_HEAD = Buffer.from([0x50, 0x42, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01]);
const DELTA_HEAD = Buffer.from([0x51, 0x42, 0x00]);

/** Looks like a camera in VP8 to everybody who does not decode it: frames, key frames, bit rate. */
export class GeneratedVideo implements FrameSource {
  readonly #settings: VideoSettings;
  #count = 0;
  #sinceKeyFrame = 0;
  #asked = true;
  #debtBytes = 0;

  constructor(settings: VideoSettings) {
    this.#settings = settings;
  }

  askKeyFrame(): void {
    this.#asked = true;
  }

  next(): MediaFrame {
    const { kbps, fps, packetBytes, keyFrameEveryS } = this.#settings;
    const keyFrame = this.#asked || this.#sinceKeyFrame >= keyFrameEveryS * fps;
    this.#asked = false;
    this.#sinceKeyFrame = keyFrame ? 1 : this.#sinceKeyFrame + 1;
    const usual = (kbps * 1_000) / 8 / fps;
    const wanted = keyFrame ? usual * KEY_FRAME_RATIO : usual - Math.min(this.#debtBytes, usual * SAVED_SHARE);
    const mostPayload = packetBytes - RTP_OVERHEAD_BYTES;
    const packets = Math.max(1, Math.ceil(wanted / packetBytes));
    const bytes = Math.max(LEAST_FRAME_BYTES, Math.round(wanted) - packets * (RTP_OVERHEAD_BYTES + 1));
    const frame = Buffer.alloc(bytes, this.#count & 0xff);
    (keyFrame ? KEY_HEAD : DELTA_HEAD).copy(frame);
    const payloads = vp8Payloads(frame, mostPayload);
    const took = payloads.reduce((sum, payload) => sum + payload.length + RTP_OVERHEAD_BYTES, 0);
    this.#debtBytes += took - usual;
    const timestamp = Math.round((this.#count++ * 90_000) / fps);
    return { payloads, timestamp, durationMs: 1_000 / fps, keyFrame };
  }
}

export interface AudioSettings {
  /** Of the RTP packets, headers included. */
  readonly kbps: number;
}

/** Opus's usual frame. */
const AUDIO_MS = 20;

/** Packets of opus's rhythm and size. */
export class GeneratedAudio implements FrameSource {
  readonly #payload: Buffer;
  #count = 0;

  constructor({ kbps }: AudioSettings) {
    this.#payload = Buffer.alloc(Math.max(1, Math.round((kbps * AUDIO_MS) / 8) - RTP_OVERHEAD_BYTES), 0x78);
  }

  askKeyFrame(): void {
    // Sound has none.
  }

  next(): MediaFrame {
    const timestamp = this.#count++ * AUDIO_MS * 48;
    return { payloads: [this.#payload], timestamp, durationMs: AUDIO_MS, keyFrame: false };
  }
}
