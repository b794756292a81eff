import type { ChatMessage } from '@meridian/protocol';
import type { Context } from '../context.ts';
import { withUserToken } from '../identity.ts';
import { ChatLog } from './chat-log.ts';
import type { Upkeep } from './upkeep.ts';

/** The chat of a room: lines that come in, lines of before, and one's own. */
export class RoomChat {
  readonly #log = new ChatLog();
  readonly #context: Context;
  readonly #upkeep: Pick<Upkeep, 'request'>;
  readonly #onLines: (fresh: readonly ChatMessage[]) => void;

  constructor(options: {
    context: Context;
    upkeep: Pick<Upkeep, 'request'>;
    /** Lines that nobody has seen yet; pages of history are not among them. */
    onLines: (fresh: readonly ChatMessage[]) => void;
  }) {
    this.#context = options.context;
    this.#upkeep = options.upkeep;
    this.#onLines = options.onLines;
  }

  /** As far as it was read, oldest first; a new array after each change. */
  get lines(): readonly ChatMessage[] {
    return this.#log.lines;
  }

  /** May there be lines before the first one? */
  get hasOlder(): boolean {
    return this.#log.hasOlder;
  }

  /** @throws MeridianError such as `rate-limited`, `forbidden`; waits while reconnecting */
  async send(text: string, signal?: AbortSignal): Promise<ChatMessage> {
    const { message } = await this.#upkeep.request('send-chat', { text }, { signal });
    this.receive(message);
    return message;
  }

  /** Loads the page before the first line; false when there is none. */
  async loadOlder(signal?: AbortSignal): Promise<boolean> {
    if (!this.#log.hasOlder) return false;
    this.#log.addOlder(await this.#page(this.#log.cursor, signal));
    this.#onLines([]);
    return true;
  }

  /** A line that came over the connection. */
  receive(...messages: readonly ChatMessage[]): void {
    this.#onLines(this.#log.add(...messages));
  }

  /** Lines that were said while there was no connection. */
  async catchUp(): Promise<void> {
    const last = this.#log.lines.at(-1);
    if (last === undefined) return;
    const { messages } = await this.#page(undefined, undefined);
    this.receive(...messages.filter(({ sentAtMs }) => sentAtMs >= last.sentAtMs));
  }

  #page(before: string | undefined, signal: AbortSignal | undefined) {
    const { address, api, userTokens } = this.#context;
    return withUserToken(userTokens, signal, (token) => api.messages(token, address.slug, { before }, signal));
  }
}
