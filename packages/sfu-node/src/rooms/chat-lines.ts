import type { ChatDraft, ChatOutbox } from '@meridian/cluster';
import { type ChatMessage, isMeridianError, MeridianError } from '@meridian/protocol';
import type { Chores } from '../chores.ts';
import type { Logger } from '../logger.ts';

export interface ChatLinesOptions {
  readonly chat: ChatOutbox;
  readonly chores: Chores;
  readonly log: Logger;
  /** Shows a line to the people on this node. */
  readonly tellHere: (message: ChatMessage) => void;
  /** Sends a line to the other nodes of its room. */
  readonly tellOthers: (message: ChatMessage) => void;
  /** So many lines wait for Redis at most. */
  readonly mostLate?: number;
}

const CHORE = 'late-chat';

/**
 * Takes chat lines. Each is in the cluster's queue before anybody sees it; only while Redis is away it is shown on this
 * node first, with the id it will keep, and given to the queue and to the other nodes when Redis is back, in the order in which
 * the lines were taken. What waits is in memory only: it is lost with this process.
 */
export class ChatLines {
  readonly #options: ChatLinesOptions;
  readonly #late: ChatDraft[] = [];
  #handingOver = false;

  constructor(options: ChatLinesOptions) {
    this.#options = options;
  }

  /** Lines that wait for Redis. */
  get late(): number {
    return this.#late.length;
  }

  /** @throws MeridianError `cluster-unavailable` when Redis is away and too many lines wait already */
  async take(line: Omit<ChatMessage, 'id' | 'sentAtMs'>): Promise<ChatMessage> {
    const { chat, tellHere, tellOthers } = this.#options;
    const draft = chat.draft(line);
    // Behind those that wait: nobody on another node sees an answer before the question.
    if (this.#late.length > 0) return this.#putOff(draft);
    let message: ChatMessage;
    try {
      message = await chat.append(draft);
    } catch (error) {
      if (!isMeridianError(error, 'cluster-unavailable')) throw error;
      return this.#putOff(draft, error);
    }
    tellHere(message);
    tellOthers(message);
    return message;
  }

  #putOff(draft: ChatDraft, cause?: unknown): ChatMessage {
    const { mostLate = 1_000, tellHere } = this.#options;
    if (this.#late.length >= mostLate) throw new MeridianError('cluster-unavailable', { cause });
    this.#late.push(draft);
    tellHere(draft.message);
    this.#handOver();
    return draft.message;
  }

  #handOver(): void {
    if (this.#handingOver) return;
    const { chores, log } = this.#options;
    this.#handingOver = true;
    log.warn('Redis is away: chat goes to the people on this node only, for now');
    void chores
      .run(CHORE, () => this.#handOverAll())
      .finally(() => {
        if (this.#late.length > 0) log.error({ lines: this.#late.length }, 'chat lines could not be handed over');
        this.#handingOver = false;
      });
  }

  async #handOverAll(): Promise<void> {
    const { chat, tellOthers, log } = this.#options;
    const lines = this.#late.length;
    for (let draft = this.#late[0]; draft !== undefined; draft = this.#late[0]) {
      const message = await chat.append(draft, { late: true });
      this.#late.shift();
      tellOthers(message);
    }
    // From here on a new line starts anew, although the chore is not put away yet.
    this.#handingOver = false;
    log.info({ lines }, 'chat lines that waited for Redis were handed over');
  }
}
