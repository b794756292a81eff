import type {
  ChatMessage,
  EndReason,
  MediaSource,
  NodeId,
  NotificationData,
  Participant,
  ProducerInfo,
  Region,
} from '@meridian/protocol';
import type { SdkError } from '../errors.ts';
import type { DataMessage, RemoteTrack } from '../media/receiver.ts';
import type { ActiveSpeakers } from './attachment.ts';
import type { EndKind } from './ending.ts';

/** How a room came to its end; `error` says more where it was not one's own leaving. */
export interface RoomEnd {
  readonly kind: EndKind;
  readonly error: SdkError | null;
}

/** A room reports facts; what holds now is read from its getters. */
export interface RoomEvents {
  /** Something that the getters show has changed. Sent once per batch of changes. */
  'changed': undefined;
  'participant-joined': Participant;
  'participant-updated': Participant;
  'participant-left': { readonly participant: Participant; readonly reason: EndReason };
  /** Somebody began to publish, muted or unmuted, or ended it. */
  'producer-opened': ProducerInfo;
  'producer-updated': ProducerInfo;
  'producer-closed': ProducerInfo;
  /** Media flows in. Comes again with a new track for the same producer after a reconnect. */
  'track-added': RemoteTrack;
  'track-removed': RemoteTrack;
  'active-speakers': ActiveSpeakers;
  /** A line of somebody, oneself included. */
  'chat': ChatMessage;
  'data': DataMessage;
  /** A device was unplugged, or sharing was stopped in the browser's own bar. */
  'local-track-ended': { readonly source: MediaSource };
  /** `attempt` counts from 0; the attempt is made after `delayMs`. */
  'reconnecting': { readonly attempt: number; readonly delayMs: number; readonly cause: SdkError };
  'reconnected': { readonly nodeId: NodeId; readonly region: Region; readonly afterMs: number };
  'relay-trouble': NotificationData<'relay-trouble'>;
  /** Something failed that the call survives. */
  'trouble': SdkError;
  /** The last event. */
  'ended': RoomEnd;
}
