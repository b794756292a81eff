import type { NodeId, ReplyData, RequestInput, RequestMethod } from '@meridian/protocol';
import type { Context } from '../context.ts';
import { ClientError, type SdkError, toSdkError } from '../errors.ts';
import type { Shown } from '../media/layers.ts';
import type { RemoteTrack } from '../media/receiver.ts';
import type { MeasuredRtt } from '../probing.ts';
import type { Attached } from './attach.ts';
import { Attaching } from './attaching.ts';
import { Attachment, type AttachmentHost } from './attachment.ts';
import { type Verdict, verdictOfClose } from './ending.ts';
import type { RoomEnd } from './events.ts';
import { Moving, type MovingHost } from './moving.ts';
import { recover } from './recovery.ts';
import { type Resumable, resumeStay } from './resume.ts';
import type { Roster } from './roster.ts';

export interface UpkeepHost
  extends Omit<AttachmentHost, 'onLost' | 'onSuspended' | 'onMoveAsked' | 'onData'>,
    MovingHost {
  /** Another attachment is in force; the one before plays on until `onSettled`. */
  onAttached(attachment: Attachment): void;
  onDetached(): void;
  onReconnecting(waiting: { attempt: number; delayMs: number; cause: SdkError }): void;
  onResumed(afterMs: number): void;
  onReconnected(attachment: Attachment, afterMs: number): void;
  onEnded(end: RoomEnd): void;
}

export interface UpkeepOptions {
  readonly context: Context;
  readonly attached: Attached;
  readonly autoSubscribe: boolean;
  readonly rtts: readonly MeasuredRtt[];
  readonly sizeOf: (track: RemoteTrack) => Shown | undefined;
  readonly host: UpkeepHost;
}

type State =
  | { readonly name: 'connected'; readonly attachment: Attachment }
  /** Its WebSocket is gone; requests wait, media may go on. */
  | {
      readonly name: 'suspended';
      readonly attachment: Attachment;
      readonly cause: SdkError;
      readonly sinceMs: number;
      readonly stop: AbortController;
      /** It has lasted: the person is told. */
      readonly isShown: boolean;
    }
  | {
      readonly name: 'reconnecting';
      readonly attempt: number;
      readonly cause: SdkError;
      readonly stop: AbortController;
    }
  | { readonly name: 'ended'; readonly end: RoomEnd };

/** After a rejoin the old media is let go when the new had this long to arrive. Milliseconds. */
const SETTLE_MS = 6_000;
/** An attachment that holds this long counts as a success; the pauses between attempts start over. */
const PROVEN_MS = 10_000;
/** For a sign of life when there is a reason to doubt. Milliseconds. */
const CHECK_WITHIN_MS = 1_500;
/** A lost WebSocket that is back sooner is nobody's concern. Milliseconds. */
const SHOWN_AFTER_MS = 1_000;

/** Keeps one room attached: over lost connections, from node to node, until it is left or ends. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #undo: (() => void)[] = [];
  readonly #waiters = new Set<() => void>();
  readonly #attaching: Attaching;
  readonly #moving: Moving;
  #state: State;
  /** Whose view of the room is shown. */
  #roster: Roster;
  #rosterIsChanging = false;
  #stale: Attachment | undefined;
  #cancelSettle = () => {};
  #cancelProven = () => {};
  #cancelShown = () => {};
  #attempts = 0;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    const { attached, context, host } = options;
    const { runtime } = context;
    this.#attaching = new Attaching(options);
    this.#moving = new Moving({
      runtime,
      host,
      attaching: this.#attaching,
      attachmentOf: (one) => this.#attachmentOf(one),
      current: () => this.current,
      isLost: () => this.#state.name === 'suspended',
      onArrived: (next) => {
        this.#stopTrying();
        this.#begin(next);
      },
      onFailed: (from, how) => this.#onMoveFailed(from, how),
    });
    const attachment = this.#attachmentOf(attached);
    this.#roster = attachment.roster;
    this.#state = { name: 'connected', attachment };
    this.#undo.push(
      runtime.onPageHide(this.#onPageHide),
      runtime.onOnline(this.#onNetwork),
      runtime.onNetworkChange(this.#onNetwork),
      runtime.onVisible(this.#onVisible),
    );
  }

  start(): void {
    if (this.#state.name === 'connected') this.#begin(this.#state.attachment);
  }

  get state(): State {
    return this.#state;
  }

  /** The room as it is shown. */
  get roster(): Roster {
    return this.#roster;
  }

  /** Of all nodes that we are attached to; during a move there are two. */
  get rosters(): readonly Roster[] {
    return [this.#roster, ...this.#moving.beside.map((attachment) => attachment.roster)];
  }

  /** The attachment in force; undefined while reconnecting and after the end. */
  get current(): Attachment | undefined {
    const state = this.#state;
    return state.name === 'connected' || state.name === 'suspended' ? state.attachment : undefined;
  }

  /** During a move and for a moment after it: where we come from. */
  get leaving(): Attachment | undefined {
    return this.#moving.leaving;
  }

  /** All that is received over now: more than one during a move. */
  get receiving(): readonly Attachment[] {
    return [this.current, ...this.#moving.beside].filter((one) => one !== undefined);
  }

  /**
   * The attachment, awaited while reconnecting.
   * @throws ClientError `room-left`, `aborted`; what ended the room
   */
  async attachment(signal?: AbortSignal): Promise<Attachment> {
    for (;;) {
      if (signal?.aborted) throw new ClientError('aborted', { cause: signal.reason });
      const state = this.#state;
      switch (state.name) {
        case 'connected':
        case 'suspended':
          return state.attachment;
        case 'ended':
          throw state.end.error ?? new ClientError('room-left');
        case 'reconnecting':
          await this.#changed(signal);
      }
    }
  }

  /**
   * A request to the node we are attached to; what no node can have seen yet is asked again after a reconnect.
   * @throws as `SignallingConnection.request` and `attachment`
   */
  async request<M extends RequestMethod>(
    method: M,
    data: RequestInput<M>,
    options: { signal?: AbortSignal | undefined; withinMs?: number } = {},
  ): Promise<ReplyData<M>> {
    for (;;) {
      const { attached } = await this.attachment(options.signal);
      try {
        return await attached.connection.request(method, data, options);
      } catch (error) {
        const unseen = error instanceof ClientError && error.details?.sent === false;
        if (!unseen || this.current?.attached === attached) throw error;
      }
    }
  }

  /** @throws ClientError `data-backlog`; as `attachment` */
  async sendData(label: string, payload: string | Uint8Array<ArrayBuffer>, signal?: AbortSignal): Promise<void> {
    const { sender } = (await this.#moving.dataSender()) ?? (await this.attachment(signal));
    await sender.sendData(label, payload);
  }

  /**
   * To another node, as when this one asks for it. The last failure, when it did not work within the time.
   * @throws as `attachment`
   */
  async move(withinMs: number, signal?: AbortSignal): Promise<void> {
    await this.#moving.start(await this.attachment(signal), withinMs);
  }

  /** Idempotent. Resolves when the nodes have heard it, or could not be reached. */
  async leave(): Promise<void> {
    const farewells = [this.current?.leave(), this.#moving.leave()];
    this.#end({ kind: 'left', error: null });
    await Promise.all(farewells);
  }

  #attachmentOf(attached: Attached): Attachment {
    const { context, host, sizeOf } = this.#options;
    const attachment: Attachment = new Attachment({
      attached,
      runtime: context.runtime,
      sizeOf,
      host: {
        onRoster: (changes) => {
          if (this.#roster === attachment.roster && !this.#rosterIsChanging) host.onRoster(changes);
        },
        onTrack: (track, flow) => host.onTrack(track, flow),
        onTrackGone: (track) => host.onTrackGone(track),
        onData: (message, from) => this.#moving.onData(attachment, message, from),
        onChat: (message) => host.onChat(message),
        onSpeakers: (speakers) => {
          if (this.current === attachment) host.onSpeakers(speakers);
        },
        onRelayTrouble: (trouble) => host.onRelayTrouble(trouble),
        onTrouble: (error) => host.onTrouble(error),
        onConnected: (direction) => {
          if (this.current === attachment) this.#attempts = 0;
          host.onConnected(direction);
        },
        onMoveAsked: (deadlineMs) => {
          // What goes wrong is told by `trouble`.
          if (this.current === attachment) this.#moving.start(attachment, deadlineMs).catch(() => {});
        },
        onSuspended: (error) => this.#onSuspended(attachment, error),
        onLost: (verdict, error) => this.#onLost(attachment, verdict, error),
      },
    });
    return attachment;
  }

  #begin(attachment: Attachment): void {
    const { context, host } = this.#options;
    const before = this.#roster;
    this.#state = { name: 'connected', attachment };
    this.#roster = attachment.roster;
    host.onAttached(attachment);
    if (before !== attachment.roster) {
      this.#rosterIsChanging = true;
      attachment.start();
      this.#rosterIsChanging = false;
      host.onRoster(attachment.roster.changesSince(before));
    } else {
      attachment.start();
    }
    // It may have ended in its very first words.
    if (this.current !== attachment) return;
    this.#wake();
    this.#cancelProven();
    this.#cancelProven = context.runtime.after(PROVEN_MS, () => {
      if (this.current === attachment && !attachment.isConnecting) this.#attempts = 0;
    });
  }

  // trouble

  #onSuspended(attachment: Attachment, cause: SdkError): void {
    if (this.#moving.lost(attachment, cause) === 'over' || this.current !== attachment) return;
    const stop = this.#suspend(attachment, cause);
    // A resume would take the session back from the node that we are moving to.
    if (this.#moving.isUnderWay) this.#moving.hurry();
    else void this.#resume(attachment, cause, stop);
  }

  #onLost(attachment: Attachment, verdict: Verdict, error: SdkError): void {
    const ofMove = this.#moving.lost(attachment, error, verdict);
    if (ofMove === 'over' || (ofMove === 'not-mine' && this.current !== attachment)) return;
    const isElsewhere = verdict.next === 'rejoin' || verdict.kind === 'left' || verdict.kind === 'replaced';
    if (ofMove === 'not-mine' && this.#moving.isUnderWay && isElsewhere) {
      this.#suspend(attachment, error);
      this.#moving.hurry();
    } else if (verdict.next === 'end') {
      this.#end({ kind: verdict.kind, error });
    } else {
      const nodeId = attachment.attached.session.decision.nodeId;
      void this.#rejoin(attachment, error, verdict.avoidNode ? [nodeId] : [], 0);
    }
  }

  /** No attempt to move has succeeded: the old attachment goes on, or is mended where it was lost meanwhile. */
  #onMoveFailed(old: Attachment, { hasTouchedSession }: { hasTouchedSession: boolean }): void {
    const state = this.#state;
    if (state.name !== 'suspended' || state.attachment !== old) return;
    const nodeId = old.attached.session.decision.nodeId;
    const isResumable = !hasTouchedSession && old.attached.connection.isOpen;
    if (isResumable) void this.#resume(old, state.cause, state.stop);
    else void this.#rejoin(old, state.cause, [nodeId], 0);
  }

  #suspend(attachment: Attachment, cause: SdkError): AbortController {
    const { context, host } = this.#options;
    const { runtime } = context;
    const stop = new AbortController();
    const state = { name: 'suspended', attachment, cause, sinceMs: runtime.now(), stop, isShown: false } as const;
    this.#stopTrying();
    this.#state = state;
    this.#cancelShown = runtime.after(SHOWN_AFTER_MS, () => {
      if (this.#state !== state) return;
      this.#state = { ...state, isShown: true };
      host.onReconnecting({ attempt: 0, delayMs: 0, cause });
    });
    return stop;
  }

  /** Never throws. */
  async #resume(attachment: Attachment, cause: SdkError, stop: AbortController): Promise<void> {
    const { runtime } = this.#options.context;
    const untilMs = runtime.now() + attachment.attached.connection.welcome.resumeWindowMs;
    const stay: Resumable = {
      resume: (signal) => attachment.resume(signal),
      mediaLives: () => attachment.mediaLives(),
      onUnreachable: () => this.#attaching.rtts.refresh(),
    };
    const outcome = await resumeStay({ runtime, stay, signal: stop.signal, untilMs }, cause);
    if (stop.signal.aborted || this.current !== attachment) return;
    const nodeId = attachment.attached.session.decision.nodeId;
    switch (outcome.name) {
      case 'resumed':
        this.#onResumed(attachment, this.#troubleSinceMs());
        return;
      case 'refused': {
        const verdict = verdictOfClose(outcome.error, runtime.isOnline());
        if (verdict.next === 'end') this.#end({ kind: verdict.kind, error: outcome.error });
        else void this.#rejoin(attachment, outcome.error, verdict.avoidNode ? [nodeId] : [], 0);
        return;
      }
      case 'dead':
        void this.#rejoin(attachment, outcome.error, [nodeId], untilMs);
        return;
      case 'too-late':
        void this.#rejoin(attachment, outcome.error, [nodeId], 0);
        return;
      case 'aborted':
    }
  }

  #onResumed(attachment: Attachment, sinceMs: number): void {
    const { context, host } = this.#options;
    this.#stopTrying();
    this.#state = { name: 'connected', attachment };
    this.#wake();
    void this.#mindNetwork(attachment);
    host.onResumed(context.runtime.now() - sinceMs);
  }

  /**
   * The WebSocket may have been lost with its network, of which not every browser says a word: media that is silent then gets
   * another way at once, and not only when the browser has given the old one up. Never throws.
   */
  async #mindNetwork(attachment: Attachment): Promise<void> {
    const isSilent = attachment.isConnecting || !(await attachment.mediaLives().catch(() => true));
    if (isSilent && this.#state.name === 'connected' && this.current === attachment) attachment.restartIce();
  }

  #troubleSinceMs(): number {
    return this.#state.name === 'suspended' ? this.#state.sinceMs : this.#options.context.runtime.now();
  }

  /**
   * Never throws: what cannot be mended ends the room.
   * @param resumableUntilMs see `RecoveryOptions`
   */
  async #rejoin(old: Attachment, cause: SdkError, avoid: readonly NodeId[], resumableUntilMs: number): Promise<void> {
    const { context, host } = this.#options;
    const { runtime } = context;
    const lostAtMs = this.#troubleSinceMs();
    this.#stopTrying();
    this.#letGo();
    const stop = new AbortController();
    this.#state = { name: 'reconnecting', attempt: this.#attempts, cause, stop };
    try {
      const recovered = await recover({
        runtime,
        old,
        cause,
        avoid,
        resumableUntilMs,
        signal: stop.signal,
        attempts: this.#attempts,
        attach: (input) => this.#attaching.attach(input),
        onWaiting: (waiting) => {
          this.#state = { name: 'reconnecting', attempt: waiting.attempt, cause: waiting.cause, stop };
          host.onReconnecting(waiting);
        },
        onGivenUp: () => {
          old.retire(new ClientError('connection-lost', { cause }));
          this.#stale = old;
          host.onDetached();
        },
      });
      if (stop.signal.aborted) {
        old.close();
        if (recovered.name === 'rejoined') recovered.attached.connection.close();
        return;
      }
      this.#attempts = recovered.attempts;
      if (recovered.name === 'resumed') {
        this.#onResumed(old, lostAtMs);
        return;
      }
      const attachment = this.#attachmentOf(recovered.attached);
      this.#stale?.sender.close();
      this.#begin(attachment);
      this.#cancelSettle = runtime.after(SETTLE_MS, () => {
        this.#letGo();
        if (this.current === attachment) host.onSettled(attachment);
      });
      host.onReconnected(attachment, runtime.now() - lostAtMs);
    } catch (thrown) {
      if (!stop.signal.aborted) this.#end({ kind: 'failed', error: toSdkError(thrown) });
      old.close();
    }
  }

  // ends

  #end(end: RoomEnd): void {
    const { state } = this;
    if (state.name === 'ended') return;
    this.#stopTrying();
    this.#state = { name: 'ended', end };
    for (const undo of this.#undo.splice(0)) undo();
    this.#cancelProven();
    this.#letGo();
    this.#moving.end();
    if (end.kind !== 'left' && (state.name === 'connected' || state.name === 'suspended')) state.attachment.close();
    this.#options.host.onEnded(end);
    this.#wake();
  }

  /** Whatever is under way to mend the connection. */
  #stopTrying(): void {
    this.#cancelShown();
    const state = this.#state;
    if (state.name === 'suspended' || state.name === 'reconnecting') state.stop.abort();
  }

  /** Closes what the attachment before the current one still played. */
  #letGo(): void {
    this.#cancelSettle();
    this.#cancelSettle = () => {};
    this.#stale?.close();
    this.#stale = undefined;
  }

  #wake(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }

  #changed(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#waiters.delete(done);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      this.#waiters.add(done);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  readonly #onPageHide = (): void => {
    // The page after a reload takes the session over; the goodbye is for everybody else's eyes.
    this.#options.context.handover.put(this.#attaching.sessionToken);
    const { receiving } = this;
    for (const { attached } of receiving) attached.connection.tell('leave', {});
    this.#end({ kind: 'left', error: null });
    for (const attachment of receiving) attachment.close();
  };

  /** The network is back, perhaps as another one: find out quickly instead of waiting for silence. */
  readonly #onNetwork = (): void => {
    this.#attaching.rtts.forget();
    for (const attachment of this.receiving) {
      attachment.attached.connection.check(CHECK_WITHIN_MS);
      attachment.restartIce();
    }
  };

  /** Timers may have slept with the page, and the connection with them. */
  readonly #onVisible = (): void => {
    for (const { attached } of this.receiving) attached.connection.check(CHECK_WITHIN_MS);
  };
}
