import type { ChatMessage } from '@meridian/protocol';

/** Every chat line that is known, in order and once, from live messages and from pages of history. */
export class ChatLog {
  readonly #ids = new Set<string>();
  #lines: readonly ChatMessage[] = [];
  #olderThan: string | null | undefined;

  /** Oldest first; a new array after each change. */
  get lines(): readonly ChatMessage[] {
    return this.#lines;
  }

  /** Is there, or may there be, more before the first line? */
  get hasOlder(): boolean {
    return this.#olderThan !== null;
  }

  /** Cursor of the next older page; undefined for the newest one. */
  get cursor(): string | undefined {
    return this.#olderThan ?? undefined;
  }

  /** Returns the lines that were new. */
  add(...messages: readonly ChatMessage[]): ChatMessage[] {
    const fresh = messages.filter(({ id }) => !this.#ids.has(id));
    if (fresh.length === 0) return [];
    for (const { id } of fresh) this.#ids.add(id);
    this.#lines = [...this.#lines, ...fresh].sort(bySending);
    return fresh;
  }

  /** Adds a page of history and moves the cursor behind it. */
  addOlder(page: { messages: readonly ChatMessage[]; before: string | null }): void {
    this.add(...page.messages);
    this.#olderThan = page.before;
  }
}

/** Ids sort by time within a room; `sentAtMs` first spares us knowing how they are written. */
function bySending(a: ChatMessage, b: ChatMessage): number {
  return a.sentAtMs - b.sentAtMs || a.id.length - b.id.length || (a.id < b.id ? -1 : 1);
}
