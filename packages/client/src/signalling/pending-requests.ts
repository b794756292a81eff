import { MeridianError } from '@meridian/protocol';
import { ClientError, isSdkError, type SdkError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';

interface Pending {
  readonly id: number;
  readonly text: string;
  /** Over the WebSocket in use. */
  sent: boolean;
  /** Over this or an earlier one: the node may have worked on it. */
  everSent: boolean;
  readonly settle: (outcome: { data: unknown } | { error: SdkError }) => void;
}

export interface Unsent {
  readonly text: string;
  markSent(): void;
  fail(error: SdkError): void;
}

/** Requests that have no answer yet, by id in the order in which they were made. They outlive a WebSocket. */
export class PendingRequests {
  readonly #runtime: Pick<Runtime, 'after'>;
  readonly #byId = new Map<number, Pending>();

  constructor(runtime: Pick<Runtime, 'after'>) {
    this.#runtime = runtime;
  }

  get size(): number {
    return this.#byId.size;
  }

  /**
   * The answer.
   * @throws MeridianError `deadline-exceeded`; ClientError `aborted`; what it is failed with
   */
  add(request: { id: number; text: string; withinMs: number; signal: AbortSignal | undefined }): Promise<unknown> {
    const { id, text, withinMs, signal } = request;
    return new Promise((resolve, reject) => {
      const settle: Pending['settle'] = (outcome) => {
        if (!this.#byId.delete(id)) return;
        cancel();
        signal?.removeEventListener('abort', onAbort);
        if ('error' in outcome) reject(outcome.error);
        else resolve(outcome.data);
      };
      const onAbort = () => settle({ error: new ClientError('aborted', { cause: signal?.reason }) });
      const cancel = this.#runtime.after(withinMs, () => settle({ error: new MeridianError('deadline-exceeded') }));
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#byId.set(id, { id, text, sent: false, everSent: false, settle });
    });
  }

  /** An answer to a request that nobody waits for any more is none. */
  settle(id: number, outcome: { data: unknown } | { error: SdkError }): void {
    this.#byId.get(id)?.settle(outcome);
  }

  /** Another WebSocket is in use: everything has to be sent over it. */
  unsend(): void {
    for (const pending of this.#byId.values()) pending.sent = false;
  }

  unsent(): Unsent[] {
    return [...this.#byId.values()]
      .filter(({ sent }) => !sent)
      .map((pending) => ({
        text: pending.text,
        markSent: () => {
          pending.sent = true;
          pending.everSent = true;
        },
        fail: (error) => pending.settle({ error }),
      }));
  }

  /** The largest one that was sent fails with this error; false when there is none. */
  failLargest(error: SdkError): boolean {
    const sent = [...this.#byId.values()].filter((pending) => pending.sent);
    const largest = sent.toSorted((a, b) => b.text.length - a.text.length)[0];
    largest?.settle({ error });
    return largest !== undefined;
  }

  failAll(error: SdkError): void {
    for (const pending of [...this.#byId.values()]) {
      const unseen = !pending.everSent && isSdkError(error, 'connection-lost');
      pending.settle({
        error: unseen ? new ClientError('connection-lost', { cause: error, details: { sent: false } }) : error,
      });
    }
  }
}
