import type { DatagramObserver } from './drivers/datagram-path.ts';
import type { DropReason } from './model/link-model.ts';

/** What a trace keeps of each datagram that came through, four numbers in a row. */
export const TRACE_FIELDS = 4;
/** A trace stops growing here: 2^20 datagrams, 32 MB. */
const MOST = 1 << 20;

/**
 * Notes for each datagram its tag (its first four bytes as a number; a probe's sequence number), when the emulator
 * read it, how long the links' models said it should take, and how late it was then sent, all in milliseconds.
 */
export class DatagramTrace implements DatagramObserver {
  readonly #rows: number[] = [];
  readonly #drops: { tag: number; reason: DropReason }[] = [];

  delivered(payload: Buffer, arrivedMs: number, dueMs: number, sentMs: number): void {
    if (payload.length < 4 || this.#rows.length >= MOST * TRACE_FIELDS) return;
    this.#rows.push(payload.readUInt32BE(0), arrivedMs, dueMs - arrivedMs, sentMs - dueMs);
  }

  dropped(payload: Buffer, _arrivedMs: number, reason: DropReason): void {
    if (payload.length < 4 || this.#drops.length >= MOST) return;
    this.#drops.push({ tag: payload.readUInt32BE(0), reason });
  }

  read(): { rows: Float64Array<ArrayBuffer>; drops: { tag: number; reason: DropReason }[] } {
    return { rows: Float64Array.from(this.#rows), drops: [...this.#drops] };
  }
}
