import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import type { DataProducerId, LinkId, SrtpParameters } from '@meridian/protocol';

/*
 * mediasoup protects RTP and RTCP on a pipe (SRTP) but not SCTP: there is no DTLS below it. So that data
 * messages are no weaker on the way between nodes, they cross sealed with AES-256-GCM (NIST SP 800-38D)
 * under a key that both ends derive (HKDF-SHA-256, RFC 5869) from the origin's SRTP key, which is drawn
 * anew for every pipe and travels only on the node bus.
 *
 * frame = counter (8 bytes, big endian) | ciphertext of (ppid, 4 bytes | message) | tag (16 bytes)
 */
const CIPHER = 'aes-256-gcm';
const COUNTER_BYTES = 8;
const NONCE_BYTES = 12;
const PPID_BYTES = 4;
const TAG_BYTES = 16;

/** How much longer a sealed message is than the message, bytes. */
export const SEAL_BYTES = COUNTER_BYTES + PPID_BYTES + TAG_BYTES;

export interface DataMessage {
  readonly message: Buffer;
  /** SCTP payload protocol identifier: tells text from binary (RFC 8831, 8). */
  readonly ppid: number;
}

/** The key of one direction of one link. `origin` are the SRTP parameters of the end that sends. */
export function sealingKey(linkId: LinkId, origin: SrtpParameters): Buffer {
  const secret = Buffer.from(origin.keyBase64, 'base64');
  return Buffer.from(hkdfSync('sha256', secret, linkId, 'meridian relay data, aes-256-gcm', 32));
}

const nonceOf = (counter: Buffer): Buffer => Buffer.concat([Buffer.alloc(NONCE_BYTES - COUNTER_BYTES), counter]);

/** The sending end. One per link, so that no counter comes twice under its key. */
export class Sealer {
  readonly #key: Buffer;
  #counter = 0n;

  constructor(key: Buffer) {
    this.#key = key;
  }

  seal(dataProducerId: DataProducerId, { message, ppid }: DataMessage): Buffer {
    const counter = Buffer.alloc(COUNTER_BYTES);
    counter.writeBigUInt64BE(this.#counter++);
    const cipher = createCipheriv(CIPHER, this.#key, nonceOf(counter), { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(dataProducerId));
    const head = Buffer.alloc(PPID_BYTES);
    head.writeUInt32BE(ppid);
    return Buffer.concat([counter, cipher.update(head), cipher.update(message), cipher.final(), cipher.getAuthTag()]);
  }
}

/** The receiving end of one data producer's messages. */
export class Unsealer {
  readonly #key: Buffer;
  readonly #dataProducerId: DataProducerId;
  readonly #seen = new ReplayWindow();

  constructor(key: Buffer, dataProducerId: DataProducerId) {
    this.#key = key;
    this.#dataProducerId = dataProducerId;
  }

  /** The message; undefined when it was tampered with, belongs to another producer, or came before. */
  open(frame: Buffer): DataMessage | undefined {
    if (frame.length < SEAL_BYTES) return undefined;
    const counter = frame.subarray(0, COUNTER_BYTES);
    const decipher = createDecipheriv(CIPHER, this.#key, nonceOf(counter), { authTagLength: TAG_BYTES });
    decipher.setAAD(Buffer.from(this.#dataProducerId));
    decipher.setAuthTag(frame.subarray(-TAG_BYTES));
    const plain = decipher.update(frame.subarray(COUNTER_BYTES, -TAG_BYTES));
    try {
      decipher.final();
    } catch {
      return undefined;
    }
    if (!this.#seen.accept(counter.readBigUInt64BE())) return undefined;
    return { ppid: plain.readUInt32BE(0), message: plain.subarray(PPID_BYTES) };
  }
}

const WINDOW = 1_024n;

/** Which counters came already; those that are further back than the window count as seen (RFC 4303, 3.4.3). */
export class ReplayWindow {
  readonly #seen = new Set<bigint>();
  #highest = -1n;

  /** @returns false when the counter came before. */
  accept(counter: bigint): boolean {
    if (counter <= this.#highest - WINDOW || this.#seen.has(counter)) return false;
    this.#seen.add(counter);
    if (counter > this.#highest) this.#highest = counter;
    if (this.#seen.size > 2 * Number(WINDOW)) {
      for (const old of this.#seen) if (old <= this.#highest - WINDOW) this.#seen.delete(old);
    }
    return true;
  }
}
