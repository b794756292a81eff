import { type DrainProgress, MeridianError, type NodeState } from '@meridian/protocol';
import type { Cancel, Clock } from '../clock.ts';
import type { Logger } from '../logger.ts';

/** Somebody who sits on the node and is to go elsewhere. */
export interface Guest {
  /** In a room: only who has joined can be asked to move. Stays the same over a resume. */
  readonly joined: object | undefined;
  /** Its participant is on another node already; it has not left this one. */
  readonly hasMoved: boolean;
  ask(deadlineMs: number): void;
  /** The time is over. */
  end(): void;
}

export interface DrainOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Who is here now. */
  readonly guests: () => readonly Guest[];
  /** Could any other node take somebody? @throws what Redis says */
  readonly hasElsewhere: () => Promise<boolean>;
  /** Tells the cluster; may take as long as it likes, or fail. */
  readonly tell: (state: NodeState, drain: DrainProgress | undefined) => Promise<void>;
  /** Used where the one who starts it says nothing. Milliseconds. */
  readonly deadlineMs: number;
}

export interface DrainPlan {
  readonly deadlineMs?: number | undefined;
  readonly spreadMs?: number | undefined;
}

/**
 * Every move is a burst of work for a new node, for who moves and for everybody who sees it: who moves sends everything twice until
 * the others have changed over and this node is left, six to seven seconds. Where there are few, each move is over before the next
 * one begins. Milliseconds.
 */
const APART_MS = 8_000;
/** Whoever is asked last must have time to move. */
const SPREAD_SHARE = 0.6;
/** How often it looks whether there is somebody new to ask, and tells how far it is. Milliseconds. */
const LOOK_EVERY_MS = 250;
const LOG_EVERY_MS = 5_000;
/**
 * For so long no other node has to be there before nobody is waited for: when Redis comes back empty, the others need a
 * heartbeat or two to be seen again. Milliseconds.
 */
const ALONE_FOR_MS = 3_000;

/** From the first to the last who is asked, milliseconds. */
export function spreadOf(plan: DrainPlan, guests: number, deadlineMs: number): number {
  return Math.min(plan.spreadMs ?? Math.max(0, guests - 1) * APART_MS, deadlineMs * SPREAD_SHARE);
}

interface Running {
  readonly startedAtMs: number;
  readonly startedMs: number;
  readonly deadlineMs: number;
  readonly spreadMs: number;
  readonly sessions: number;
  readonly asked: Set<object>;
  readonly done: PromiseWithResolvers<DrainProgress>;
  /** Asked, and on another node by now. */
  readonly moved: Set<object>;
  /** Of the process: cannot be taken back. */
  readonly forGood: boolean;
  cancelTimers: Cancel;
  /** Set while somebody waits to be asked. */
  nextAsk: Cancel | undefined;
  /** No other node could take anybody from then on. */
  aloneSinceMs: number | undefined;
  loggedAtMs: number;
  over: boolean;
  told: number;
}

/**
 * Empties a node without cutting a call: nobody new, and those who are here are asked one after another to move. Who is
 * left at the deadline is told to join again elsewhere. Nothing here waits for Redis, so that it ends without it too.
 */
export class Drain {
  readonly #options: DrainOptions;
  #running: Running | undefined;
  /** The last look at the other nodes: undefined when it is not known. */
  #elsewhere: boolean | undefined;

  constructor(options: DrainOptions) {
    this.#options = options;
  }

  /** Nobody new is taken: it runs, or has run and was not taken back. */
  get active(): boolean {
    return this.#running !== undefined;
  }

  get progress(): DrainProgress | undefined {
    return this.#running === undefined ? undefined : this.#progressOf(this.#running);
  }

  /** Resolves when nobody is left, or the time is over. Never rejects; undefined where none was started or it was taken back. */
  get finished(): Promise<DrainProgress | undefined> {
    return this.#running?.done.promise ?? Promise.resolve(undefined);
  }

  /** Started again it only goes on; a drain for good makes one that could be taken back final, with the earlier end. */
  start(plan: DrainPlan, { forGood = false }: { forGood?: boolean } = {}): DrainProgress {
    const { clock, log, guests } = this.#options;
    const known = this.#running;
    if (known !== undefined && (known.forGood || !forGood)) return this.#progressOf(known);
    const deadlineMs = Math.min(
      plan.deadlineMs ?? this.#options.deadlineMs,
      known === undefined || known.over
        ? Number.POSITIVE_INFINITY
        : Math.max(0, known.startedMs + known.deadlineMs - clock.now()),
    );
    const sessions = guests().length;
    known?.cancelTimers();
    const running: Running = {
      startedAtMs: clock.wallNow(),
      startedMs: clock.now(),
      deadlineMs,
      spreadMs: spreadOf(plan, sessions, deadlineMs),
      sessions,
      asked: known?.asked ?? new Set(),
      moved: known?.moved ?? new Set(),
      done: known === undefined || known.over ? Promise.withResolvers() : known.done,
      forGood,
      cancelTimers: () => {},
      nextAsk: undefined,
      aloneSinceMs: undefined,
      loggedAtMs: clock.now(),
      over: false,
      told: known?.told ?? 0,
    };
    this.#running = running;
    this.#elsewhere = undefined;
    log.info({ sessions, deadlineMs, spreadMs: running.spreadMs, forGood }, 'draining');
    this.#tell(running);
    const cancelDeadline = clock.after(deadlineMs, () => this.#timeOver(running));
    const cancelLooks = clock.every(LOOK_EVERY_MS, () => void this.#look(running));
    running.cancelTimers = () => {
      cancelDeadline();
      cancelLooks();
      running.nextAsk?.();
    };
    void this.#look(running);
    return this.#progressOf(running);
  }

  /** Takes new sessions again; who has moved stays where it is. @throws MeridianError `node-draining` when the process is ending */
  cancel(): void {
    const running = this.#running;
    if (running === undefined) return;
    if (running.forGood)
      throw new MeridianError('node-draining', { message: 'The process is ending; start it again.' });
    running.cancelTimers();
    this.#running = undefined;
    this.#options.log.info(this.#progressOf(running), 'the drain was taken back');
    if (!running.over) running.done.resolve(this.#progressOf(running));
    this.#options.tell('ready', undefined).catch((error: unknown) => this.#notTold(error));
  }

  /** The time is over now. */
  hurry(): void {
    if (this.#running !== undefined && !this.#running.over) this.#timeOver(this.#running);
  }

  /** Somebody's participant is on another node. */
  movedAway(joined: object): void {
    if (this.#running?.asked.has(joined)) this.#running.moved.add(joined);
  }

  cameBack(joined: object): void {
    // It will be asked again.
    this.#running?.moved.delete(joined);
    this.#running?.asked.delete(joined);
  }

  /** Somebody has gone. */
  left(): void {
    const running = this.#running;
    // What has just ended is gone from the list when this turn is over.
    if (running !== undefined && !running.over) this.#options.clock.soon(() => void this.#look(running));
  }

  /** Idempotent; tells nobody. */
  close(): void {
    this.#running?.cancelTimers();
  }

  /** Is this drain still the one that runs? It may have been taken back, or become another, while something was awaited. */
  #isRunning(running: Running): boolean {
    return this.#running === running && !running.over;
  }

  async #look(running: Running): Promise<void> {
    const { clock, log, guests } = this.#options;
    if (!this.#isRunning(running)) return;
    if (guests().length === 0) {
      this.#over(running, 'drained: nobody is left');
      return;
    }
    if (this.#elsewhere !== true) await this.#lookElsewhere();
    if (!this.#isRunning(running)) return;
    if (this.#elsewhere !== false) running.aloneSinceMs = undefined;
    else running.aloneSinceMs ??= clock.now();
    if (running.aloneSinceMs !== undefined && clock.now() - running.aloneSinceMs >= ALONE_FOR_MS) {
      log.warn({ left: guests().length }, 'no other node could take anybody: they are told to join again');
      this.#timeOver(running);
      return;
    }
    if (this.#elsewhere === true && running.nextAsk === undefined) this.#askNext(running);
    if (clock.now() - running.loggedAtMs >= LOG_EVERY_MS) {
      running.loggedAtMs = clock.now();
      log.info(this.#progressOf(running), 'draining');
    }
    this.#tell(running);
  }

  /** Nobody can move while Redis is away; then it is looked again, and the running calls go on until the deadline. */
  async #lookElsewhere(): Promise<void> {
    try {
      this.#elsewhere = await this.#options.hasElsewhere();
    } catch (error) {
      this.#elsewhere = undefined;
      this.#options.log.debug({ err: error }, 'the other nodes are not to be seen now');
    }
  }

  /** Asks the next one, and sets the time for the one after it: the last is asked when the spread is over. */
  #askNext(running: Running): void {
    running.nextAsk = undefined;
    if (!this.#isRunning(running)) return;
    const { clock, guests } = this.#options;
    const passedMs = clock.now() - running.startedMs;
    const waiting = guests().filter(({ joined }) => joined !== undefined && !running.asked.has(joined));
    const restMs = Math.max(0, running.spreadMs - passedMs);
    for (const guest of restMs === 0 ? waiting : waiting.slice(0, 1)) {
      if (guest.joined === undefined) continue;
      running.asked.add(guest.joined);
      if (guest.hasMoved) running.moved.add(guest.joined);
      else guest.ask(Math.max(0, Math.round(running.deadlineMs - passedMs)));
    }
    const left = waiting.length - 1;
    if (restMs > 0 && left > 0) running.nextAsk = clock.after(restMs / left, () => this.#askNext(running));
  }

  #timeOver(running: Running): void {
    const rest = this.#options.guests();
    running.told = rest.filter(({ hasMoved }) => !hasMoved).length;
    this.#over(running, rest.length === 0 ? 'drained: nobody is left' : 'the time for draining is over');
    for (const guest of rest) guest.end();
    this.#tell(running);
  }

  #over(running: Running, message: string): void {
    if (!this.#isRunning(running)) return;
    running.over = true;
    running.cancelTimers();
    const progress = this.#progressOf(running);
    this.#options.log.info({ ...progress, ms: Math.round(this.#options.clock.now() - running.startedMs) }, message);
    this.#tell(running);
    running.done.resolve(progress);
  }

  #progressOf(running: Running): DrainProgress {
    return {
      startedAtMs: running.startedAtMs,
      deadlineAtMs: running.startedAtMs + Math.round(running.deadlineMs),
      sessions: running.sessions,
      asked: running.asked.size,
      moved: running.moved.size,
      left: this.#options.guests().length,
      told: running.told,
    };
  }

  #tell(running: Running): void {
    if (this.#running !== running) return;
    this.#options.tell('draining', this.#progressOf(running)).catch((error: unknown) => this.#notTold(error));
  }

  #notTold(error: unknown): void {
    this.#options.log.debug({ err: error }, 'the cluster was not told of the drain; the next heartbeat says it');
  }
}
