import {
  assertNever,
  type DataProducerId,
  type ErrorCode,
  MeridianError,
  type NotificationData,
  type SessionId,
} from '@meridian/protocol';
import { ClientError, fromBody, type SdkError } from '../errors.ts';
import type { Shown } from '../media/layers.ts';
import type { LinkOptions } from '../media/link.ts';
import { type DataMessage, type FlowProbe, Receiver, type RemoteTrack } from '../media/receiver.ts';
import { Sender } from '../media/sender.ts';
import { pause, type Runtime } from '../runtime.ts';
import type { Notification } from '../signalling/connection.ts';
import { readReports } from '../stats/reports.ts';
import type { Attached } from './attach.ts';
import { type Verdict, verdictOfClose, verdictOfReason } from './ending.ts';
import { Roster, type RosterChange } from './roster.ts';

export type ActiveSpeakers = NotificationData<'active-speakers'>;

/** What an attachment tells the room it belongs to. */
export interface AttachmentHost {
  onRoster(changes: readonly RosterChange[]): void;
  onTrack(track: RemoteTrack, flow: FlowProbe): void;
  onTrackGone(track: RemoteTrack): void;
  onData(message: DataMessage, from: DataProducerId): void;
  onChat(message: NotificationData<'chat'>['message']): void;
  onSpeakers(speakers: ActiveSpeakers): void;
  onRelayTrouble(trouble: NotificationData<'relay-trouble'>): void;
  onTrouble(error: SdkError): void;
  /** A transport is up. */
  onConnected(direction: 'send' | 'receive'): void;
  /** The node is going to stop, and wants us to be elsewhere by then. */
  onMoveAsked(deadlineMs: number): void;
  /** The WebSocket is gone, the media may go on: `resume` or `close`. */
  onSuspended(error: SdkError): void;
  /** The attachment is of no more use. Told once. */
  onLost(verdict: Verdict, error: SdkError): void;
}

const LEAVE_WITHIN_MS = 1_000;
/** Between one thing that is closed and the next. Milliseconds. */
const BREATH_MS = 100;
/** Media says something this often at the least, be it feedback on what we send. Milliseconds. */
const LIFE_SIGN_MS = 400;
const LOOK_EVERY_MS = 80;

/** One stay at one node: connection, both transports, and what runs over them. */
export class Attachment {
  readonly attached: Attached;
  readonly sender: Sender;
  readonly receiver: Receiver;
  /** The room as this node sees it. */
  readonly roster: Roster;
  readonly #runtime: Runtime;
  #host: AttachmentHost | undefined;
  #started = false;

  constructor(options: {
    attached: Attached;
    runtime: Runtime;
    sizeOf: (track: RemoteTrack) => Shown | undefined;
    host: AttachmentHost;
  }) {
    const { attached, runtime } = options;
    this.attached = attached;
    this.roster = new Roster(attached.joined.self.sessionId);
    this.#runtime = runtime;
    this.#host = options.host;
    const { connection, joined, loadedDevice, session } = attached;
    const link = (direction: 'send' | 'receive'): Omit<LinkOptions, 'transport'> => ({
      runtime,
      connection,
      device: loadedDevice.device,
      iceServers: toRtcIceServers(session.iceServers),
      onConnected: () => this.#host?.onConnected(direction),
      onDead: () => this.#lost({ next: 'rejoin', avoidNode: false }, new ClientError('media-unreachable')),
    });
    this.sender = new Sender({ ...link('send'), transport: joined.sendTransport });
    this.receiver = new Receiver({ ...link('receive'), transport: joined.recvTransport }, options.sizeOf, {
      onTrack: (track, flow) => this.#host?.onTrack(track, flow),
      onTrackGone: (track) => this.#host?.onTrackGone(track),
      onData: (message, from) => this.#host?.onData(message, from),
      onTrouble: (error) => this.#host?.onTrouble(error),
    });
  }

  get sessionId(): SessionId {
    return this.attached.joined.self.sessionId;
  }

  /** Somebody still listens to it. */
  get isServing(): boolean {
    return this.#host !== undefined;
  }

  /** Begins to work on what the node says; what it has said since the join comes first. Idempotent. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    const { connection, joined } = this.attached;
    this.#host?.onRoster(this.roster.reset(joined));
    connection.receive({
      notification: (notification) => this.#onNotification(notification),
      suspended: (error) => this.#host?.onSuspended(error),
      closed: (error) => this.#lost(verdictOfClose(error, this.#runtime.isOnline()), error),
    });
  }

  /**
   * One attempt to go on after `onSuspended`.
   * @throws what the node closed with; ClientError `node-unreachable`, `aborted`
   */
  async resume(signal: AbortSignal): Promise<void> {
    await this.attached.connection.resume({ signal });
  }

  /** Does anything come in over the transports, media or feedback on ours? */
  async mediaLives(): Promise<boolean> {
    const before = await this.#bytesReceived();
    for (let waitedMs = 0; waitedMs < LIFE_SIGN_MS; waitedMs += LOOK_EVERY_MS) {
      await pause(this.#runtime, LOOK_EVERY_MS, undefined);
      if ((await this.#bytesReceived()) > before) return true;
    }
    return false;
  }

  /** Is everything that we publish on its way? */
  async isSending(): Promise<boolean> {
    const { transport } = this.sender;
    const live = this.sender.all.filter(({ producer }) => !producer.paused && producer.track?.readyState === 'live');
    if (live.length === 0) return true;
    if (transport.connectionState !== 'connected') return false;
    const sent = readReports(await transport.getStats()).filter(({ type }) => type === 'outbound-rtp');
    // Simulcast has several reports for one publication, and sends its upper layers later.
    const kinds = (wanted: 'audio' | 'video') =>
      sent.some(({ kind, bytesSent = 0 }) => kind === wanted && bytesSent > 0);
    return live.every(({ producer }) => kinds(producer.kind === 'audio' ? 'audio' : 'video'));
  }

  /** Is a transport still (or again) on its way up? */
  get isConnecting(): boolean {
    const states = [this.sender.transport.connectionState, this.receiver.transport.connectionState];
    return states.some((state) => state === 'connecting' || state === 'disconnected' || state === 'failed');
  }

  restartIce(): void {
    this.sender.restartIce();
    this.receiver.restartIce();
  }

  /** Says no more, but goes on playing what still comes in, until `close`. @param why requests fail that wait */
  retire(why: SdkError = new ClientError('room-left')): void {
    this.#host = undefined;
    this.attached.connection.abandon(why);
  }

  /** Says goodbye, closes all, and gives the node a moment to answer. Never throws. */
  async leave(): Promise<void> {
    const answered = this.#sayGoodbye();
    this.sender.close();
    this.receiver.close();
    await answered;
    this.attached.connection.close();
  }

  /**
   * As `leave`, where the page goes on over another attachment. Whatever is closed holds up the browser's threads that carry all
   * other media of the page too, the longer the more encoders and decoders still run: these end first, and each thing has a turn
   * of its own. Never throws.
   * @param signal ends it early; the rest is for `close`
   */
  async withdraw(signal: AbortSignal): Promise<void> {
    const answered = this.#sayGoodbye();
    try {
      await this.sender.silence();
      await answered;
      for (const close of [() => this.sender.close(), () => this.receiver.close()]) {
        await pause(this.#runtime, BREATH_MS, signal);
        close();
      }
    } catch {
      // `close` does the rest.
    }
    this.close();
  }

  /** Of a move that has failed: the participant is at the node before again. Closes all. Never throws. */
  async giveBack(): Promise<void> {
    const { connection } = this.attached;
    this.#host = undefined;
    this.sender.close();
    this.receiver.close();
    // A connection that is gone cannot say it: the next attempt, or the end of the window, does it then.
    if (!connection.isSuspended)
      await connection.request('leave', { back: true }, { withinMs: LEAVE_WITHIN_MS }).catch(() => {});
    connection.close();
  }

  /** Idempotent. */
  close(): void {
    this.retire();
    this.sender.close();
    this.receiver.close();
  }

  async #sayGoodbye(): Promise<void> {
    const { connection } = this.attached;
    this.#host = undefined;
    // The goodbye goes out with the next WebSocket: nobody has to see us "reconnecting" for the rest of the window.
    if (connection.isSuspended) connection.resume({ withinMs: LEAVE_WITHIN_MS }).catch(() => {});
    await connection.request('leave', {}, { withinMs: LEAVE_WITHIN_MS }).catch(() => {});
  }

  async #bytesReceived(): Promise<number> {
    const transports = [this.sender.transport, this.receiver.transport].filter(({ closed }) => !closed);
    const stats = await Promise.all(transports.map((transport) => transport.getStats().then(readReports)));
    return stats
      .flat()
      .filter(({ type }) => type === 'candidate-pair' || type === 'transport')
      .reduce((sum, { bytesReceived = 0 }) => sum + bytesReceived, 0);
  }

  #lost(verdict: Verdict, error: SdkError): void {
    const host = this.#host;
    this.#host = undefined;
    host?.onLost(verdict, error);
  }

  #onNotification(notification: Notification): void {
    const host = this.#host;
    if (host === undefined) return;
    const { roster } = this;
    switch (notification.event) {
      case 'welcome':
      case 'session-token':
        // The connection knows both.
        break;
      case 'move-asked':
        host.onMoveAsked(notification.data.deadlineMs);
        break;
      case 'participant-joined':
      case 'participant-updated':
        host.onRoster(roster.joined(notification.data.participant));
        break;
      case 'participant-left':
        host.onRoster(roster.left(notification.data.sessionId, notification.data.reason));
        break;
      case 'producer-opened':
        host.onRoster(roster.producerOpened(notification.data.producer));
        break;
      case 'producer-updated':
        host.onRoster(roster.producerPaused(notification.data.producerId, notification.data.paused));
        break;
      case 'producer-closed':
        host.onRoster(roster.producerClosed(notification.data.producerId));
        break;
      case 'consumer-opened':
        void this.receiver.open(notification.data);
        break;
      case 'consumer-closed':
        this.receiver.closed(notification.data.consumerId);
        break;
      case 'data-consumer-opened':
        void this.receiver.openData(notification.data);
        break;
      case 'data-consumer-closed':
        this.receiver.dataClosed(notification.data.dataConsumerId);
        break;
      case 'active-speakers':
        host.onSpeakers(notification.data);
        break;
      case 'chat':
        host.onChat(notification.data.message);
        break;
      case 'relay-trouble':
        host.onRelayTrouble(notification.data);
        break;
      case 'media-lost': {
        const error = new MeridianError(codeOfMediaLoss(notification.data.reason));
        this.#lost(verdictOfReason(notification.data.reason, error), error);
        break;
      }
      case 'session-ended': {
        const error = fromBody(notification.data.error);
        this.#lost(verdictOfReason(notification.data.reason, error), error);
        break;
      }
      case 'data-producer-opened':
      case 'data-producer-closed':
      case 'consumer-updated':
      case 'consumer-layers':
      case 'consumer-score':
        // Data consumers say the first two already, the roster the third; the rest is read by stats.
        break;
      default:
        assertNever(notification);
    }
  }
}

const codeOfMediaLoss = (reason: NotificationData<'media-lost'>['reason']): ErrorCode =>
  reason === 'worker-died' ? 'worker-died' : 'media-unavailable';

function toRtcIceServers(servers: Attached['session']['iceServers']): RTCIceServer[] {
  return servers.map(({ urls, username, credential }) => ({
    urls,
    ...(username === undefined ? {} : { username }),
    ...(credential === undefined ? {} : { credential }),
  }));
}
