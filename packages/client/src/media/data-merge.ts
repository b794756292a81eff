import type { DataProducerId } from '@meridian/protocol';
import type { DataMessage } from './receiver.ts';

/** What came from one channel over both ways since the second one is there. */
interface Logs {
  readonly old: DataMessage[];
  readonly next: DataMessage[];
}

/**
 * During a move the same channels are heard over two nodes. The old way counts until `cut`; what the new one
 * brought is compared with it then, so that no message is passed on twice and none is missing.
 */
export class DataMerge {
  readonly #deliver: (message: DataMessage) => void;
  readonly #logs = new Map<DataProducerId, Logs>();
  /** Messages of the old way that the new one is still going to repeat. */
  readonly #repeats = new Map<DataProducerId, DataMessage[]>();
  #merging = false;

  constructor(deliver: (message: DataMessage) => void) {
    this.#deliver = deliver;
  }

  /** From now on there are two ways. */
  begin(): void {
    this.#logs.clear();
    this.#repeats.clear();
    this.#merging = true;
  }

  fromOld(message: DataMessage, from: DataProducerId): void {
    if (!this.#merging) return;
    this.#logsOf(from).old.push(message);
    this.#deliver(message);
  }

  /** Also where there is but one way. */
  fromNew(message: DataMessage, from: DataProducerId): void {
    if (this.#merging) {
      this.#logsOf(from).next.push(message);
      return;
    }
    const repeats = this.#repeats.get(from);
    const [expected, ...rest] = repeats ?? [];
    if (expected === undefined) {
      this.#deliver(message);
      return;
    }
    if (rest.length === 0 || !samePayload(expected, message)) this.#repeats.delete(from);
    else this.#repeats.set(from, rest);
    if (!samePayload(expected, message)) this.#deliver(message);
  }

  /** The new way failed: the old one is the only one again. */
  cancel(): void {
    this.#merging = false;
    this.#logs.clear();
  }

  /** The new way counts from now on. What only it has brought is delivered; the old one is not listened to any more. */
  cut(): void {
    if (!this.#merging) return;
    this.#merging = false;
    for (const [from, { old, next }] of this.#logs) {
      const { fresh, repeats } = joinLogs(old, next);
      if (repeats.length > 0) this.#repeats.set(from, [...repeats]);
      for (const message of fresh) this.#deliver(message);
    }
    this.#logs.clear();
  }

  #logsOf(from: DataProducerId): Logs {
    const known = this.#logs.get(from);
    if (known !== undefined) return known;
    const logs: Logs = { old: [], next: [] };
    this.#logs.set(from, logs);
    return logs;
  }
}

/**
 * Where the log of the new way fits to that of the old one. Both are parts of one ordered sequence; the new one began
 * later. Either may have come further by now.
 * @returns `fresh`: what only the new way has; `repeats`: what it is still going to bring though the old one had it
 */
export function joinLogs(
  old: readonly DataMessage[],
  next: readonly DataMessage[],
): { fresh: readonly DataMessage[]; repeats: readonly DataMessage[] } {
  if (next.length === 0) return { fresh: [], repeats: [] };
  // Both at the same point, as they are when nothing is on its way; else the smallest difference that fits.
  for (let apart = 0; apart < old.length + next.length; apart += 1) {
    const ahead = next.slice(0, next.length - apart);
    if (apart < next.length && ahead.length <= old.length && endsWith(old, ahead)) {
      return { fresh: next.slice(next.length - apart), repeats: [] };
    }
    const reached = old.slice(0, old.length - apart);
    if (apart > 0 && apart <= old.length && next.length <= reached.length && endsWith(reached, next)) {
      return { fresh: [], repeats: old.slice(old.length - apart) };
    }
  }
  return { fresh: next, repeats: [] };
}

const endsWith = (log: readonly DataMessage[], end: readonly DataMessage[]): boolean =>
  end.every((message, index) => {
    const other = log[log.length - end.length + index];
    return other !== undefined && samePayload(message, other);
  });

function samePayload(a: DataMessage, b: DataMessage): boolean {
  if (typeof a.payload === 'string' || typeof b.payload === 'string') return a.payload === b.payload;
  if (a.payload.byteLength !== b.payload.byteLength) return false;
  const [left, right] = [new Uint8Array(a.payload), new Uint8Array(b.payload)];
  return left.every((byte, index) => byte === right[index]);
}
