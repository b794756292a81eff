import {
  assertNever,
  type ErrorCode,
  MeridianError,
  type NotificationData,
  type ProducerId,
  type SessionId,
} from '@meridian/protocol';
import { ClientError, fromBody, type SdkError } from '../errors.ts';
import type { Shown } from '../media/layers.ts';
import type { LinkOptions } from '../media/link.ts';
import { type DataMessage, Receiver, type RemoteTrack } from '../media/receiver.ts';
import { Sender } from '../media/sender.ts';
import type { Runtime } from '../runtime.ts';
import type { Notification } from '../signalling/connection.ts';
import type { Attached } from './attach.ts';
import { type Verdict, verdictOfClose, verdictOfReason } from './ending.ts';
import type { Roster, RosterChange } from './roster.ts';

export type ActiveSpeakers = NotificationData<'active-speakers'>;

/** What an attachment tells the room it belongs to. */
export interface AttachmentHost {
  onRoster(changes: readonly RosterChange[]): void;
  onTrack(track: RemoteTrack): void;
  onTrackGone(track: RemoteTrack): void;
  onData(message: DataMessage): void;
  onChat(message: NotificationData<'chat'>['message']): void;
  onSpeakers(speakers: ActiveSpeakers): void;
  onRelayTrouble(trouble: NotificationData<'relay-trouble'>): void;
  onTrouble(error: SdkError): void;
  /** A transport is up. */
  onConnected(direction: 'send' | 'receive'): void;
  /** The attachment is of no more use. Told once. */
  onLost(verdict: Verdict, error: SdkError): void;
}

const LEAVE_WITHIN_MS = 1_000;

/** One stay at one node: connection, both transports, and what runs over them. */
export class Attachment {
  readonly attached: Attached;
  readonly sender: Sender;
  readonly receiver: Receiver;
  readonly #roster: Roster;
  readonly #runtime: Runtime;
  #host: AttachmentHost | undefined;

  constructor(options: {
    attached: Attached;
    runtime: Runtime;
    roster: Roster;
    shown: ReadonlyMap<ProducerId, Shown>;
    host: AttachmentHost;
  }) {
    const { attached, runtime } = options;
    this.attached = attached;
    this.#runtime = runtime;
    this.#roster = options.roster;
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
    this.receiver = new Receiver({ ...link('receive'), transport: joined.recvTransport }, options.shown, {
      onTrack: (track) => this.#host?.onTrack(track),
      onTrackGone: (track) => this.#host?.onTrackGone(track),
      onData: (message) => this.#host?.onData(message),
      onTrouble: (error) => this.#host?.onTrouble(error),
    });
  }

  get sessionId(): SessionId {
    return this.attached.joined.self.sessionId;
  }

  /** Begins to work on what the node says; what it has said since the join comes first. */
  start(): void {
    const { connection, joined } = this.attached;
    this.#host?.onRoster(this.#roster.reset(joined));
    connection.receive(
      (notification) => this.#onNotification(notification),
      (error) => this.#lost(verdictOfClose(error, this.#runtime.isOnline()), error),
    );
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

  /** Says no more, but goes on playing what still comes in, until `close`. */
  retire(): void {
    this.#host = undefined;
    this.attached.connection.close();
  }

  /** Says goodbye, closes all, and gives the node a moment to answer. Never throws. */
  async leave(): Promise<void> {
    const { connection } = this.attached;
    this.#host = undefined;
    const answered = connection.request('leave', {}, { withinMs: LEAVE_WITHIN_MS }).catch(() => {});
    this.sender.close();
    this.receiver.close();
    await answered;
    connection.close();
  }

  /** Idempotent. */
  close(): void {
    this.retire();
    this.sender.close();
    this.receiver.close();
  }

  #lost(verdict: Verdict, error: SdkError): void {
    const host = this.#host;
    this.#host = undefined;
    host?.onLost(verdict, error);
  }

  #onNotification(notification: Notification): void {
    const host = this.#host;
    if (host === undefined) return;
    const roster = this.#roster;
    switch (notification.event) {
      case 'welcome':
      case 'session-token':
      case 'move-asked':
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
