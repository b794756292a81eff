/** Seconds between the epochs of NTP (1900) and Unix (1970). */
export const NTP_OFFSET_S = 2_208_988_800;
const TWO_32 = 2 ** 32;

export const CAPTURE_TIME_URI = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time';
export const CAPTURE_TIME_ID = 10;

function writeNtp(buffer: Buffer, at: number, wallMs: number): void {
  const seconds = Math.floor(wallMs / 1_000);
  buffer.writeUInt32BE((seconds + NTP_OFFSET_S) >>> 0, at);
  buffer.writeUInt32BE(Math.floor(((wallMs - seconds * 1_000) / 1_000) * TWO_32) >>> 0, at + 4);
}

/** Writes the packets of one stream: sequence numbers, timestamps from an offset of its own, and when each was sent. */
export class RtpWriter {
  readonly ssrc: number;
  readonly #payloadType: number;
  readonly #timestampOffset: number;
  #sequence: number;
  #packets = 0;
  #payloadBytes = 0;

  /** @param random in [0, 1) */
  constructor(options: { ssrc: number; payloadType: number; random: () => number }) {
    this.ssrc = options.ssrc;
    this.#payloadType = options.payloadType;
    this.#timestampOffset = Math.floor(options.random() * TWO_32);
    this.#sequence = Math.floor(options.random() * 0x7fff);
  }

  /** @param wallMs when it is sent; travels along as the absolute capture time */
  packet(payload: Buffer, timestamp: number, marker: boolean, wallMs: number): Buffer {
    const packet = Buffer.allocUnsafe(28 + payload.length);
    packet[0] = 0x90;
    packet[1] = (marker ? 0x80 : 0) | this.#payloadType;
    packet.writeUInt16BE(this.#sequence, 2);
    packet.writeUInt32BE(this.#wrapped(timestamp), 4);
    packet.writeUInt32BE(this.ssrc, 8);
    // One-byte header extensions (RFC 8285), three words: head, eight bytes, padding.
    packet.writeUInt32BE(0xbede_0003, 12);
    packet[16] = (CAPTURE_TIME_ID << 4) | 7;
    writeNtp(packet, 17, wallMs);
    packet.fill(0, 25, 28);
    payload.copy(packet, 28);
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#packets += 1;
    this.#payloadBytes += payload.length;
    return packet;
  }

  /** An RTCP sender report (RFC 3550, 6.4.1): the timestamp that belongs to a time. */
  senderReport(timestamp: number, wallMs: number): Buffer {
    const report = Buffer.alloc(28);
    report.writeUInt32BE(0x80c8_0006, 0);
    report.writeUInt32BE(this.ssrc, 4);
    writeNtp(report, 8, wallMs);
    report.writeUInt32BE(this.#wrapped(timestamp), 16);
    report.writeUInt32BE(this.#packets % TWO_32, 20);
    report.writeUInt32BE(this.#payloadBytes % TWO_32, 24);
    return report;
  }

  #wrapped(timestamp: number): number {
    return (timestamp + this.#timestampOffset) % TWO_32;
  }
}

/** When a packet was sent, milliseconds of Unix time, by its header extension of that id; undefined where it has none. */
export function captureTimeOf(packet: Buffer, id: number): number | undefined {
  if (packet.length < 16 || (packet.readUInt8(0) & 0x10) === 0) return undefined;
  const block = 12 + (packet.readUInt8(0) & 0x0f) * 4;
  if (packet.length < block + 4) return undefined;
  const oneByte = packet.readUInt16BE(block) === 0xbede;
  const end = Math.min(packet.length, block + 4 + packet.readUInt16BE(block + 2) * 4);
  for (let at = block + 4; at < end; ) {
    const first = packet.readUInt8(at);
    if (first === 0) {
      at += 1;
      continue;
    }
    const found = oneByte ? first >> 4 : first;
    const length = oneByte ? (first & 0x0f) + 1 : at + 1 < end ? packet.readUInt8(at + 1) : 0;
    const value = at + (oneByte ? 1 : 2);
    if (found === id && length >= 8 && value + 8 <= end) {
      const seconds = packet.readUInt32BE(value) - NTP_OFFSET_S;
      return seconds * 1_000 + (packet.readUInt32BE(value + 4) / TWO_32) * 1_000;
    }
    at = value + length;
  }
  return undefined;
}
