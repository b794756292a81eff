/** What has come of one stream: packets by their sequence numbers (RFC 3550, appendix A), before any repair. */
export class Reception {
  #first: number | undefined;
  /** Extended by the number of wraps. */
  #highest = 0;
  #received = 0;
  #bytes = 0;
  #headerBytes = 0;

  /** @param bytes of the whole packet, of which `headerBytes` are RTP's header with its extensions */
  packet(sequence: number, bytes: number, headerBytes = 0): void {
    this.#bytes += bytes;
    this.#headerBytes += headerBytes;
    this.#received += 1;
    if (this.#first === undefined) {
      this.#first = sequence;
      this.#highest = sequence;
      return;
    }
    // The nearest of all numbers that end like this; a late one is below the highest.
    const ahead = ((sequence - this.#highest + 0x8000) & 0xffff) - 0x8000;
    if (ahead > 0) this.#highest += ahead;
    else if (this.#highest + ahead < this.#first) this.#first = this.#highest + ahead;
  }

  get received(): number {
    return this.#received;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get headerBytes(): number {
    return this.#headerBytes;
  }

  /** Packets between the first and the highest number that came, both included. */
  get expected(): number {
    return this.#first === undefined ? 0 : this.#highest - this.#first + 1;
  }
}

/** Interarrival jitter of one stream (RFC 3550, 6.4.1 and appendix A.8). */
export class Jitter {
  readonly #clockRate: number;
  #before: { readonly timestamp: number; readonly atMs: number } | undefined;
  #jitterMs = 0;

  constructor(clockRate: number) {
    this.#clockRate = clockRate;
  }

  /** @param timestamp of RTP, wrapping at 32 bits */
  packet(timestamp: number, atMs: number): void {
    const before = this.#before;
    this.#before = { timestamp, atMs };
    if (before === undefined) return;
    const sentMs = (((timestamp - before.timestamp) | 0) * 1_000) / this.#clockRate;
    this.#jitterMs += (Math.abs(atMs - before.atMs - sentMs) - this.#jitterMs) / 16;
  }

  get ms(): number {
    return this.#jitterMs;
  }
}
