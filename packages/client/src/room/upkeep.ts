import type { NodeId, ProducerId } from '@meridian/protocol';
import type { Context } from '../context.ts';
import { ClientError, isSdkError, type SdkError, toSdkError } from '../errors.ts';
import type { Shown } from '../media/layers.ts';
import type { MeasuredRtt } from '../probing.ts';
import { type Attached, attach, type LoadedDevice } from './attach.ts';
import { Attachment, type AttachmentHost } from './attachment.ts';
import type { Verdict } from './ending.ts';
import type { RoomEnd } from './events.ts';
import { rejoin } from './rejoin.ts';
import type { Roster } from './roster.ts';
import { Stopwatch } from './timings.ts';

export interface UpkeepHost extends Omit<AttachmentHost, 'onLost'> {
  /** Another attachment is in force; the one before plays on until `onSettled`. */
  onAttached(attachment: Attachment): void;
  onDetached(): void;
  /** The attachment before this one is closed for good. */
  onSettled(attachment: Attachment): void;
  onReconnecting(waiting: { attempt: number; delayMs: number; cause: SdkError }): void;
  onReconnected(attachment: Attachment, afterMs: number): void;
  onEnded(end: RoomEnd): void;
}

export interface UpkeepOptions {
  readonly context: Context;
  readonly attached: Attached;
  readonly autoSubscribe: boolean;
  readonly rtts: readonly MeasuredRtt[];
  readonly roster: Roster;
  readonly shown: ReadonlyMap<ProducerId, Shown>;
  readonly host: UpkeepHost;
}

type State =
  | { readonly name: 'connected'; readonly attachment: Attachment }
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
const CHECK_WITHIN_MS = 3_000;

/** Keeps one room attached: from node to node, until it is left or ends. */
export class Upkeep {
  readonly #options: UpkeepOptions;
  readonly #undo: (() => void)[] = [];
  readonly #waiters = new Set<() => void>();
  #state: State;
  #stale: Attachment | undefined;
  #cancelSettle = () => {};
  #cancelProven = () => {};
  #attempts = 0;
  #rtts: readonly MeasuredRtt[];
  #device: LoadedDevice;
  #sessionToken: string;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#rtts = options.rtts;
    this.#device = options.attached.loadedDevice;
    this.#sessionToken = options.attached.session.sessionToken;
    this.#state = { name: 'connected', attachment: this.#attachmentOf(options.attached) };
    const { runtime } = options.context;
    this.#undo.push(runtime.onPageHide(this.#onPageHide), runtime.onOnline(this.#onOnline));
  }

  start(): void {
    if (this.#state.name === 'connected') this.#begin(this.#state.attachment);
  }

  get state(): State {
    return this.#state;
  }

  /** The attachment in force; undefined while reconnecting and after the end. */
  get current(): Attachment | undefined {
    return this.#state.name === 'connected' ? this.#state.attachment : undefined;
  }

  /**
   * The attachment, awaited while reconnecting.
   * @throws ClientError `room-left`, `aborted`; what ended the room
   */
  async attachment(signal?: AbortSignal): Promise<Attachment> {
    for (;;) {
      if (signal?.aborted) throw new ClientError('aborted', { cause: signal.reason });
      switch (this.#state.name) {
        case 'connected':
          return this.#state.attachment;
        case 'ended':
          throw this.#state.end.error ?? new ClientError('room-left');
        case 'reconnecting':
          await this.#changed(signal);
      }
    }
  }

  /** Idempotent. Resolves when the node has heard it, or could not be reached. */
  async leave(): Promise<void> {
    const farewell = this.current?.leave();
    this.#end({ kind: 'left', error: null });
    await farewell;
  }

  #attachmentOf(attached: Attached): Attachment {
    const { context, host, roster, shown } = this.#options;
    const attachment: Attachment = new Attachment({
      attached,
      runtime: context.runtime,
      roster,
      shown,
      host: {
        onRoster: (changes) => host.onRoster(changes),
        onTrack: (track) => host.onTrack(track),
        onTrackGone: (track) => host.onTrackGone(track),
        onData: (message) => host.onData(message),
        onChat: (message) => host.onChat(message),
        onSpeakers: (speakers) => host.onSpeakers(speakers),
        onRelayTrouble: (trouble) => host.onRelayTrouble(trouble),
        onTrouble: (error) => host.onTrouble(error),
        onConnected: (direction) => {
          this.#attempts = 0;
          host.onConnected(direction);
        },
        onLost: (verdict, error) => this.#onLost(attachment, verdict, error),
      },
    });
    return attachment;
  }

  #begin(attachment: Attachment): void {
    const { context, host } = this.#options;
    this.#state = { name: 'connected', attachment };
    host.onAttached(attachment);
    attachment.start();
    this.#wake();
    this.#cancelProven();
    this.#cancelProven = context.runtime.after(PROVEN_MS, () => {
      if (this.current === attachment && !attachment.isConnecting) this.#attempts = 0;
    });
  }

  #onLost(attachment: Attachment, verdict: Verdict, error: SdkError): void {
    if (this.current !== attachment) return;
    if (verdict.next === 'end') {
      this.#end({ kind: verdict.kind, error });
      return;
    }
    this.#letGo();
    attachment.retire();
    this.#stale = attachment;
    const stop = new AbortController();
    this.#state = { name: 'reconnecting', attempt: this.#attempts, cause: error, stop };
    this.#options.host.onDetached();
    const nodeId = attachment.attached.session.decision.nodeId;
    void this.#rejoin(stop, error, verdict.avoidNode ? [nodeId] : []);
  }

  /** Never throws: what cannot be mended ends the room. */
  async #rejoin(stop: AbortController, cause: SdkError, avoid: readonly NodeId[]): Promise<void> {
    const { context, host } = this.#options;
    const { runtime } = context;
    const lostAtMs = runtime.now();
    try {
      const { value, attempts } = await rejoin({
        runtime,
        signal: stop.signal,
        cause,
        avoid,
        attempts: this.#attempts,
        attempt: (input) => this.#attempt(input, stop.signal),
        onWaiting: (waiting) => {
          this.#state = { name: 'reconnecting', attempt: waiting.attempt, cause: waiting.cause, stop };
          host.onReconnecting(waiting);
        },
      });
      if (stop.signal.aborted) return value.connection.close();
      this.#attempts = attempts;
      this.#device = value.loadedDevice;
      this.#sessionToken = value.session.sessionToken;
      const attachment = this.#attachmentOf(value);
      this.#stale?.sender.close();
      this.#begin(attachment);
      this.#cancelSettle = runtime.after(SETTLE_MS, () => {
        this.#letGo();
        if (this.current === attachment) host.onSettled(attachment);
      });
      host.onReconnected(attachment, runtime.now() - lostAtMs);
    } catch (thrown) {
      if (!stop.signal.aborted) this.#end({ kind: 'failed', error: toSdkError(thrown) });
    }
  }

  async #attempt(
    input: { avoid: readonly NodeId[]; onNode: (nodeId: NodeId) => void },
    signal: AbortSignal,
  ): Promise<Attached> {
    const { autoSubscribe, context } = this.#options;
    const attempt = (region: Context['region']) =>
      attach({
        ...input,
        context,
        autoSubscribe,
        signal,
        region,
        rtts: this.#rtts.filter(({ nodeId }) => !input.avoid.includes(nodeId)),
        previousSessionToken: this.#sessionToken,
        loadedDevice: this.#device,
        watch: new Stopwatch(context.runtime.now),
      });
    try {
      return await attempt(context.region);
    } catch (error) {
      // Better in the room on another continent than nowhere.
      if (context.region === undefined || !isSdkError(error, 'region-unavailable')) throw error;
      return attempt(undefined);
    }
  }

  #end(end: RoomEnd): void {
    const { state } = this;
    if (state.name === 'ended') return;
    this.#state = { name: 'ended', end };
    if (state.name === 'reconnecting') state.stop.abort();
    for (const undo of this.#undo.splice(0)) undo();
    this.#cancelProven();
    this.#letGo();
    if (state.name === 'connected' && end.kind !== 'left') state.attachment.close();
    this.#options.host.onEnded(end);
    this.#wake();
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
    this.#options.context.handover.put(this.#sessionToken);
    this.current?.attached.connection.tell('leave', {});
    const { current } = this;
    this.#end({ kind: 'left', error: null });
    current?.close();
  };

  /** The network is back, perhaps as another one: find out quickly instead of waiting for silence. */
  readonly #onOnline = (): void => {
    this.current?.attached.connection.check(CHECK_WITHIN_MS);
    this.current?.restartIce();
  };
}
