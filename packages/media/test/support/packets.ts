/** RTP, as against RTCP and SCTP (RFC 7983, 7; RFC 5761, 4). */
export function isRtp(packet: Buffer): boolean {
  const first = packet.readUInt8(0);
  const type = packet.readUInt8(1) & 0x7f;
  return first >= 128 && first < 192 && !(type >= 64 && type < 96);
}

/** Gives a SCTP packet the checksum that fits its content (RFC 9260, appendix A). */
export function mendSctp(packet: Buffer): Buffer {
  packet.writeUInt32LE(0, 8);
  packet.writeUInt32LE(crc32c(packet), 8);
  return packet;
}

function crc32c(bytes: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}
