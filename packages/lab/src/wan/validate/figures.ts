import { UDP_HEADERS } from '../drivers/datagram-path.ts';

/** A steady stream of datagrams. */
export interface Load {
  readonly label: string;
  readonly packetsPerS: number;
  readonly payloadBytes: number;
  readonly count: number;
}

/** The load that takes so many bits per second of a link. */
export const loadOfBits = (bitsPerS: number, payloadBytes: number, seconds: number): Load => {
  const packetsPerS = bitsPerS / 8 / (payloadBytes + UDP_HEADERS);
  return { label: megabits(bitsPerS), packetsPerS, payloadBytes, count: Math.round(packetsPerS * seconds) };
};

export const loadOfPackets = (packetsPerS: number, payloadBytes: number, seconds: number): Load => ({
  label: `${packetsPerS.toLocaleString('en')}/s`,
  packetsPerS,
  payloadBytes,
  count: Math.round(packetsPerS * seconds),
});

export const megabits = (bitsPerS: number): string => `${Number((bitsPerS / 1e6).toPrecision(4))} Mbit/s`;
export const bitsOf = (load: Load): number => load.packetsPerS * 8 * (load.payloadBytes + UDP_HEADERS);

/** What a probe found of a link, in milliseconds, ratios and bits per second (with IP and UDP headers). */
export interface Figures {
  readonly delayMs: number;
  /** Standard deviation of the one-way delay. */
  readonly jitterMs: number;
  readonly loss: number;
  readonly rateBps: number;
}

export interface Passage {
  readonly sentMs: number;
  /** NaN: never. */
  readonly receivedMs: number;
}

/** The figures of one probe. `load` gives the size of its packets. */
export function figuresOf(passages: readonly Passage[], load: Load): Figures {
  const received = passages.filter((passage) => !Number.isNaN(passage.receivedMs));
  const delays = received.map((passage) => passage.receivedMs - passage.sentMs);
  const arrivals = received.map((passage) => passage.receivedMs);
  const spanMs = greatest(arrivals) - least(arrivals);
  return {
    delayMs: mean(delays),
    jitterMs: deviation(delays),
    loss: passages.length === 0 ? Number.NaN : 1 - received.length / passages.length,
    // The first arrival opens the span, so its bits are not of it.
    rateBps: ((received.length - 1) * 8_000 * (load.payloadBytes + UDP_HEADERS)) / spanMs,
  };
}

// Not Math.min(...values): a probe has more values than a call may have arguments.
const least = (values: readonly number[]): number => values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
const greatest = (values: readonly number[]): number =>
  values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

export function deviation(values: readonly number[]): number {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
}
