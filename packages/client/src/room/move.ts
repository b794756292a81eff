import type { NodeId } from '@meridian/protocol';
import { MeridianError } from '@meridian/protocol';
import { ClientError, isSdkError, type SdkError, toSdkError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';
import type { Attached } from './attach.ts';
import type { Attachment } from './attachment.ts';
import { blamesNode } from './ending.ts';

export interface MoveOptions {
  readonly runtime: Runtime;
  readonly from: Attachment;
  /** From now on, milliseconds; after it the node speaks of its own accord. */
  readonly deadlineMs: number;
  /** A session at another node that has joined in our place. */
  readonly attach: (input: {
    avoid: readonly NodeId[];
    onNode: (nodeId: NodeId) => void;
    signal: AbortSignal;
  }) => Promise<Attached>;
  /** Makes the next attachment receive; it is nobody's current one yet. */
  readonly stage: (attached: Attached) => Attachment;
  /** Sends there what we send here. @throws what the node answered */
  readonly publish: (next: Attachment) => Promise<void>;
  /** Is all that was to be seen and heard here to be had there? */
  readonly isReceiving: () => boolean;
  readonly drop: (next: Attachment) => void;
  readonly onTrouble: (error: SdkError) => void;
}

/** Once joined, the new node has so long to bring everything; then we go with what there is. Milliseconds. */
const READY_WITHIN_MS = 5_000;
const LOOK_EVERY_MS = 50;
/** Before further attempts; the last one goes on. Milliseconds, as much again by chance at most. */
const RETRY_MS = [300, 1_000, 2_000, 4_000] as const;

/**
 * One move to another node: make before break. It is tried until one attempt succeeds; what goes wrong on the way
 * leaves the old attachment as it is.
 */
export class Move {
  readonly #options: MoveOptions;
  readonly #stop = new AbortController();
  readonly #wakers = new Set<() => void>();
  #next: { readonly attachment: Attachment; lost: SdkError | undefined } | undefined;
  #urgent = false;
  #touched = false;

  constructor(options: MoveOptions) {
    this.#options = options;
  }

  /** Joined at the new node, while the old one still counts. */
  get next(): Attachment | undefined {
    return this.#next?.attachment;
  }

  /** Was a node chosen, so that the session may have a newer epoch than the old attachment? */
  get hasTouchedSession(): boolean {
    return this.#touched;
  }

  /**
   * The attachment to go on with; undefined when the move was stopped.
   * @throws the last failure, when the deadline has passed or there is nothing left to fall back on
   */
  async run(): Promise<Attachment | undefined> {
    const { runtime, deadlineMs, from, onTrouble } = this.#options;
    const untilMs = runtime.now() + deadlineMs;
    const avoid = [from.attached.session.decision.nodeId];
    for (let attempt = 0; ; attempt += 1) {
      const delayMs = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] ?? 0;
      let failure: SdkError;
      try {
        return await this.#attempt(avoid);
      } catch (thrown) {
        failure = toSdkError(thrown);
      }
      if (this.#stop.signal.aborted) return undefined;
      if (this.#urgent || runtime.now() + delayMs > untilMs) throw failure;
      onTrouble(failure);
      await this.#pause(delayMs * (1 + runtime.random()));
      if (this.#stop.signal.aborted) return undefined;
      if (this.#urgent) throw failure;
    }
  }

  /** The old attachment is of no more use: go on with the next one as it is, or fail at once. */
  hurry(): void {
    this.#urgent = true;
    this.#wake();
  }

  /** The next attachment is of no more use. */
  lost(error: SdkError): void {
    if (this.#next !== undefined) this.#next.lost = error;
    this.#wake();
  }

  /** Idempotent. What is staged is the caller's to close. */
  stop(): void {
    this.#stop.abort();
    this.#wake();
  }

  async #attempt(avoid: NodeId[]): Promise<Attachment> {
    const { attach, drop, from, stage } = this.#options;
    const { signal } = this.#stop;
    let tried: NodeId | undefined;
    const onNode = (nodeId: NodeId) => {
      if (nodeId === from.attached.session.decision.nodeId) throw new MeridianError('no-healthy-node');
      tried = nodeId;
      this.#touched = true;
    };
    let attached: Attached;
    try {
      attached = await attach({ avoid: [...avoid], onNode, signal });
    } catch (thrown) {
      const error = toSdkError(thrown);
      if (tried !== undefined && blamesNode(error)) avoid.push(tried);
      // None is left: those that failed may be well again.
      else if (isSdkError(error, 'no-healthy-node')) avoid.length = 1;
      throw error;
    }
    if (signal.aborted) {
      attached.connection.close();
      throw new ClientError('aborted');
    }
    const next = { attachment: stage(attached), lost: undefined };
    this.#next = next;
    try {
      await this.#untilReady(next);
      return next.attachment;
    } catch (error) {
      this.#next = undefined;
      if (!signal.aborted) drop(next.attachment);
      throw error;
    }
  }

  async #untilReady(next: { readonly attachment: Attachment; readonly lost: SdkError | undefined }): Promise<void> {
    const { isReceiving, publish, runtime } = this.#options;
    const untilMs = runtime.now() + READY_WITHIN_MS;
    let published: 'yes' | 'no' | { failed: unknown } = 'no';
    publish(next.attachment).then(
      () => {
        published = 'yes';
        this.#wake();
      },
      (thrown: unknown) => {
        published = { failed: thrown };
        this.#wake();
      },
    );
    const outcome = (): typeof published => published;
    // Once is enough: a connection that breaks after that is told by itself, and a look is work in the busiest moment of a move.
    let sending = false;
    for (;;) {
      if (this.#stop.signal.aborted) throw new ClientError('aborted');
      if (next.lost !== undefined) throw next.lost;
      if (this.#urgent) return;
      const now = outcome();
      if (typeof now === 'object') throw now.failed;
      sending ||= now === 'yes' && (await next.attachment.isSending());
      if (sending && isReceiving()) return;
      if (runtime.now() >= untilMs) {
        if (sending) return;
        throw new ClientError('media-unreachable');
      }
      await this.#pause(LOOK_EVERY_MS);
    }
  }

  /** Until the time has passed, or something happens. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        this.#wakers.delete(done);
        resolve();
      };
      const cancel = this.#options.runtime.after(ms, done);
      this.#wakers.add(done);
    });
  }

  #wake(): void {
    for (const waker of [...this.#wakers]) waker();
  }
}
