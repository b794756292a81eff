import type { ChatDraft, ChatOutbox } from '@meridian/cluster';
import { type ChatMessage, isMeridianError, MeridianError, type NodeId, type RoomId } from '@meridian/protocol';
import type { Chores } from '../chores.ts';
import type { Logger } from '../logger.ts';

export interface ChatLinesOptions {
  readonly chat: ChatOutbox;
  readonly chores: Chores;
  readonly log: Logger;
  /** Shows a line to the people on this node. */
  readonly tellHere: (message: ChatMessage) => void;
  /** The other nodes of a room. */
  readonly othersOf: (roomId: RoomId) => readonly NodeId[];
  /** Sends a line to another node, once however often. Returns whether it has it. @throws MeridianError `cluster-unavailable` */
  readonly tell: (nodeId: NodeId, message: ChatMessage, key: string) => Promise<boolean>;
  /** So many lines wait for Redis at most. */
  readonly mostLate?: number;
}

const CHORE = 'late-chat';
/** A node that does not listen by then may be gone: its people find the line in the history. */
const MOST_ATTEMPTS = 8;

interface LateLine {
  readonly draft: ChatDraft;
  /** Nodes that have it. */
  readonly told: Set<NodeId>;
  attempts: number;
}

/**
 * Takes chat lines. Each is in the cluster's queue before anybody sees it; only while Redis is away it is shown on this
 * node first, with the id it will keep, and given to the queue and to the other nodes when Redis is back, in the order in which
 * the lines were taken. What waits is in memory only: it is lost with this process.
 */
export class ChatLines {
  readonly #options: ChatLinesOptions;
  readonly #late: LateLine[] = [];
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
    const { chat, tellHere } = this.#options;
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
    this.#tellOthers(message, draft.key);
    return message;
  }

  #putOff(draft: ChatDraft, cause?: unknown): ChatMessage {
    const { mostLate = 1_000, tellHere } = this.#options;
    if (this.#late.length >= mostLate) throw new MeridianError('cluster-unavailable', { cause });
    this.#late.push({ draft, told: new Set(), attempts: 0 });
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

  #tellOthers(message: ChatMessage, key: string): void {
    const { othersOf, tell, log } = this.#options;
    for (const nodeId of othersOf(message.roomId)) {
      tell(nodeId, message, key).catch((error: unknown) => {
        // The line is kept: who misses it now finds it in the history.
        log.warn({ err: error, to: nodeId }, 'a chat line did not reach another node');
      });
    }
  }

  async #handOverAll(): Promise<void> {
    const { log } = this.#options;
    const lines = this.#late.length;
    for (let line = this.#late[0]; line !== undefined; line = this.#late[0]) {
      await this.#handOverOne(line);
      this.#late.shift();
    }
    // From here on a new line starts anew, although the chore is not put away yet.
    this.#handingOver = false;
    log.info({ lines }, 'chat lines that waited for Redis were handed over');
  }

  /** @throws MeridianError `cluster-unavailable` when it is to be tried again */
  async #handOverOne(line: LateLine): Promise<void> {
    const { chat, othersOf, tell } = this.#options;
    const message = await chat.append(line.draft, { late: true });
    const missing = othersOf(message.roomId).filter((nodeId) => !line.told.has(nodeId));
    await Promise.all(
      missing.map(async (nodeId) => {
        if (await tell(nodeId, message, line.draft.key)) line.told.add(nodeId);
      }),
    );
    line.attempts += 1;
    // Redis is back for us; the other nodes may need a moment more.
    const isMissing = othersOf(message.roomId).some((nodeId) => !line.told.has(nodeId));
    if (isMissing && line.attempts < MOST_ATTEMPTS) {
      throw new MeridianError('cluster-unavailable', { message: 'Another node does not listen yet.' });
    }
  }
}
