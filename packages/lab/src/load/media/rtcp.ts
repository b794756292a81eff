import { NTP_OFFSET_S } from './rtp.ts';

const SENDER_REPORT = 200;
const RECEIVER_REPORT = 201;
const BLOCK_BYTES = 24;
const TWO_32 = 2 ** 32;

/** The middle 32 bits of an NTP time: units of 1/65,536 s. */
const shortNtp = (wallMs: number): number => Math.round((wallMs / 1_000 + NTP_OFFSET_S) * 65_536) % TWO_32;

/**
 * Round trip by a report about our stream in RTCP (perhaps compound), ms: RFC 3550, 6.4.1. Undefined where it holds none, or none
 * that answers a sender report.
 */
export function roundTripIn(rtcp: Buffer, ssrc: number, nowMs: number): number | undefined {
  for (let at = 0; at + 4 <= rtcp.length; ) {
    const end = at + 4 + rtcp.readUInt16BE(at + 2) * 4;
    if (end > rtcp.length) return undefined;
    const type = rtcp.readUInt8(at + 1);
    const blocksAt = type === SENDER_REPORT ? at + 28 : type === RECEIVER_REPORT ? at + 8 : end;
    for (let block = blocksAt; block + BLOCK_BYTES <= end; block += BLOCK_BYTES) {
      const last = rtcp.readUInt32BE(block + 16);
      if (rtcp.readUInt32BE(block) !== ssrc || last === 0) continue;
      const units = (shortNtp(nowMs) - last - rtcp.readUInt32BE(block + 20) + 2 * TWO_32) % TWO_32;
      // A little below zero, by rounding, is nothing.
      return units > TWO_32 / 2 ? 0 : (units * 1_000) / 65_536;
    }
    at = end;
  }
  return undefined;
}
