/** What has come of one stream: packets by their sequence numbers (RFC 3550, appendix A), before any repair. */
export class Reception {
  #first: number | undefined;
  /** Extended by the number of wraps. */
  #highest = 0;
  #received = 0;
  #bytes = 0;

  packet(sequence: number, bytes: number): void {
    this.#bytes += bytes;
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

  /** Packets between the first and the highest number that came, both included. */
  get expected(): number {
    return this.#first === undefined ? 0 : this.#highest - this.#first + 1;
  }
}
