import type { ChatOutbox } from '@meridian/cluster';
import type { Messages } from '@meridian/store';

export interface ChatKeeperOptions {
  readonly outbox: ChatOutbox;
  readonly messages: Messages;
  /** Name of this instance among the readers of the queue. */
  readonly consumer: string;
  readonly onKept: (lines: number) => void;
  /** The queue cannot be read at all; the keeper has stopped. */
  readonly onFailed: (cause: unknown) => void;
}

/**
 * Moves chat lines from the queue in Redis into the store: in order and at least once (the store leaves
 * a line with a known id as it is). While the store is away the lines wait in the queue.
 */
export class ChatKeeper {
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor({ outbox, messages, consumer, onKept, onFailed }: ChatKeeperOptions) {
    const keep = async (lines: Parameters<Messages['keep']>[0]) => {
      await messages.keep(lines);
      onKept(lines.length);
    };
    this.#running = outbox.drain(keep, { consumer, signal: this.#stop.signal }).catch((cause: unknown) => {
      if (!this.#stop.signal.aborted) onFailed(cause);
    });
  }

  /** Idempotent. Resolves once nothing is being written any more. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }
}
