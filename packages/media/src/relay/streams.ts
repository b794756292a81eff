import { MeridianError } from '@meridian/protocol';

/** Something that runs over a relay link and can be taken off it. */
export interface Stream {
  close(): void;
}

interface Running<T> {
  readonly opened: Promise<T>;
  /** Set as soon as it is open. */
  stream?: T;
  /** Taken off or ended, perhaps while it was being opened. */
  gone: boolean;
}

/** The streams of one kind on a relay end, by the id of their producer. Opening is single flight. */
export class Streams<Id, T extends Stream> {
  readonly #running = new Map<Id, Running<T>>();
  /** Taken off while they were being opened: the same id waits until that is over. */
  readonly #leftovers = new Map<Id, Promise<unknown>>();
  readonly #assertOpen: () => void;

  /** @param assertOpen throws when the relay end is closed. */
  constructor(assertOpen: () => void) {
    this.#assertOpen = assertOpen;
  }

  get ids(): Id[] {
    return [...this.#running.keys()];
  }

  /** Those that are open. */
  get all(): T[] {
    return [...this.#running.values()].flatMap(({ stream }) => (stream === undefined ? [] : [stream]));
  }

  get(id: Id): Promise<T> | undefined {
    return this.#running.get(id)?.opened;
  }

  /**
   * The stream of this id, or a new one by `open`; an attempt that fails is forgotten.
   * @throws MeridianError `closed`, or `producer-not-found` when it was taken off meanwhile
   */
  ensure(id: Id, open: () => Promise<T>): Promise<T> {
    const existing = this.#running.get(id);
    if (existing !== undefined) return existing.opened;
    const leftover = this.#leftovers.get(id);
    const opening = leftover === undefined ? open() : leftover.then(open, open);
    const running: Running<T> = {
      gone: false,
      opened: opening.then(
        (stream) => this.#keep(running, stream),
        (thrown: unknown) => {
          if (this.#running.get(id) === running) this.#running.delete(id);
          this.#assertOpen();
          throw thrown;
        },
      ),
    };
    this.#running.set(id, running);
    return running.opened;
  }

  /** Closes a stream. Unknown ids are ignored. */
  take(id: Id): void {
    const running = this.#running.get(id);
    if (running === undefined) return;
    this.#running.delete(id);
    running.gone = true;
    if (running.stream !== undefined) {
      running.stream.close();
      return;
    }
    const leftover = running.opened
      .catch(() => {})
      .finally(() => {
        if (this.#leftovers.get(id) === leftover) this.#leftovers.delete(id);
      });
    this.#leftovers.set(id, leftover);
  }

  takeAll(): void {
    for (const id of this.ids) this.take(id);
  }

  /** A stream ended by itself. @returns false when it had been taken off before. */
  ended(id: Id, stream: T): boolean {
    const running = this.#running.get(id);
    if (running === undefined || (running.stream !== undefined && running.stream !== stream)) return false;
    running.gone = true;
    this.#running.delete(id);
    return true;
  }

  #keep(running: Running<T>, stream: T): T {
    if (!running.gone) {
      running.stream = stream;
      return stream;
    }
    stream.close();
    this.#assertOpen();
    throw new MeridianError('producer-not-found');
  }
}
