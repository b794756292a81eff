/** One frame of a stream, cut into the payloads of its RTP packets. */
export interface MediaFrame {
  readonly payloads: readonly Buffer[];
  /** On the stream's RTP clock, from 0 on; not wrapped. */
  readonly timestamp: number;
  /** Until the next frame is due. */
  readonly durationMs: number;
  readonly keyFrame: boolean;
}

/** Makes the frames of one stream, one after the other, without an end. */
export interface FrameSource {
  next(): MediaFrame;
  /** Somebody who receives it needs a key frame: the next frame is one. */
  askKeyFrame(): void;
}

/** RTP header of 12 bytes (RFC 3550, 5.1) and the extension block with the capture time. */
export const RTP_OVERHEAD_BYTES = 28;

/** VP8's payload descriptor (RFC 7741, 4.2): start of a partition, or its continuation. */
const START = Buffer.from([0x10]);
const CONTINUATION = Buffer.from([0x00]);

/** Cuts a VP8 frame into payloads of at most `mostBytes`, descriptor included. */
export function vp8Payloads(frame: Buffer, mostBytes: number): Buffer[] {
  const payloads: Buffer[] = [];
  for (let at = 0; at < frame.length; at += mostBytes - 1) {
    payloads.push(Buffer.concat([at === 0 ? START : CONTINUATION, frame.subarray(at, at + mostBytes - 1)]));
  }
  return payloads;
}

/** RFC 6386, 9.1: the first bit of the frame's tag is 0 in a key frame. */
export const isKeyFrame = (frame: Buffer): boolean => frame.length > 0 && (frame.readUInt8(0) & 1) === 0;
