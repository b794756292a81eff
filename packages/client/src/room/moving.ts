import { ClientError, type SdkError, toSdkError } from '../errors.ts';
import { DataMerge } from '../media/data-merge.ts';
import type { DataMessage, RemoteTrack } from '../media/receiver.ts';
import type { Runtime } from '../runtime.ts';
import type { Attached } from './attach.ts';
import type { Attaching } from './attaching.ts';
import type { Attachment, AttachmentHost } from './attachment.ts';
import type { Verdict } from './ending.ts';
import { Move } from './move.ts';
import { Retirement } from './retirement.ts';

/** What the room has to do about moves. */
export interface MovingHost {
  /**
   * Joined at another node as well: publish there what is published here.
   * @param carriedBps by the sending connection to this node before the move, as the browser estimates it
   * @throws what that node answered
   */
  onStaged(next: Attachment, carriedBps: Promise<number | undefined>): Promise<void>;
  /** Of the old and the next attachment of a move, this one has gone. */
  onUnstaged(attachment: Attachment): void;
  /** The attachment before this one is closed for good. */
  onSettled(attachment: Attachment): void;
  /** Are these tracks still needed? */
  relyOn(tracks: readonly RemoteTrack[]): boolean;
  onMoved(attachment: Attachment, afterMs: number): void;
  onData(message: DataMessage): void;
  onTrackGone(track: RemoteTrack): void;
  onTrouble(error: SdkError): void;
}

export interface MovingOptions {
  readonly runtime: Runtime;
  readonly attaching: Attaching;
  readonly host: MovingHost;
  readonly attachmentOf: (attached: Attached) => Attachment;
  readonly current: () => Attachment | undefined;
  /** Can the old attachment not be talked to any more? */
  readonly isLost: () => boolean;
  /** The next attachment counts from now on. */
  readonly onArrived: (next: Attachment) => void;
  readonly onFailed: (from: Attachment, how: { hasTouchedSession: boolean }) => void;
}

/** The moves of one room: from node to node while the call goes on. At most one at a time. */
export class Moving {
  readonly #options: MovingOptions;
  readonly #data: DataMerge;
  #move: Move | undefined;
  #moving: Promise<void> | undefined;
  #retirement: Retirement | undefined;

  constructor(options: MovingOptions) {
    this.#options = options;
    this.#data = new DataMerge((message) => options.host.onData(message));
  }

  get isUnderWay(): boolean {
    return this.#move !== undefined;
  }

  /** What is attached beside the one that counts: where we are going to, where we come from. */
  get beside(): readonly Attachment[] {
    return [this.#move?.next, this.#retirement?.attachment].filter((one) => one !== undefined);
  }

  /** Where we come from, once there is somewhere to go. */
  get leaving(): Attachment | undefined {
    if (this.#retirement !== undefined) return this.#retirement.attachment;
    return this.#move?.next === undefined ? undefined : this.#options.current();
  }

  /** Resolves when another node counts; joins a move that is under way. @throws why the last attempt failed */
  start(from: Attachment, deadlineMs: number): Promise<void> {
    if (this.#moving !== undefined) return this.#moving;
    const moving = this.#run(from, deadlineMs).finally(() => {
      if (this.#moving === moving) this.#moving = undefined;
    });
    this.#moving = moving;
    return moving;
  }

  /** The attachment that counts is of no more use: go on with the next one as it is, or fail at once. */
  hurry(): void {
    this.#move?.hurry();
  }

  /** `over` when the loss of this attachment is dealt with; `ends` when it is the end of the room. */
  lost(attachment: Attachment, error: SdkError, verdict?: Verdict): 'over' | 'ends' | 'not-mine' {
    if (this.#retirement?.attachment === attachment) {
      this.#retirement.end();
      return 'over';
    }
    if (this.#move?.next !== attachment) return 'not-mine';
    if (verdict?.next === 'end') return 'ends';
    this.#move.lost(error);
    return 'over';
  }

  onData(attachment: Attachment, ...message: Parameters<AttachmentHost['onData']>): void {
    if (this.#isOld(attachment)) this.#data.fromOld(...message);
    else this.#data.fromNew(...message);
  }

  /** The node that data is sent over while it is not the one that counts; waits while it is handed over. */
  async dataSender(): Promise<Attachment | undefined> {
    const retirement = this.#retirement;
    return retirement !== undefined && (await retirement.takesData()) ? retirement.attachment : undefined;
  }

  /** Says goodbye where else we are attached. Never throws. */
  async leave(): Promise<void> {
    await Promise.all([this.#move?.next?.leave(), this.#retirement?.leave()]);
  }

  /** Idempotent; closes what is attached beside. */
  end(): void {
    const next = this.#move?.next;
    this.#move?.stop();
    this.#move = undefined;
    next?.close();
    this.#retirement?.end();
  }

  async #run(from: Attachment, deadlineMs: number): Promise<void> {
    const { attaching, host, runtime } = this.#options;
    const startedAtMs = runtime.now();
    void this.#retirement?.leave();
    // A look is work, and what follows is the busiest moment of all: it tells more of the way now.
    const carriedBps = from.sender.carriedBps();
    const move = new Move({
      runtime,
      from,
      deadlineMs,
      attach: (input) => attaching.attach({ ...input, handover: true }),
      stage: (attached) => this.#stage(attached),
      publish: (next) => host.onStaged(next, carriedBps),
      isReceiving: () => !host.relyOn(from.receiver.tracks),
      drop: (next) => this.#drop(next),
      onTrouble: (error) => host.onTrouble(error),
    });
    this.#move = move;
    try {
      const next = await move.run();
      if (next === undefined || this.#move !== move) throw new ClientError('room-left');
      this.#arrive(from, next);
      host.onMoved(next, runtime.now() - startedAtMs);
    } catch (thrown) {
      const error = toSdkError(thrown);
      if (this.#move === move) {
        this.#move = undefined;
        host.onTrouble(error);
        this.#options.onFailed(from, move);
      }
      throw error;
    }
  }

  /** Of two attachments of a move, the one that is going to be left. */
  #isOld(attachment: Attachment): boolean {
    if (this.#retirement !== undefined) return this.#retirement.attachment === attachment;
    return this.#move?.next !== undefined && this.#move.next !== attachment;
  }

  #stage(attached: Attached): Attachment {
    const next = this.#options.attachmentOf(attached);
    this.#data.begin();
    next.start();
    return next;
  }

  /** An attempt has failed: the participant goes back to the old node, which it has not left. */
  #drop(next: Attachment): void {
    const { host } = this.#options;
    const { tracks } = next.receiver;
    this.#data.cancel();
    void next.giveBack();
    for (const track of tracks) host.onTrackGone(track);
    host.onUnstaged(next);
  }

  #arrive(old: Attachment, next: Attachment): void {
    const { current, host, isLost, onArrived, runtime } = this.#options;
    const isSilent = isLost();
    this.#move = undefined;
    this.#retirement?.end();
    const retirement = new Retirement({
      attachment: old,
      runtime,
      isReliedOn: () => host.relyOn(old.receiver.tracks),
      onDataCut: () => this.#data.cut(),
      onOver: () => {
        if (this.#retirement !== retirement) return;
        this.#retirement = undefined;
        host.onUnstaged(old);
        const now = current();
        if (now !== undefined) host.onSettled(now);
      },
    });
    this.#retirement = retirement;
    onArrived(next);
    void retirement.run({ isSilent });
  }
}
