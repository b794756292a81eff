/** One RTP packet as RFC 3550, 5.1 lays it out. */
export function rtpPacket(fields: {
  payloadType: number;
  sequence: number;
  timestamp: number;
  ssrc: number;
  marker?: boolean;
  /** One-byte header extensions (RFC 8285), by id. */
  extensions?: ReadonlyMap<number, Buffer>;
  payload: Buffer;
}): Buffer {
  const header = Buffer.alloc(12);
  header[0] = 0x80 | (fields.extensions?.size ? 0x10 : 0);
  header[1] = (fields.marker ? 0x80 : 0) | fields.payloadType;
  header.writeUInt16BE(fields.sequence & 0xffff, 2);
  header.writeUInt32BE(fields.timestamp >>> 0, 4);
  header.writeUInt32BE(fields.ssrc >>> 0, 8);
  return Buffer.concat([header, extensionBlock(fields.extensions), fields.payload]);
}

function extensionBlock(extensions: ReadonlyMap<number, Buffer> | undefined): Buffer {
  if (!extensions?.size) return Buffer.alloc(0);
  const elements = Buffer.concat(
    [...extensions].map(([id, value]) => Buffer.concat([Buffer.from([(id << 4) | (value.length - 1)]), value])),
  );
  const words = Math.ceil(elements.length / 4);
  const block = Buffer.alloc(4 + words * 4);
  block.writeUInt16BE(0xbede, 0);
  block.writeUInt16BE(words, 2);
  elements.copy(block, 4);
  return block;
}

/** The payload behind header, CSRCs and extensions. */
export function rtpPayload(packet: Buffer): Buffer {
  const csrcs = packet.readUInt8(0) & 0x0f;
  let at = 12 + csrcs * 4;
  if (packet.readUInt8(0) & 0x10) at += 4 + packet.readUInt16BE(at + 2) * 4;
  return packet.subarray(at);
}

export const rtpSequence = (packet: Buffer): number => packet.readUInt16BE(2);

/** A VP8 packet: payload descriptor (RFC 7741, 4.2) without extensions, frame header, then the text. */
export function vp8Payload(options: { keyFrame: boolean; text: string }): Buffer {
  const descriptor = Buffer.from([0x10]);
  const head = options.keyFrame
    ? Buffer.from([0x50, 0x42, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00])
    : Buffer.from([0x51, 0x42, 0x00]);
  return Buffer.concat([descriptor, head, Buffer.from(options.text)]);
}

/** Of a payload that `vp8Payload` made: the frame header's first bit is 0 in a key frame (RFC 6386, 9.1). */
export const isVp8KeyFrame = (payload: Buffer | undefined): boolean =>
  payload !== undefined && (payload.readUInt8(1) & 1) === 0;

/** Does this RTCP packet (perhaps compound) hold a picture loss indication (RFC 4585, 6.3.1)? */
export function holdsPli(rtcp: Buffer): boolean {
  for (let at = 0; at + 4 <= rtcp.length; at += 4 + rtcp.readUInt16BE(at + 2) * 4) {
    if (rtcp.readUInt8(at + 1) === 206 && (rtcp.readUInt8(at) & 0x1f) === 1) return true;
  }
  return false;
}
