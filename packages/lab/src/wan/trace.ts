import type { DatagramObserver } from './drivers/datagram-path.ts';
import type { DropReason } from './model/link-model.ts';

/** What a trace keeps of each datagram that came through, four numbers in a row. */
export const TRACE_FIELDS = 4;
/** A trace stops growing here: 2^20 datagrams, 32 MB. */
const MOST = 1 << 20;
/** It grows by so many rows (128 KB): an array that grew by itself would be copied meanwhile, in the thread that is measured. */
const CHUNK = 1 << 12;

/**
 * Notes for each datagram its tag (its first four bytes as a number; a probe's sequence number), when the emulator
 * read it, how long the links' models said it should take, and how late it was then sent, all in milliseconds.
 */
export class DatagramTrace implements DatagramObserver {
  readonly #chunks: Float64Array[] = [];
  #rows = 0;
  readonly #drops: { tag: number; reason: DropReason }[] = [];

  delivered(payload: Buffer, arrivedMs: number, dueMs: number, sentMs: number): void {
    if (payload.length < 4 || this.#rows >= MOST) return;
    const place = (this.#rows % CHUNK) * TRACE_FIELDS;
    if (place === 0) this.#chunks.push(new Float64Array(CHUNK * TRACE_FIELDS));
    const chunk = this.#chunks.at(-1);
    if (chunk === undefined) return;
    chunk[place] = payload.readUInt32BE(0);
    chunk[place + 1] = arrivedMs;
    chunk[place + 2] = dueMs - arrivedMs;
    chunk[place + 3] = sentMs - dueMs;
    this.#rows += 1;
  }

  dropped(payload: Buffer, _arrivedMs: number, reason: DropReason): void {
    if (payload.length < 4 || this.#drops.length >= MOST) return;
    this.#drops.push({ tag: payload.readUInt32BE(0), reason });
  }

  read(): { rows: Float64Array<ArrayBuffer>; drops: { tag: number; reason: DropReason }[] } {
    const rows = new Float64Array(this.#rows * TRACE_FIELDS);
    for (const [index, chunk] of this.#chunks.entries()) {
      const start = index * chunk.length;
      rows.set(chunk.subarray(0, Math.min(chunk.length, rows.length - start)), start);
    }
    return { rows, drops: [...this.#drops] };
  }
}
