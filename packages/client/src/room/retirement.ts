import { pause, type Runtime } from '../runtime.ts';
import type { Attachment } from './attachment.ts';

/**
 * After a move the others need a moment to get the new picture over the new node; until then they see the old one.
 * Milliseconds.
 */
const LINGER_MS = 4_000;
const SILENT_LINGER_MS = 6_000;
/**
 * ... and for so long more where something is shown that nothing has taken the place of yet: somebody who began to send, or
 * moved as well, shortly after us. Milliseconds.
 */
const RELIED_ON_MS = 4_000;
const LOOK_EVERY_MS = 100;
/** For data that is on its way over the old node. Milliseconds. */
const DATA_SETTLES_MS = 300;
const DATA_LOOKS = 10;

/** The old attachment after a move: it goes on for a moment, hands its data channels over, and leaves. */
export class Retirement {
  readonly attachment: Attachment;
  readonly #runtime: Pick<Runtime, 'after'>;
  readonly #isReliedOn: () => boolean;
  readonly #onDataCut: () => void;
  readonly #onOver: () => void;
  readonly #stop = new AbortController();
  #crossing: Promise<void> | undefined;
  #endCrossing = () => {};
  #dataIsHere = true;

  constructor(options: {
    attachment: Attachment;
    runtime: Pick<Runtime, 'after'>;
    /** Is anything shown that comes over the old node? */
    isReliedOn: () => boolean;
    /** Data is sent and heard over the new node alone from now on. */
    onDataCut: () => void;
    onOver: () => void;
  }) {
    this.attachment = options.attachment;
    this.#runtime = options.runtime;
    this.#isReliedOn = options.isReliedOn;
    this.#onDataCut = options.onDataCut;
    this.#onOver = options.onOver;
  }

  /** Does data still go over the old node? Waits while it is handed over. */
  async takesData(): Promise<boolean> {
    await this.#crossing;
    return this.#dataIsHere;
  }

  /**
   * Never throws.
   * @param isSilent nobody can be talked to at the old node any more: no goodbye; what still comes in plays on for a while
   */
  async run({ isSilent }: { isSilent: boolean }): Promise<void> {
    const { signal } = this.#stop;
    if (isSilent) this.#cut();
    try {
      await pause(this.#runtime, isSilent ? SILENT_LINGER_MS : LINGER_MS, signal);
      if (!isSilent) {
        await this.#untilReplaced(signal);
        // Takes longer than a player needs to change over to what has just taken the place of something.
        await this.#handDataOver(signal);
        await this.attachment.withdraw(signal);
      }
    } catch {
      // ended early, by `end`
    }
    this.end();
  }

  /** Idempotent. What comes in over the old node is over. */
  end(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#cut();
    this.attachment.close();
    this.#onOver();
  }

  /** For the end of the whole room. */
  async leave(): Promise<void> {
    const gone = this.attachment.leave();
    this.end();
    await gone;
  }

  async #untilReplaced(signal: AbortSignal): Promise<void> {
    for (let waitedMs = 0; waitedMs < RELIED_ON_MS && this.#isReliedOn(); waitedMs += LOOK_EVERY_MS) {
      await pause(this.#runtime, LOOK_EVERY_MS, signal);
    }
  }

  async #handDataOver(signal: AbortSignal): Promise<void> {
    this.#crossing = new Promise((resolve) => {
      this.#endCrossing = resolve;
    });
    for (let look = 0; look < DATA_LOOKS && !(await this.attachment.sender.dataSent()); look += 1) {
      await pause(this.#runtime, DATA_SETTLES_MS / DATA_LOOKS, signal);
    }
    await pause(this.#runtime, DATA_SETTLES_MS, signal);
    this.#cut();
  }

  #cut(): void {
    if (!this.#dataIsHere) return;
    this.#dataIsHere = false;
    this.#onDataCut();
    this.#endCrossing();
  }
}
