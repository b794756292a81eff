export interface AnswersOptions {
  /** Answers that are remembered at most. */
  readonly most: number;
  /** Their size at most, UTF-16 units; the newest is remembered whatever its size. */
  readonly mostSize: number;
}

export type Asked =
  /** Never seen. */
  | { readonly state: 'new' }
  | { readonly state: 'running' }
  | { readonly state: 'answered'; readonly frame: string }
  /** Answered so long ago that the answer is not known any more. */
  | { readonly state: 'forgotten' };

interface Answer {
  readonly frame: string;
  /** The last notification before the answer: who has a later one has the answer as well. */
  seq: number;
}

/** Requests of one client by id: none runs twice, however often it is sent. */
export class Answers {
  readonly #options: AnswersOptions;
  readonly #running = new Set<number>();
  readonly #answers = new Map<number, Answer>();
  #size = 0;
  #forgottenUpTo = -1;

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#answers.size;
  }

  ask(id: number): Asked {
    const answer = this.#answers.get(id);
    if (answer !== undefined) return { state: 'answered', frame: answer.frame };
    if (this.#running.has(id)) return { state: 'running' };
    return { state: id <= this.#forgottenUpTo ? 'forgotten' : 'new' };
  }

  /** A new one is running from now on. */
  begin(id: number): void {
    this.#running.add(id);
  }

  /** @param seq number of the last notification before the answer */
  answer(id: number, frame: string, seq: number): void {
    if (!this.#running.delete(id)) return;
    this.#answers.set(id, { frame, seq });
    this.#size += frame.length;
    const { most, mostSize } = this.#options;
    for (const oldest of this.#answers.keys()) {
      if (oldest === id || (this.#answers.size <= most && this.#size <= mostSize)) break;
      this.#forget(oldest);
    }
  }

  /** The client has the notifications up to this number, and so the answers that were given before it. */
  acknowledge(seq: number): void {
    for (const [id, answer] of this.#answers) if (answer.seq < seq) this.#forget(id);
  }

  /** What was not acknowledged may have been lost with its connection: only later notifications vouch for it. */
  unsettle(seq: number): void {
    for (const answer of this.#answers.values()) answer.seq = seq;
  }

  #forget(id: number): void {
    this.#size -= this.#answers.get(id)?.frame.length ?? 0;
    this.#answers.delete(id);
    this.#forgottenUpTo = Math.max(this.#forgottenUpTo, id);
  }
}
